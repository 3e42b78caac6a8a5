package onnxio

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Differences lists what differs between two graphs in words: nothing when they
// are the same, else the sentence of Difference first and then at most limit-1
// more. Where both have the same operators in the same order they are the
// differences of single nodes; elsewhere the stretch of nodes that differs, how
// often each operator is used, and the ends of the graph.
func (m *Model) Differences(other *Model, limit int) []string {
	first := m.Difference(other)
	if first == "" {
		return nil
	}
	found := []string{first}
	if m.signErr == nil && other.signErr == nil {
		a, b := operatorFacts(m.facts), operatorFacts(other.facts)
		if slices.Equal(a, b) {
			found = append(found, differingFacts(m.facts, other.facts)...)
		} else {
			found = append(found, differingOperators(a, b)...)
			found = append(found, differingFacts(endFacts(m.facts), endFacts(other.facts))...)
		}
	}
	var out []string
	for _, text := range found {
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	if more := len(out) - limit; more > 0 {
		out = append(out[:limit-1], fmt.Sprintf("and %d differences more", more+1))
	}
	return out
}

// operatorFacts are the facts that say which operator a node is.
func operatorFacts(facts []fact) []fact {
	var out []fact
	for _, f := range facts {
		if f.has == "is" && strings.Contains(f.subject, "node ") && !strings.Contains(f.subject, "put ") {
			out = append(out, f)
		}
	}
	return out
}

// endFacts are the facts about the whole model, its inputs and its outputs.
func endFacts(facts []fact) []fact {
	var out []fact
	for _, f := range facts {
		ends := strings.HasPrefix(f.subject, "input ") || strings.HasPrefix(f.subject, "output ")
		if f.subject == "the model" || ends && f.has == "is" {
			out = append(out, f)
		}
	}
	return out
}

// differingFacts compares facts of one subject and kind, the first of each with
// the first, the second with the second.
func differingFacts(a, b []fact) []string {
	type key struct {
		subject, has string
		nth          int
	}
	number := func(facts []fact) (order []key, values map[key]string) {
		values = map[key]string{}
		seen := map[key]int{}
		for _, f := range facts {
			k := key{f.subject, f.has, 0}
			k.nth = seen[k]
			seen[key{f.subject, f.has, 0}]++
			order, values[k] = append(order, k), f.value
		}
		return order, values
	}
	inA, ofA := number(a)
	inB, ofB := number(b)
	told := map[string]bool{} // subjects: what is missing often follows from what differs
	var out []string
	for _, k := range inA {
		if v, ok := ofB[k]; ok && v != ofA[k] {
			out = append(out, fmt.Sprintf("%s %s %s, the other %s", k.subject, k.has, ofA[k], v))
			told[k.subject] = true
		}
	}
	for _, k := range inA {
		if _, ok := ofB[k]; !ok && !told[k.subject] {
			out = append(out, fmt.Sprintf("%s %s %s, the other's does not", k.subject, k.has, ofA[k]))
			told[k.subject] = true
		}
	}
	for _, k := range inB {
		if _, ok := ofA[k]; !ok && !told[k.subject] {
			out = append(out, fmt.Sprintf("the other's %s %s %s", k.subject, k.has, ofB[k]))
			told[k.subject] = true
		}
	}
	return out
}

// shownOperators is how many operators of a stretch are written out.
const shownOperators = 8

// differingOperators tells the stretch of operators between what both lists
// begin and end with, and the operators that are used more or less often.
func differingOperators(a, b []fact) []string {
	begin := 0
	for begin < min(len(a), len(b)) && a[begin].value == b[begin].value {
		begin++
	}
	end := 0
	for end < min(len(a), len(b))-begin && a[len(a)-1-end].value == b[len(b)-1-end].value {
		end++
	}
	stretch := func(list []fact) string {
		list = list[begin : len(list)-end]
		if len(list) == 0 {
			return "nothing"
		}
		var ops []string
		for _, f := range list[:min(len(list), shownOperators)] {
			ops = append(ops, f.value)
		}
		text := strings.Join(ops, ", ")
		if more := len(list) - len(ops); more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		return text
	}
	where := fmt.Sprintf("between the first %d and the last %d nodes, which are the same operators, ", begin, end)
	switch {
	case begin == 0 && end == 0:
		where = "from the first node to the last "
	case begin == 0:
		where = fmt.Sprintf("before the last %d nodes, which are the same operators, ", end)
	case end == 0:
		where = fmt.Sprintf("after the first %d nodes, which are the same operators, ", begin)
	}
	out := []string{fmt.Sprintf("%sit has %s, the other %s", where, stretch(a), stretch(b))}
	uses := map[string][2]int{}
	for i, list := range [][]fact{a, b} {
		for _, f := range list {
			n := uses[f.value]
			n[i]++
			uses[f.value] = n
		}
	}
	var counts []string
	for _, op := range slices.Sorted(maps.Keys(uses)) {
		if n := uses[op]; n[0] != n[1] {
			counts = append(counts, fmt.Sprintf("%s %d and %d", op, n[0], n[1]))
		}
	}
	if len(counts) > 0 {
		out = append(out, "operators that it and the other use more or less often: "+strings.Join(counts, ", "))
	}
	return out
}
