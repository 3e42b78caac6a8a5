package onnxio

import (
	"fmt"
)

// maxDepth is how deep branches and loop bodies may lie inside one another.
const maxDepth = 32

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
	name string
	typ  valueType
}

// node is one operator call.
type node struct {
	name, op, domain, overload string
	inputs, outputs            []string
	attrs                      []*attribute
	entry                      extent
	index                      int // in the file's order
	constant                   *Tensor
}

// title names a node for people.
func (n *node) title() string {
	if n.name != "" {
		return fmt.Sprintf("node %d (%s %q)", n.index, n.op, n.name)
	}
	return fmt.Sprintf("node %d (%s)", n.index, n.op)
}

// function is a local function: a graph with a name that nodes call.
type function struct {
	domain, name, overload string
	attrs                  []string     // attributes without a default
	defaults               []*attribute // attributes with one
	opsets                 []Opset
	graph                  *graph
}

// parser reads the structure of a model. It never reads a payload.
type parser struct {
	w        *window
	tensors  []*Tensor
	declared float64 // elements of all values whose shape the file declares
}

// readGraph reads a GraphProto. stored is what Tensor.Stored is to be for its
// initializers; label and depth say which graph it is.
func (p *parser) readGraph(c cursor, label, stored string, depth int) (*graph, error) {
	g := &graph{label: label, body: extent{c.pos, c.end}}
	if depth > maxDepth {
		return nil, p.w.fail(ErrInvalid, c.pos, "graphs nested too deep", fmt.Sprintf("at most %d levels", maxDepth), "more")
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
			if err := f.want(p.w, "of graph, number "+fmt.Sprint(f.number), wireBytes); err != nil {
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
			if n.constant != nil {
				n.constant.entry = n.entry
			}
			g.nodes = append(g.nodes, n)
		case graphInitializer:
			t, err := p.readTensor(f.body, inGraph(fmt.Sprintf("initializer %d", len(g.stored)), label))
			if err != nil {
				return nil, err
			}
			t.Stored, t.entry = stored, extent{f.at, f.end}
			g.stored = append(g.stored, t)
			p.tensors = append(p.tensors, t)
		case graphSparse:
			t, err := p.readSparse(f.body, inGraph(fmt.Sprintf("sparse initializer %d", len(g.stored)), label))
			if err != nil {
				return nil, err
			}
			t.entry = extent{f.at, f.end}
			if stored == StoredInitializer {
				t.Stored = StoredSparse
			} else {
				t.Stored = stored
			}
			g.stored = append(g.stored, t)
			p.tensors = append(p.tensors, t)
		case graphInput, graphOutput, graphValueInfo:
			v, err := p.readPort(f.body)
			if err != nil {
				return nil, at(err, graphTitle(label), "")
			}
			p.declared += v.typ.elements()
			switch f.number {
			case graphInput:
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
				s, err = f.text(p.w, "input name")
				n.inputs = append(n.inputs, s)
			case nodeOutput:
				s, err = f.text(p.w, "output name")
				n.outputs = append(n.outputs, s)
			case nodeName:
				n.name, err = f.text(p.w, "node name")
			case nodeOpType:
				n.op, err = f.text(p.w, "op_type")
			case nodeDomain:
				n.domain, err = f.text(p.w, "domain")
			case nodeOverload:
				n.overload, err = f.text(p.w, "overload")
			case nodeAttribute:
				err = f.want(p.w, "attribute", wireBytes)
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
	if n.op == "Constant" && n.domain == "" {
		p.readConstant(n, stored)
	}
	return n, nil
}

// readConstant marks a Constant node whose value is a dense tensor: its output
// is then a stored tensor like an initializer.
func (p *parser) readConstant(n *node, stored string) {
	for _, a := range n.attrs {
		for _, t := range a.tensors {
			if t.Stored != StoredAttribute && t.Stored != stored {
				continue
			}
			if len(n.outputs) > 0 {
				t.Name = n.outputs[0]
			}
			t.Stored = stored
			if stored == StoredInitializer {
				t.Stored = StoredConstant
			}
			if a.name == "value" && len(a.tensors) == 1 && len(n.outputs) == 1 && len(n.attrs) == 1 {
				n.constant = t
			}
		}
	}
}

// readSparse reads a SparseTensorProto as one tensor of its dense shape.
func (p *parser) readSparse(c cursor, home string) (*Tensor, error) {
	t := &Tensor{Slot: -1, weight: -1, sparse: true, body: extent{c.pos, c.end}, home: home}
	var dims []int64
	var values, indices *Tensor
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err == nil && !ok {
			break
		}
		if err == nil {
			switch f.number {
			case sparseDims:
				err = f.integers(p.w, "dims", func(v int64) error { dims = append(dims, v); return nil })
			case sparseValues, sparseIndices:
				if err = f.want(p.w, "of a sparse tensor", wireBytes); err != nil {
					break
				}
				var part *Tensor
				if part, err = p.readTensor(f.body, home); err != nil {
					break
				}
				if f.number == sparseValues {
					values = part
				} else {
					indices = part
				}
			}
		}
		if err != nil {
			return nil, at(err, home, t.Name)
		}
	}
	if values == nil || indices == nil && values.Elements > 0 {
		return nil, at(p.w.fail(ErrInvalid, t.body.at, "a sparse tensor without values or indices", "both", "one or none"), home, "")
	}
	t.Name, t.DType = values.Name, values.DType
	if err := p.setShape(t, dims, t.body.at); err != nil {
		return nil, at(err, home, t.Name)
	}
	return t, nil
}

// plainDomain writes the standard domain in its usual, empty, form.
func plainDomain(s string) string {
	if s == "ai.onnx" {
		return ""
	}
	return s
}
