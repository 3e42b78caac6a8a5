package onnxio

import (
	"fmt"
	"slices"
	"strings"
)

// graph is the main graph, a branch or loop body, or a local function.
type graph struct {
	label   string // "" for the main graph, else how to find it, in words
	nodes   []*node
	stored  []*Tensor // initializers, sparse ones too
	inputs  []port
	outputs []port
	body    extent

	// Filled in by link.
	defs  map[string]*def // every value this graph defines, by name
	order []*node         // nodes in canonical order, Constant nodes with a tensor left out
	free  []string        // names it takes from the graph around it, in order of first use
}

// port is an input or an output of a graph.
type port struct {
	name  string
	typ   valueType
	entry extent // the field that holds it; of a graph, not of a function
}

// node is one operator call.
type node struct {
	name, op, domain, overload string
	inputs, outputs            []string
	attrs                      []*attribute
	entry                      extent
	index                      int // in the file's order
	constant                   *Tensor
	calls                      *function // the local function that it calls

	// Answers that role.go needs for every input, found once: a node may have a
	// million of them.
	stored, scales answer
}

// title names a node for people.
func (n *node) title() string {
	if n.name != "" {
		return fmt.Sprintf("node %d (%s %s)", n.index, cut(n.op), short(n.name))
	}
	return fmt.Sprintf("node %d (%s)", n.index, cut(n.op))
}

// function is a local function: a graph with a name that nodes call.
type function struct {
	domain, name, overload string
	attrs                  []string     // attributes without a default
	defaults               []*attribute // attributes with one
	opsets                 []Opset
	graph                  *graph
	number                 int // its place in Model.functions, by the order of first calls
	called                 bool
}

// parser reads the structure of a model. It never reads a payload.
type parser struct {
	w       *window
	limits  Limits
	used    int64                                // bytes of the index so far
	side    func(location string) (*side, error) // finds a side file; nil when the model has no folder
	tensors []*Tensor
}

// readGraph reads a GraphProto. stored is what Tensor.Stored is to be for its
// initializers; label and depth say which graph it is.
func (p *parser) readGraph(c cursor, label, stored string, depth int) (*graph, error) {
	g := &graph{label: label, body: extent{c.pos, c.end}}
	if depth > p.limits.Depth {
		return nil, p.w.fail(ErrLimit, c.pos, "graphs nested too deep", fmt.Sprintf("at most %d levels (Depth)", p.limits.Depth), "more")
	}
	if err := p.charge(c.pos, costGraph); err != nil {
		return nil, err
	}
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err != nil {
			return nil, at(err, graphTitle(label), "")
		}
		if !ok {
			return g, nil
		}
		switch f.number {
		case graphNode, graphInitializer, graphInput, graphOutput, graphValueInfo, graphSparse:
			if err := f.want(p.w, graphFields[f.number], wireBytes); err != nil {
				return nil, at(err, graphTitle(label), "")
			}
		default:
			continue
		}
		switch f.number {
		case graphNode:
			n, err := p.readNode(f.body, g, stored, depth)
			if err != nil {
				return nil, err
			}
			n.entry = extent{f.at, f.end}
			n.setEntry()
			g.nodes = append(g.nodes, n)
		case graphInitializer:
			t, err := p.readTensor(f.body, inGraph(fmt.Sprintf("initializer %d", len(g.stored)), label))
			if err != nil {
				return nil, err
			}
			if t.Stored = stored; stored == StoredInitializer && t.external != nil {
				t.Stored = StoredExternal
			}
			p.store(g, t, extent{f.at, f.end})
			g.stored = append(g.stored, t)
		case graphSparse:
			t, err := p.readSparse(f.body, inGraph(fmt.Sprintf("sparse initializer %d", len(g.stored)), label), stored)
			if err != nil {
				return nil, err
			}
			p.store(g, t, extent{f.at, f.end})
			g.stored = append(g.stored, t)
		case graphInput, graphOutput, graphValueInfo:
			v, err := p.readPort(f.body)
			if err != nil {
				return nil, at(err, graphTitle(label), "")
			}
			if err := p.charge(f.at, costPort); err != nil {
				return nil, at(err, graphTitle(label), "")
			}
			switch f.number {
			case graphInput:
				v.entry = extent{f.at, f.end}
				g.inputs = append(g.inputs, v)
			case graphOutput:
				g.outputs = append(g.outputs, v)
			}
		}
	}
}

func graphTitle(label string) string {
	if label == "" {
		return "the graph"
	}
	return label
}

func inGraph(what, label string) string {
	if label == "" {
		return what
	}
	return what + " of " + label
}

// readNode reads a NodeProto of graph g.
func (p *parser) readNode(c cursor, g *graph, stored string, depth int) (*node, error) {
	n := &node{index: len(g.nodes)}
	if err := p.charge(c.pos, costNode); err != nil {
		return nil, at(err, graphTitle(g.label), "")
	}
	var attrs []cursor
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err == nil && !ok {
			break
		}
		var s string
		if err == nil {
			switch f.number {
			case nodeInput:
				s, err = p.text(&f, "input name")
				n.inputs = append(n.inputs, s)
			case nodeOutput:
				s, err = p.text(&f, "output name")
				n.outputs = append(n.outputs, s)
			case nodeName:
				n.name, err = p.text(&f, "node name")
			case nodeOpType:
				n.op, err = p.text(&f, "op_type")
			case nodeDomain:
				n.domain, err = p.text(&f, "domain")
			case nodeOverload:
				n.overload, err = p.text(&f, "overload")
			case nodeAttribute:
				err = p.message(&f, "attribute", costAttribute)
				attrs = append(attrs, f.body)
			}
		}
		if err != nil {
			return nil, at(err, inGraph(n.title(), g.label), "")
		}
	}
	n.domain = plainDomain(n.domain)
	if n.op == "" {
		return nil, at(p.w.fail(ErrInvalid, c.pos, "the node has no operator", "an op_type", "none"), inGraph(n.title(), g.label), "")
	}
	where := inGraph(n.title(), g.label)
	for _, body := range attrs { // after the rest, so that errors can name the node
		a, err := p.readAttribute(body, where, stored, depth)
		if err != nil {
			return nil, at(err, where, "")
		}
		n.attrs = append(n.attrs, a)
	}
	// Exporters write branches in any order, and uses are counted in this one.
	slices.SortStableFunc(n.attrs, func(a, b *attribute) int { return strings.Compare(a.name, b.name) })
	if n.op == "Constant" && n.domain == "" {
		if err := p.readConstant(n, g, attrs, stored); err != nil {
			return nil, at(err, where, "")
		}
	}
	return n, nil
}

// store adds a tensor of graph g, which the field entry holds, to the model.
func (p *parser) store(g *graph, t *Tensor, entry extent) {
	t.in, t.entry = g, entry
	p.tensors = append(p.tensors, t)
	if t.sparse != nil {
		t.sparse.indices.in, t.sparse.indices.entry = g, entry
		p.tensors = append(p.tensors, t.sparse.indices)
	}
}

// setEntry tells the tensor of a Constant node which field holds it.
func (n *node) setEntry() {
	if t := n.constant; t != nil {
		t.entry = n.entry
	}
}

// plainDomain writes the standard domain in its usual, empty, form.
func plainDomain(s string) string {
	if s == "ai.onnx" {
		return ""
	}
	return s
}
