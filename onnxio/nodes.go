package onnxio

import (
	"slices"
	"strconv"
	"strings"
)

// Node is one operator call of the main graph, for code that follows values
// through it. Inputs and Outputs are the names of values, "" for one that is
// left out. Nodes belong to their model and must not be changed.
type Node struct {
	Op, Domain string // Domain is "" for ONNX itself
	Title      string // for people: its number in the file, operator and name
	Inputs     []string
	Outputs    []string
	// Inner: it has branches or loop bodies, or calls a local function, so that
	// the operator alone does not say what it computes.
	Inner bool
	// Taken are the values that its branches and loop bodies take from the graph
	// around them.
	Taken []string

	attrs []*attribute
}

// Nodes lists the nodes of the main graph, each after those that make its
// inputs, in the order that Signature uses. Constant nodes with a tensor are not
// among them: Stored gives their values.
func (m *Model) Nodes() []*Node {
	nodes := make([]*Node, len(m.main.order))
	for i, n := range m.main.order {
		v := &Node{Op: n.op, Domain: n.domain, Title: n.title(), Inputs: n.inputs, Outputs: n.outputs, attrs: n.attrs, Inner: n.calls != nil}
		for _, a := range n.attrs {
			v.Inner = v.Inner || len(a.graphs) > 0
		}
		v.Taken = slices.Clone(n.needs()[len(n.inputs):])
		nodes[i] = v
	}
	return nodes
}

// Stored is the tensor stored under the name of a value of the main graph, nil
// when a node or the caller makes the value.
func (m *Model) Stored(name string) *Tensor {
	if d := m.main.defs[name]; d != nil {
		return d.tensor
	}
	return nil
}

// Has tells whether the node has the attribute.
func (n *Node) Has(name string) bool { return n.attr(name) != nil }

// Int is an integer attribute, or otherwise when the node has none of that name;
// ok is false when it has one that is no integer.
func (n *Node) Int(name string, otherwise int64) (value int64, ok bool) {
	a := n.attr(name)
	if a == nil {
		return otherwise, true
	}
	value, err := strconv.ParseInt(a.value, 10, 64)
	return value, err == nil
}

// Ints is an attribute that is a list of integers, nil when the node has none of
// that name; ok is false when it is something else, or has more than 16 entries,
// which the index does not keep.
func (n *Node) Ints(name string) (values []int64, ok bool) {
	a := n.attr(name)
	if a == nil {
		return nil, true
	}
	text, open := strings.CutPrefix(a.value, "[")
	text, closed := strings.CutSuffix(text, "]")
	if !open || !closed {
		return nil, false
	}
	values = []int64{}
	if text == "" {
		return values, true
	}
	for part := range strings.SplitSeq(text, ",") {
		v, err := strconv.ParseInt(part, 10, 64)
		if err != nil {
			return nil, false
		}
		values = append(values, v)
	}
	return values, true
}

// Text is an attribute that is a string, or otherwise when the node has none of
// that name; ok is false when it has one that is no string, or a very long one.
func (n *Node) Text(name, otherwise string) (value string, ok bool) {
	a := n.attr(name)
	if a == nil {
		return otherwise, true
	}
	value, err := strconv.Unquote(a.value)
	return value, err == nil
}

// Tensor is an attribute that is one tensor, nil when the node has none of that name.
func (n *Node) Tensor(name string) *Tensor {
	if a := n.attr(name); a != nil && len(a.tensors) == 1 {
		return a.tensors[0]
	}
	return nil
}

// attr finds an attribute by name. One that stands for the function's own, or
// holds tensors or graphs, has no value that can be read.
func (n *Node) attr(name string) *attribute {
	for _, a := range n.attrs {
		if a.name == name {
			return a
		}
	}
	return nil
}
