package dataset

import (
	"fmt"
	"strings"
)

// Task gives the same images with the label that bits has for their class: the
// binary tasks over CIFAR-10's classes are ten bits, 1 for each class that the
// network is to say yes to (Wang et al., Recurrent Parameter Generators, the
// experiment on unseen tasks).
func (s *Set) Task(bits string) (*Set, error) {
	if len(bits) != s.Classes || strings.Trim(bits, "01") != "" {
		return nil, fmt.Errorf("evaluate: task %q: expected a 0 or 1 for each of the %d classes of %s, found %d letters", bits, s.Classes, s.Name, len(bits))
	}
	if !strings.Contains(bits, "0") || !strings.Contains(bits, "1") {
		return nil, fmt.Errorf("evaluate: task %q: expected both 0 and 1, found one of them only", bits)
	}
	t := *s
	t.Name, t.Classes, t.Labels = s.Name+" task "+bits, 2, make([]uint16, s.Count)
	ones := 0
	for i, label := range s.Labels {
		t.Labels[i] = uint16(bits[label] - '0')
		ones += int(t.Labels[i])
	}
	t.bad, t.damaged = &badList{}, &badList{}
	t.Notes = append(t.Notes[:len(t.Notes):len(t.Notes)],
		fmt.Sprintf("always the more frequent answer: %.2f %%", 100*float64(max(ones, s.Count-ones))/float64(s.Count)))
	return &t, nil
}
