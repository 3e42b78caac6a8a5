package align

import (
	"fmt"

	"rpg/onnxio"
)

// value is what is known of a value of the graph: the axes of a tensor, nil when
// not even their number is known, and its content when that is whole numbers
// which the graph computes with shapes.
type value struct {
	axes   []*axis
	ranked bool
	ints   *ints
}

// walker follows the values of a main graph from its inputs to its outputs.
type walker struct {
	m       *onnxio.Model
	values  map[string]*value
	weights map[*onnxio.Tensor]int // their index in Model.Weights
	axes    [][]*axis              // of each weight, nil until something uses it
	opset   map[string]int64
	symbols map[string]int // sizes that have a name
	last    int            // the last number given to a size that is not known
}

// call is one node while its rule looks at it.
type call struct {
	*walker
	node *onnxio.Node
	in   []*value // nil for an input that is left out
	why  string   // a reason for pins
}

// follow runs through the graph once. What is known of an axis grows by
// unification, so the order of the nodes does not change the outcome's truth.
func follow(m *onnxio.Model) *walker {
	w := &walker{m: m, values: map[string]*value{}, weights: map[*onnxio.Tensor]int{}, opset: map[string]int64{}, symbols: map[string]int{}}
	for i, t := range m.Weights() {
		w.weights[t] = i
	}
	w.axes = make([][]*axis, len(m.Weights()))
	info := m.Info()
	for _, o := range info.Opsets {
		w.opset[o.Domain] = o.Version
	}
	for _, in := range info.Inputs {
		why := fmt.Sprintf("the input %q of the graph", in.Name)
		v := &value{ranked: in.Shape != nil}
		for k, n := range in.Shape {
			switch {
			case n == 1:
				v.axes = append(v.axes, one())
			case n > 1:
				v.axes = append(v.axes, fixed(int(n), why))
			default:
				v.axes = append(v.axes, fixed(w.symbol(in.Symbols[k]), why))
			}
		}
		w.values[in.Name] = v
	}
	for _, n := range m.Nodes() {
		w.visit(n)
	}
	for _, out := range info.Outputs {
		if v := w.value(out.Name); v != nil {
			pinAll(fmt.Sprintf("the output %q of the graph", out.Name), v.axes...)
		}
	}
	return w
}

// symbol is the number of a size that is not known, the same for one name.
func (w *walker) symbol(name string) int {
	if n, ok := w.symbols[name]; ok && name != "" {
		return n
	}
	w.last--
	w.symbols[name] = w.last
	return w.last
}

// unknown is an axis of a size that is not known; axes of unknown size are never
// permuted.
func (w *walker) unknown() *axis { return fixed(w.symbol(""), unknownSize) }

// sized is an axis that is not permuted of n places, or of unknown size for n < 1.
func (w *walker) sized(n int, why string) *axis {
	switch {
	case n == 1:
		return one()
	case n < 1:
		return w.unknown()
	}
	return fixed(n, why)
}

// value is what is known of a value by name, nil for an omitted input.
func (w *walker) value(name string) *value {
	if name == "" {
		return nil
	}
	if v := w.values[name]; v != nil {
		return v
	}
	v := &value{}
	if t := w.m.Stored(name); t != nil {
		v = w.stored(t)
	}
	w.values[name] = v
	return v
}

// stored gives a stored tensor its axes: those of weights are free.
func (w *walker) stored(t *onnxio.Tensor) *value {
	v := &value{ranked: true}
	index, isWeight := w.weights[t]
	shape, why := t.Shape, ""
	if t.SparseShape() != nil {
		shape, why = t.SparseShape(), "it is stored as a sparse tensor"
	} else if !isWeight {
		why = "its partner is stored and copied"
	}
	for _, n := range shape {
		if why != "" || n < 2 {
			v.axes = append(v.axes, w.sized(n, why))
		} else {
			v.axes = append(v.axes, free(n))
		}
	}
	if isWeight && t.SparseShape() == nil {
		w.axes[index] = v.axes
	}
	if !isWeight {
		v.ints = w.readInts(t)
	}
	return v
}

// visit applies the rule of a node's operator, or pins all that the node touches.
func (w *walker) visit(n *onnxio.Node) {
	c := &call{walker: w, node: n, why: n.Title}
	for _, name := range n.Inputs {
		c.in = append(c.in, w.value(name))
	}
	c.computeInts()
	if follow := ruleOf(n, w.opset[n.Domain]); n.Inner || follow == nil || !follow(c) || !c.complete() {
		c.refuse()
	}
	for _, name := range n.Outputs {
		if name != "" && w.values[name] == nil {
			w.values[name] = &value{}
		}
	}
}

// complete tells whether the rule has set every output.
func (c *call) complete() bool {
	for _, name := range c.node.Outputs {
		if name != "" && c.values[name] == nil {
			return false
		}
	}
	return true
}

// refuse pins every input of the node and says nothing of its outputs.
func (c *call) refuse() {
	why := c.why + " is not followed"
	for _, v := range c.in {
		if v != nil {
			pinAll(why, v.axes...)
		}
	}
	for _, name := range c.node.Taken {
		if v := c.value(name); v != nil {
			pinAll(why, v.axes...)
		}
	}
	for _, name := range c.node.Outputs {
		if v := c.values[name]; v != nil && v.ints == nil {
			delete(c.values, name)
		}
	}
}

// set gives output k its axes.
func (c *call) set(k int, axes ...*axis) {
	if k >= len(c.node.Outputs) || c.node.Outputs[k] == "" {
		return
	}
	if len(axes) > maxRank {
		pinAll(c.why+" makes too many axes", axes...)
		return
	}
	name := c.node.Outputs[k]
	v := c.values[name]
	if v == nil {
		v = &value{}
		c.values[name] = v
	}
	v.axes, v.ranked = axes, true
}

// maxRank is more axes than ONNX Runtime takes.
const maxRank = 64

// has tells whether the node has an output k that something may use.
func (c *call) has(k int) bool { return k < len(c.node.Outputs) && c.node.Outputs[k] != "" }

// given is input k, nil when it is left out.
func (c *call) given(k int) *value {
	if k < 0 || k >= len(c.in) {
		return nil
	}
	return c.in[k]
}

// ranked is the axes of input k, if their number is known.
func (c *call) ranked(k int) ([]*axis, bool) {
	v := c.given(k)
	if v == nil || !v.ranked {
		return nil, false
	}
	return v.axes, true
}

// vector unifies input k, where it is given, with one axis.
func (c *call) vector(k int, a *axis) bool {
	v := c.given(k)
	if v == nil {
		return true
	}
	if !v.ranked || len(v.axes) != 1 {
		return false
	}
	if v.axes[0].length() != 1 || a.length() == 1 {
		unify(v.axes[0], a, c.why)
	}
	return true
}

// along gives the place of an axis that an attribute counts from the end when it
// is below 0.
func along(place int64, rank int) (int, bool) {
	if place < 0 {
		place += int64(rank)
	}
	return int(place), place >= 0 && place < int64(rank)
}
