package onnxio

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
)

// Selection overrides by name what is generated. Patterns are those of
// path.Match (* ? [a-z]), except that * and ? also match slashes; they are held
// against a tensor's whole name. The zero value changes nothing.
type Selection struct {
	Include []string `json:"include,omitempty"` // generated although it would be copied
	Exclude []string `json:"exclude,omitempty"` // copied although it would be generated; wins over Include
}

// Empty tells whether the selection changes nothing.
func (s Selection) Empty() bool { return len(s.Include)+len(s.Exclude) == 0 }

// Select decides anew which tensors are weights: as Open does, then by s. It
// must be called before m is shared or its signature used: the signature of a
// model is that of its graph under its selection, so that models opened with
// one selection may exchange their weights. The values of a weight that is left
// out play no part in it.
//
// It returns an *Error that wraps ErrSelection for a pattern that is none, that
// matches no tensor, or (Include) that matches only tensors that cannot be
// generated; m has then the selection it had.
func (m *Model) Select(s Selection) error {
	if err := m.checkSelection(s); err != nil {
		return err
	}
	m.selection = s
	m.decideAll()
	m.signOnce, m.facts, m.signature, m.signErr = sync.Once{}, nil, "", nil
	return nil
}

// Selection is what Select was given last.
func (m *Model) Selection() Selection { return m.selection }

func (m *Model) checkSelection(s Selection) error {
	fail := func(what, expected, found string) error {
		return &Error{File: m.Path, Offset: -1, What: what, Expected: expected, Found: found, Err: ErrSelection}
	}
	for _, pattern := range slices.Concat(s.Include, s.Exclude) {
		if _, err := path.Match(pattern, ""); err != nil {
			return fail(fmt.Sprintf("pattern %q", pattern), "a pattern such as *.bias", err.Error())
		}
		if !slices.ContainsFunc(m.tensors, func(t *Tensor) bool { return matches(pattern, t.Name) }) {
			return fail(fmt.Sprintf("pattern %q", pattern), "the name of a tensor", "no match")
		}
	}
	for _, pattern := range s.Include {
		var obstacle string
		for _, t := range m.tensors {
			if !matches(pattern, t.Name) {
				continue
			}
			if obstacle = t.barred(); obstacle == "" {
				break
			}
			obstacle = fmt.Sprintf("%q, but %s", t.Name, obstacle)
		}
		if obstacle != "" {
			return fail(fmt.Sprintf("pattern %q to include", pattern), "a tensor that can be generated", obstacle)
		}
	}
	return nil
}

// matches holds a name against a pattern whose syntax has been checked.
func matches(pattern, name string) bool {
	// path.Match stops * at a slash; names use slashes, dots and colons alike.
	ok, _ := path.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(name, "/", "\x00"))
	return ok
}

// firstMatch gives the first of the patterns that matches name.
func firstMatch(patterns []string, name string) (string, bool) {
	i := slices.IndexFunc(patterns, func(p string) bool { return matches(p, name) })
	if i < 0 {
		return "", false
	}
	return patterns[i], true
}

// barred says why t cannot be generated even on demand, "" when it can.
func (t *Tensor) barred() string {
	switch {
	case t.unused(t.used) != "":
		return t.unused(t.used)
	case !t.DType.float():
		return t.DType.String() + " is not a type that weights have"
	case t.Elements == 0:
		return "it has no elements"
	}
	return ""
}

// decideAll decides for every tensor whether it is a weight, and puts the
// weights into the order of their first use.
func (m *Model) decideAll() {
	m.weights, m.followed = nil, 0
	first := map[*Tensor]int{}
	for _, t := range m.tensors {
		var uses []use
		if t.def != nil {
			uses = m.terminals(t.def)
		}
		t.used = len(uses) > 0
		first[t] = t.decide(uses)
		t.weight, t.kept = -1, false
		if pattern, ok := firstMatch(m.selection.Exclude, t.Name); ok {
			if t.kept = t.Action == ActionGenerate; t.kept {
				t.Action, t.Reason = ActionCopy, "left out by the pattern "+pattern
			}
		} else if pattern, ok := firstMatch(m.selection.Include, t.Name); ok && t.Action == ActionCopy && t.barred() == "" {
			t.Action, t.Reason = ActionGenerate, "taken in by the pattern "+pattern
			first[t] = uses[0].seq
		}
		if t.Action == ActionGenerate {
			m.weights = append(m.weights, t)
		}
	}
	slices.SortStableFunc(m.weights, func(a, b *Tensor) int { return cmp.Compare(first[a], first[b]) })
	for i, t := range m.weights {
		t.weight = i
	}
}

// left adds what an input is connected to when it is a weight that the
// selection leaves out: like a constant, but its values do not count.
func (s *signer) left(subject, has string, k int, t *Tensor) {
	s.add(subject, has, "a weight left out")
	s.sparse(subject, k, t)
	s.add(subject, fmt.Sprintf("has %s shape", t.Role), shapeText(t.Shape))
	s.add(subject, fmt.Sprintf("has at input %d", k), fmt.Sprintf("%s %s", t.DType, t.Role))
}
