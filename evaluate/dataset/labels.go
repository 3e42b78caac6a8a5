package dataset

import (
	"bufio"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A labelling is what the pictures of a listing are labelled with.
type labelling struct {
	classes int
	labels  []uint16
	how     string // in words
}

// maxClasses is bounded by the labels' type.
const maxClasses = 1 << 16

// byFolder labels pictures by the folder they are in: by its synset's rank where
// imageNet is set or all folders are named by known synsets, and otherwise by the
// rank of its name, as torchvision's ImageFolder does.
func byFolder(l *listing, imageNet bool) (*labelling, error) {
	var folders []string
	for _, f := range l.files {
		folder, _, ok := strings.Cut(f.name, "/")
		if !ok {
			return nil, fmt.Errorf("evaluate: %s: %s: expected every picture in the folder of its class, found this one beside them", l.root, f.name)
		}
		if n := len(folders); n == 0 || folders[n-1] != folder { // files are sorted
			folders = append(folders, folder)
		}
	}
	slices.Sort(folders)
	folders = slices.Compact(folders)
	known := synsets()
	unknown := slices.IndexFunc(folders, func(name string) bool { _, ok := known[name]; return !ok })
	if imageNet && unknown >= 0 {
		return nil, fmt.Errorf("evaluate: %s: folder %q: expected the name of one of ImageNet's 1000 synsets, like n01440764", l.root, folders[unknown])
	}
	if len(folders) > maxClasses {
		return nil, fmt.Errorf("evaluate: %s: expected at most %d classes, found %d folders", l.root, maxClasses, len(folders))
	}
	result := &labelling{classes: len(folders), how: "class folders"}
	if unknown < 0 {
		result.classes, result.how = len(known), "folders named by synset"
	}
	for _, f := range l.files {
		folder, _, _ := strings.Cut(f.name, "/")
		class, found := slices.BinarySearch(folders, folder)
		if unknown < 0 {
			class, found = known[folder]
		}
		if !found {
			panic("dataset: a folder is missing in its own list")
		}
		result.labels = append(result.labels, uint16(class))
	}
	return result, nil
}

// byName labels pictures of ImageNet by the synset that their names start with.
func byName(l *listing) (*labelling, error) {
	known := synsets()
	result := &labelling{classes: len(known), how: "names that start with the synset"}
	for _, f := range l.files {
		id, _ := synsetOf(path.Base(f.name))
		class, ok := known[id]
		if !ok {
			return nil, fmt.Errorf("evaluate: %s: %s: expected a name that starts with one of ImageNet's 1000 synsets, like n01440764_", l.root, f.name)
		}
		result.labels = append(result.labels, uint16(class))
	}
	return result, nil
}

// byFile labels pictures by a text file. It has a line for each picture with its
// class in the order of the names, or lines of a name and a class, separated by
// spaces or a comma. A class is a number from 0 on, or a synset of ImageNet.
// Kaggle's LOC_val_solution.csv is of the second kind.
func byFile(l *listing, labelFile string, classes int) (*labelling, error) {
	lines, err := readLabelLines(labelFile)
	if err != nil {
		return nil, err
	}
	fail := func(line int, format string, args ...any) error {
		return fmt.Errorf("evaluate: %s: line %d: %s", labelFile, line, fmt.Sprintf(format, args...))
	}
	result := &labelling{how: "labels of " + labelFile}
	known := synsets()
	byName, ordered := map[string]int{}, []int{}
	highest, synset := 0, false
	for _, line := range lines {
		text := line.fields[min(1, len(line.fields)-1)]
		class, ok := known[text]
		synset = synset || ok
		if !ok {
			if class, err = strconv.Atoi(text); err != nil {
				return nil, fail(line.number, "class: expected a number or a synset of ImageNet, found %q", text)
			}
		}
		limit := maxClasses
		if classes > 0 {
			limit = classes
		}
		if class < 0 || class >= limit {
			hint := ""
			if limit == 1000 && class == 1000 {
				hint = "; the numbers 1 to 1000 of ImageNet's development kit are not the classes of any model, use a list of synsets"
			}
			return nil, fail(line.number, "class: expected 0 to %d, found %d%s", limit-1, class, hint)
		}
		highest = max(highest, class)
		if len(line.fields) == 1 {
			ordered = append(ordered, class)
			continue
		}
		name := path.Base(line.fields[0])
		byName[name] = class
		byName[strings.TrimSuffix(name, path.Ext(name))] = class
	}
	switch {
	case len(ordered) > 0 && len(byName) > 0:
		return nil, fmt.Errorf("evaluate: %s: expected the same number of columns in every line", labelFile)
	case len(ordered) > 0 && len(ordered) != len(l.files):
		return nil, fmt.Errorf("evaluate: %s: expected a line for each of the %d pictures in %s, found %d", labelFile, len(l.files), l.root, len(ordered))
	case len(ordered) == 0 && len(byName) == 0:
		return nil, fmt.Errorf("evaluate: %s: expected a label for each picture, found an empty file", labelFile)
	}
	missing, first := 0, ""
	for i, f := range l.files {
		class, ok := 0, true
		if len(ordered) > 0 {
			class = ordered[i]
		} else if class, ok = byName[path.Base(f.name)]; !ok {
			base := path.Base(f.name)
			class, ok = byName[strings.TrimSuffix(base, path.Ext(base))]
		}
		if !ok {
			if missing++; missing == 1 {
				first = f.name
			}
		}
		result.labels = append(result.labels, uint16(class))
	}
	if missing > 0 {
		return nil, fmt.Errorf("evaluate: %s: expected a label for each picture in %s, found none for %d of %d, the first %s",
			labelFile, l.root, missing, len(l.files), first)
	}
	if result.classes = classes; synset {
		result.classes = len(known)
	} else if classes == 0 {
		result.classes = highest + 1
	}
	return result, nil
}

type labelLine struct {
	number int
	fields []string
}

func readLabelLines(name string) ([]labelLine, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("evaluate: labels: %w", err)
	}
	defer f.Close()
	var lines []labelLine
	in := bufio.NewScanner(f)
	for number := 1; in.Scan(); number++ {
		fields := strings.FieldsFunc(in.Text(), func(c rune) bool { return c == ',' || c == ' ' || c == '\t' })
		if len(fields) == 0 || fields[0] == "ImageId" { // the head of Kaggle's file
			continue
		}
		lines = append(lines, labelLine{number, fields})
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("evaluate: %s: %w", name, err)
	}
	return lines, nil
}
