package onnxio

import (
	"fmt"
)

// def is one value of a graph: who makes it and who uses it.
type def struct {
	tensor  *Tensor // of a stored value
	node    *node   // of a node's output
	slot    int     // which output of the node, or which input of the graph
	uses    []use   // filled in by assignRoles
	escapes bool    // it is an output of its graph
	output  int     // the first output that it is, if it escapes
	input   bool    // it is an input of its graph, perhaps with a stored default
}

// use is one input of one node. seq counts uses in the canonical order.
type use struct {
	node *node
	slot int
	in   *graph
	seq  int
}

// link resolves every name in the model, refuses a graph in which a value is
// made twice, by nothing, or by itself, and finds the canonical order.
func (m *Model) link() error {
	l := linker{file: m.Path}
	if err := l.link(m.main); err != nil {
		return err
	}
	if err := l.closed(m.main); err != nil {
		return err
	}
	for _, fn := range m.functions {
		if err := l.link(fn.graph); err != nil {
			return err
		}
		if err := l.closed(fn.graph); err != nil {
			return err
		}
	}
	return m.linkCalls()
}

type linker struct{ file string }

func (l *linker) fail(g *graph, where, what string) error {
	return &Error{File: l.file, Where: inGraph(where, g.label), Offset: -1, What: what, Err: ErrInvalid}
}

// closed refuses a graph that needs a value from outside.
func (l *linker) closed(g *graph) error {
	if len(g.free) == 0 {
		return nil
	}
	for _, n := range g.nodes {
		for k, name := range n.inputs {
			if name == g.free[0] {
				return l.fail(g, n.title(), fmt.Sprintf("input %d, %s, is made by nothing in the graph", k, short(name)))
			}
		}
	}
	return l.fail(g, graphTitle(g.label), fmt.Sprintf("the value %s, an output or used in a subgraph, is made by nothing", short(g.free[0])))
}

// link fills in g.defs, g.order and g.free, inner graphs first.
func (l *linker) link(g *graph) error {
	if err := l.define(g); err != nil {
		return err
	}
	for _, n := range g.nodes {
		for _, a := range n.attrs {
			for _, inner := range a.graphs {
				if err := l.link(inner); err != nil {
					return err
				}
			}
		}
	}
	return l.sort(g)
}

// define collects the values of g.
func (l *linker) define(g *graph) error {
	g.defs = map[string]*def{}
	for k, v := range g.inputs {
		if _, twice := g.defs[v.name]; twice || v.name == "" {
			return l.fail(g, graphTitle(g.label), fmt.Sprintf("input %d has no name of its own: %s", k, short(v.name)))
		}
		g.defs[v.name] = &def{slot: k, input: true}
	}
	for _, t := range g.stored {
		if t.Name == "" {
			return l.fail(g, t.home, "the initializer has no name")
		}
		d := g.defs[t.Name]
		switch {
		case d == nil:
			t.def = &def{tensor: t}
			g.defs[t.Name] = t.def
		case d.tensor != nil:
			return l.fail(g, graphTitle(g.label), fmt.Sprintf("two initializers are called %s", short(t.Name)))
		default:
			d.tensor, t.def = t, d // an input with a default value
		}
	}
	for _, n := range g.nodes {
		for k, name := range n.outputs {
			if name == "" {
				continue // an output that nobody wants
			}
			if g.defs[name] != nil {
				return l.fail(g, n.title(), fmt.Sprintf("its output %s is made elsewhere too", short(name)))
			}
			g.defs[name] = &def{node: n, slot: k, tensor: n.constant}
			if n.constant != nil {
				n.constant.def = g.defs[name]
			}
		}
	}
	return nil
}

// sort puts the nodes of g in canonical order: each node after the nodes that
// make its inputs, visited depth first from the graph's outputs in their order,
// inputs in theirs. It depends on the wiring alone, neither on names nor on the
// order in the file. Nodes that no output needs come last, in the file's order.
func (l *linker) sort(g *graph) error {
	const (
		unseen = iota
		open   // its inputs are being visited
		done
	)
	state := make([]byte, len(g.nodes))
	seen := map[string]bool{}
	type frame struct {
		n     *node
		needs []string
		next  int
	}
	var stack []frame
	push := func(name string) error {
		if name == "" {
			return nil
		}
		d := g.defs[name]
		switch {
		case d == nil:
			if !seen[name] {
				seen[name] = true
				g.free = append(g.free, name)
			}
		case d.node == nil || d.tensor != nil || state[d.node.index] == done:
		case state[d.node.index] == open:
			return l.fail(g, d.node.title(), fmt.Sprintf("it needs its own output %s", short(name)))
		default:
			state[d.node.index] = open
			stack = append(stack, frame{d.node, d.node.needs(), 0})
		}
		return nil
	}
	drain := func() error {
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.next < len(top.needs) {
				top.next++
				if err := push(top.needs[top.next-1]); err != nil {
					return err
				}
				continue
			}
			state[top.n.index] = done
			g.order = append(g.order, top.n)
			stack = stack[:len(stack)-1]
		}
		return nil
	}
	for k, v := range g.outputs {
		if err := push(v.name); err != nil {
			return err
		}
		if err := drain(); err != nil {
			return err
		}
		if d := g.defs[v.name]; d != nil && !d.escapes {
			d.escapes, d.output = true, k
		}
	}
	for _, n := range g.nodes {
		if n.constant != nil || state[n.index] == done {
			continue
		}
		state[n.index] = open
		stack = append(stack, frame{n, n.needs(), 0})
		if err := drain(); err != nil {
			return err
		}
	}
	return nil
}

// needs lists the values that a node takes: its inputs, then what its branches
// and loop bodies take from the graph around them.
func (n *node) needs() []string {
	needs := n.inputs
	for _, a := range n.attrs {
		for _, inner := range a.graphs {
			needs = append(needs[:len(needs):len(needs)], inner.free...)
		}
	}
	return needs
}

// scope is a graph with the graphs around it, for looking up names.
type scope struct {
	g     *graph
	outer *scope
}

// find returns the value that a name stands for, or nil.
func (s *scope) find(name string) *def {
	for ; s != nil; s = s.outer {
		if d := s.g.defs[name]; d != nil {
			return d
		}
	}
	return nil
}

// walk calls visit for every node of g in canonical order; the nodes of a
// node's branches and loop bodies come right before it.
func walk(s *scope, visit func(s *scope, n *node)) {
	for _, n := range s.g.order {
		for _, a := range n.attrs {
			for _, inner := range a.graphs {
				walk(&scope{inner, s}, visit)
			}
		}
		visit(s, n)
	}
}
