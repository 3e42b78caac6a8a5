package onnxio

import (
	"fmt"
	"slices"
	"strconv"
)

// Problem is something wrong with a model that can be read all the same.
type Problem struct {
	Where  string // the part of the model: `node 12 (Conv "c1")`
	Tensor string // the stored tensor that it is about, "" for none
	What   string // expected and found
}

// Problems looks at the structure: operator sets of all operators, types of the
// graph's ends, and whether the shapes of the weights of one operator go
// together. What Open refuses (names made twice or by nothing, cycles, broken
// messages) is not among them. No values are read.
func (m *Model) Problems() []Problem {
	c := problems{m: m}
	c.ends()
	c.nodes(m.main, m.info.Opsets)
	for _, fn := range m.functions {
		c.nodes(fn.graph, fn.opsets)
	}
	return c.found
}

type problems struct {
	m     *Model
	found []Problem
}

func (c *problems) add(where, tensor, format string, a ...any) {
	c.found = append(c.found, Problem{where, tensor, fmt.Sprintf(format, a...)})
}

// ends looks at the inputs and outputs of the main graph.
func (c *problems) ends() {
	g := c.m.main
	if len(g.outputs) == 0 {
		c.add("", "", "expected at least one output of the graph, found none")
	}
	for i, ports := range [][]port{g.inputs, g.outputs} {
		for _, p := range ports {
			what := [...]string{"input", "output"}[i]
			if p.typ.kind == "" {
				c.add(fmt.Sprintf("%s %q", what, p.name), "", "expected a type, found none")
			}
			if d := g.defs[p.name]; i == 0 && d != nil && d.tensor != nil {
				c.fallback(p, d.tensor)
			}
		}
	}
}

// fallback holds a stored tensor against the input whose default it is.
func (c *problems) fallback(p port, t *Tensor) {
	where := fmt.Sprintf("input %q", p.name)
	if p.typ.kind != "tensor" || t.sparse != nil {
		return
	}
	if p.typ.dtype != 0 && p.typ.dtype != t.DType {
		c.add(where, t.Name, "expected %s as declared, found a stored tensor of %s", p.typ.dtype, t.DType)
	}
	if !p.typ.ranked {
		return
	}
	fits := len(p.typ.dims) == len(t.Shape)
	for i := 0; fits && i < len(t.Shape); i++ {
		fits = p.typ.dims[i].value < 0 || p.typ.dims[i].value == int64(t.Shape[i])
	}
	if !fits {
		c.add(where, t.Name, "expected the declared %s, found a stored tensor of shape %s", p.typ, shapeText(t.Shape))
	}
}

// nodes looks at every node of g and of the graphs inside it.
func (c *problems) nodes(g *graph, opsets []Opset) {
	missing := map[string]bool{}
	walk(&scope{g: g}, func(s *scope, n *node) {
		known := slices.ContainsFunc(opsets, func(o Opset) bool { return o.Domain == n.domain })
		// Before IR version 3 there was one operator set.
		if c.m.info.IRVersion >= 3 && !known && n.calls == nil && !missing[n.domain] {
			missing[n.domain] = true
			c.add(n.title(), "", "expected an operator set for its domain %q, found none", n.domain)
		}
		if n.domain == "" {
			c.shapes(s, n)
		}
	})
}

// stored is the stored tensor at an input of n, as it is stored; nil when there
// is none, or when its shape says nothing.
func stored(s *scope, n *node, slot int) *Tensor {
	if slot >= len(n.inputs) || n.inputs[slot] == "" {
		return nil
	}
	d := s.find(n.inputs[slot])
	if d == nil || d.tensor == nil || d.tensor.sparse != nil {
		return nil
	}
	return d.tensor
}

// integer is an attribute's value, or def when it has none.
func (n *node) integer(name string, def int) int {
	for _, a := range n.attrs {
		if a.name != name {
			continue
		}
		if v, err := strconv.Atoi(a.value); err == nil && a.reference == "" {
			return v
		}
		return -1
	}
	return def
}

// gates is the number of gates of the recurrent operators.
var gates = map[string]int{"LSTM": 4, "GRU": 3, "RNN": 1}

// shapes holds the stored inputs of one node against each other.
func (c *problems) shapes(s *scope, n *node) {
	rank := func(slot int, ok func(int) bool, expected string) bool {
		t := stored(s, n, slot)
		if t != nil && !ok(len(t.Shape)) {
			c.add(n.title(), t.Name, "input %d: expected %s dimensions, found shape %s", slot, expected, shapeText(t.Shape))
		}
		return t != nil && ok(len(t.Shape))
	}
	want := func(slot int, shape ...int) {
		if t := stored(s, n, slot); t != nil && !slices.Equal(t.Shape, shape) {
			c.add(n.title(), t.Name, "input %d: expected shape %s, found %s", slot, shapeText(shape), shapeText(t.Shape))
		}
	}
	is := func(r int) func(int) bool { return func(n int) bool { return n == r } }
	atLeast := func(r int) func(int) bool { return func(n int) bool { return n >= r } }
	switch n.op {
	case "Conv", "ConvTranspose":
		if !rank(1, atLeast(3), "3 or more") {
			return
		}
		w, group := stored(s, n, 1), n.integer("group", 1)
		switch {
		case group < 1:
		case n.op == "ConvTranspose":
			want(2, w.Shape[1]*group)
		case w.Shape[0]%group != 0:
			c.add(n.title(), w.Name, "expected a number of output channels that %d groups divide, found shape %s", group, shapeText(w.Shape))
		default:
			want(2, w.Shape[0])
		}
	case "Gemm":
		rank(0, is(2), "2")
		rank(1, is(2), "2")
	case "BatchNormalization", "InstanceNormalization":
		// Before version 9 an attribute could give each place its own statistics.
		if n.integer("spatial", 1) == 1 && rank(1, is(1), "1") {
			for slot := 2; slot < len(n.inputs); slot++ {
				want(slot, stored(s, n, 1).Shape...)
			}
		}
	case "LSTM", "GRU", "RNN":
		if !rank(1, is(3), "3") {
			return
		}
		directions, rows := stored(s, n, 1).Shape[0], stored(s, n, 1).Shape[1]
		if k := gates[n.op]; rows%k != 0 {
			c.add(n.title(), stored(s, n, 1).Name, "expected a second dimension that %d gates divide, found shape %s", k, shapeText(stored(s, n, 1).Shape))
		} else {
			want(2, directions, rows, rows/k)
		}
		want(3, directions, 2*rows)
	}
}
