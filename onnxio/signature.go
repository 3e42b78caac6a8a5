package onnxio

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// fact is one statement about a graph's structure: "node 3: Conv" "has weight
// shape" "[16,3,3,3]". Two graphs are the same when all their facts are.
type fact struct{ subject, has, value string }

// What has of a fact about one attribute begins with, and of the one after them.
const (
	attributePrefix = "has attribute "
	attributeCount  = "has attributes"
)

func (f fact) isAttribute() bool { return strings.HasPrefix(f.has, attributePrefix) }

// shownConstant is the bytes of the largest constant whose values are written
// out in a fact; of a larger one it is the SHA-256.
const shownConstant = 64

// Signature is the SHA-256, in hexadecimal, of the graph's structure in
// canonical order: operators, domains, attributes, wiring, types and shapes,
// the values of stored tensors that are not weights, operator sets, and the
// types of inputs and outputs. Names, documentation, producer, metadata, the
// values of weights, how a tensor is stored, the order of nodes in the file,
// attributes that say what holds without them, which of the two inputs of Add or
// Mul a stored tensor is, and operator sets and local functions that nothing uses
// play no part. Models of equal Signature may
// exchange their weights.
//
// The values of stored constants are read at the first call. If that fails,
// the result is the error's text, which no other model has as its signature.
func (m *Model) Signature() string {
	m.sign()
	return m.signature
}

// Difference is "" when both models have the same graph, so that they may
// exchange their weights, else the first difference in words: "node 3: Conv
// has weight shape [16,3,3,3], the other [32,3,3,3]". Nodes are numbered from
// 0 in the canonical order of Signature.
func (m *Model) Difference(other *Model) string {
	m.sign()
	other.sign()
	for _, x := range []*Model{m, other} {
		if x.signErr != nil {
			return "cannot be compared: " + x.signErr.Error()
		}
	}
	for i, a := range m.facts {
		if i >= len(other.facts) {
			return fmt.Sprintf("%s %s %s, the other ends before it", a.subject, a.has, a.value)
		}
		b := other.facts[i]
		switch {
		case a == b:
		case a.subject == b.subject && a.has == b.has:
			return fmt.Sprintf("%s %s %s, the other %s", a.subject, a.has, a.value, b.value)
		case a.subject == b.subject && a.isAttribute() && (b.has == attributeCount || b.isAttribute() && a.has < b.has):
			return fmt.Sprintf("%s %s %s, the other's does not", a.subject, a.has, a.value)
		case a.subject == b.subject && b.isAttribute() && b.has != m.facts[i-1].has:
			return fmt.Sprintf("%s does not have attribute %s, the other's %s %s", a.subject, strings.TrimPrefix(b.has, attributePrefix), b.has, b.value)
		default:
			return fmt.Sprintf("%s %s %s, where the other's %s %s %s", a.subject, a.has, a.value, b.subject, b.has, b.value)
		}
	}
	if len(other.facts) > len(m.facts) {
		b := other.facts[len(m.facts)]
		return fmt.Sprintf("it ends where the other's %s %s %s", b.subject, b.has, b.value)
	}
	return ""
}

func (m *Model) sign() {
	m.signOnce.Do(func() {
		s := signer{m: m, numbers: map[*node]string{}, positions: map[*graph][]int{}}
		s.model()
		if s.err != nil {
			m.signErr, m.signature = s.err, "unreadable: "+s.err.Error()
			return
		}
		sum := sha256.New()
		var size [8]byte
		for _, f := range s.facts {
			for _, text := range []string{f.subject, f.has, f.value} {
				// Lengths between the texts, so that no two lists of facts run together alike.
				binary.LittleEndian.PutUint64(size[:], uint64(len(text)))
				sum.Write(size[:])
				sum.Write([]byte(text))
			}
		}
		m.facts, m.signature = s.facts, hex.EncodeToString(sum.Sum(nil))
	})
}

// signer collects the facts of a model.
type signer struct {
	m       *Model
	facts   []fact
	numbers map[*node]string
	err     error

	positions map[*graph][]int // see position
}

func (s *signer) add(subject, has, value string) {
	s.facts = append(s.facts, fact{subject, has, value})
}

func (s *signer) model() {
	s.add("the model", "uses operator sets", opsetsText(operatorSets(s.m.main, s.m.info.Opsets)))
	k := 0
	for _, in := range s.m.main.inputs {
		if s.m.main.defs[in.name].tensor == nil {
			s.add(fmt.Sprintf("input %d", k), "is", in.typ.String())
			k++
		}
	}
	s.graph(&scope{g: s.m.main}, "")
	for _, fn := range s.m.functions {
		if !fn.called {
			break // and so are those after it
		}
		label := fmt.Sprintf("local function %d, ", fn.number)
		s.add(label, "has inputs, attributes and operator sets", fmt.Sprintf("%d %q %s", len(fn.graph.inputs), fn.attrs, opsetsText(operatorSets(fn.graph, fn.opsets))))
		s.attributes(&scope{g: fn.graph}, "its default", fn.defaults, label)
		s.graph(&scope{g: fn.graph}, label)
	}
}

// operatorSets are those of the domains that a node of g or of a graph inside it
// is of. The domains of local functions are not among them: they are names.
func operatorSets(g *graph, opsets []Opset) []Opset {
	used := map[string]bool{}
	walk(&scope{g: g}, func(_ *scope, n *node) {
		if n.calls == nil {
			used[n.domain] = true
		}
	})
	return slices.DeleteFunc(slices.Clone(opsets), func(o Opset) bool { return !used[o.Domain] })
}

func opsetsText(opsets []Opset) string {
	var parts []string
	for _, o := range opsets {
		parts = append(parts, fmt.Sprintf("%s %d", cmp.Or(o.Domain, "ai.onnx"), o.Version))
	}
	slices.Sort(parts)
	return strings.Join(slices.Compact(parts), ", ")
}

// graph adds the facts of a graph whose nodes are called label + "node 0" and so on.
func (s *signer) graph(sc *scope, label string) {
	for i, n := range sc.g.order {
		s.numbers[n] = fmt.Sprintf("%snode %d", label, i)
	}
	for _, n := range sc.g.order {
		number := s.numbers[n]
		op := n.op
		if n.domain != "" {
			op = n.domain + "." + op
		}
		if n.overload != "" {
			op += ":" + n.overload
		}
		if n.calls != nil {
			op = fmt.Sprintf("a call of local function %d", n.calls.number)
		}
		s.add(number, "is", op)
		subject := number + ": " + op
		s.add(subject, "has inputs", fmt.Sprint(trimmed(n.inputs)))
		for k, name := range operands(sc, n) {
			s.input(sc, subject, k, name)
		}
		outputs := make([]bool, trimmed(n.outputs))
		for k := range outputs {
			outputs[k] = n.outputs[k] != ""
		}
		s.add(subject, "has outputs", fmt.Sprint(outputs))
		telling := slices.DeleteFunc(slices.Clone(n.attrs), func(a *attribute) bool { return s.implied(sc, n, a) })
		s.attributes(sc, subject, telling, number+", ")
	}
	s.add(label+"graph", "has nodes", fmt.Sprint(len(sc.g.order)))
	for k, out := range sc.g.outputs {
		subject := fmt.Sprintf("%soutput %d", label, k)
		s.add(subject, "is", out.typ.String())
		s.input(sc, subject, 0, out.name)
	}
	s.add(label+"graph", "has outputs", fmt.Sprint(len(sc.g.outputs)))
}

// operands are the inputs of a node without omitted ones at the end. A stored
// tensor that something is added to or multiplied with comes second: exporters
// write it first or second.
func operands(sc *scope, n *node) []string {
	names := n.inputs[:trimmed(n.inputs)]
	commutes := n.domain == "" && (n.op == "Add" || n.op == "Mul") && len(n.attrs) == 0 // old ones say along which axis
	if commutes && len(names) == 2 && storedInput(sc, n, 0) != nil && storedInput(sc, n, 1) == nil {
		return []string{names[1], names[0]}
	}
	return names
}

// trimmed is the number of names without omitted ones at the end.
func trimmed(names []string) int {
	n := len(names)
	for n > 0 && names[n-1] == "" {
		n--
	}
	return n
}

// input adds what an input is connected to.
func (s *signer) input(sc *scope, subject string, k int, name string) {
	has := fmt.Sprintf("has as input %d", k)
	if name == "" {
		s.add(subject, has, "nothing")
		return
	}
	depth := 0
	for sc.g.defs[name] == nil {
		sc, depth = sc.outer, depth+1
	}
	switch d := sc.g.defs[name]; {
	case d.tensor != nil && d.tensor.weight >= 0:
		t := d.tensor
		s.add(subject, has, "a weight")
		s.sparse(subject, k, t)
		s.add(subject, fmt.Sprintf("has %s shape", t.Role), shapeText(t.Shape))
		s.add(subject, fmt.Sprintf("has at input %d", k), fmt.Sprintf("weight %d (%s %s)", t.weight, t.DType, t.Role))
	case d.tensor != nil && d.tensor.kept:
		s.left(subject, has, k, d.tensor)
	case d.tensor != nil:
		t := d.tensor
		s.add(subject, has, "a constant "+t.DType.String())
		s.sparse(subject, k, t)
		s.add(subject, fmt.Sprintf("has constant shape at input %d", k), shapeText(t.Shape))
		s.add(subject, fmt.Sprintf("has at input %d the constant", k), s.constant(t))
	case d.node != nil:
		s.add(subject, has, fmt.Sprintf("output %d of %s", d.slot, s.numbers[d.node]))
	default:
		s.add(subject, has, fmt.Sprintf("input %d of the graph %d levels up", s.position(sc.g, d.slot), depth))
	}
}

// sparse adds the dense shape of a sparse tensor and where its values are.
func (s *signer) sparse(subject string, k int, t *Tensor) {
	if t.sparse == nil {
		return
	}
	s.add(subject, fmt.Sprintf("has at input %d a sparse tensor of shape", k), shapeText(t.sparse.dims))
	s.add(subject, fmt.Sprintf("has at input %d values at", k), shapeText(t.sparse.indices.Shape)+" "+s.constant(t.sparse.indices))
}

// position is an input's number among the inputs without a stored value.
func (s *signer) position(g *graph, slot int) int {
	if s.positions[g] == nil {
		list, k := make([]int, len(g.inputs)), 0
		for i, in := range g.inputs {
			list[i] = k
			if g.defs[in.name].tensor == nil {
				k++
			}
		}
		s.positions[g] = list
	}
	return s.positions[g][slot]
}

// attributes adds a node's attributes, sorted by name.
func (s *signer) attributes(sc *scope, subject string, attrs []*attribute, label string) {
	sorted := slices.Clone(attrs)
	slices.SortStableFunc(sorted, func(a, b *attribute) int { return strings.Compare(a.name, b.name) })
	for _, a := range sorted {
		has := attributePrefix + a.name
		switch {
		case a.reference != "":
			s.add(subject, has, "the function's attribute "+a.reference)
		case len(a.tensors) == 0 && len(a.graphs) == 0:
			s.add(subject, has, a.value)
		}
		for _, t := range a.tensors {
			s.add(subject, has, fmt.Sprintf("%s %s %s", t.DType, shapeText(t.Shape), s.constant(t)))
			s.sparse(subject, 0, t)
		}
		for i, inner := range a.graphs {
			s.add(subject, has, fmt.Sprintf("a graph with %d inputs", len(inner.inputs)))
			s.graph(&scope{inner, sc}, fmt.Sprintf("%s%s %d, ", label, a.name, i))
		}
	}
	s.add(subject, attributeCount, fmt.Sprint(len(attrs)))
}

// constant is the text of a constant's values, or their hash when there are many.
func (s *signer) constant(t *Tensor) string {
	if s.err != nil {
		return ""
	}
	text, err := s.m.constantText(t)
	if err != nil {
		s.err = err
	}
	return text
}
