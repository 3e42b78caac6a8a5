package onnxio

import (
	"fmt"
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
}

// parser reads the structure of a model. It never reads a payload.
type parser struct {
	w        *window
	limits   Limits
	used     int64                                // bytes of the index so far
	side     func(location string) (*side, error) // finds a side file; nil when the model has no folder
	tensors  []*Tensor
	declared float64 // elements of all values whose shape the file declares
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
			p.declared += v.typ.elements()
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

// readConstant makes the output of a Constant node a stored tensor like an
// initializer, whichever attribute holds its value.
func (p *parser) readConstant(n *node, g *graph, bodies []cursor, stored string) error {
	if len(n.attrs) != 1 || len(n.outputs) != 1 || n.attrs[0].reference != "" {
		return nil // not a node that ONNX allows, or a value that the function's caller gives
	}
	a := n.attrs[0]
	var t *Tensor
	switch a.name {
	case "value", "sparse_value":
		if len(a.tensors) != 1 || (a.tensors[0].sparse != nil) != (a.name == "sparse_value") {
			return nil
		}
		t = a.tensors[0] // listed already
		if t.Stored = stored; stored == StoredInitializer {
			t.Stored = StoredConstant
		}
	case "value_float", "value_floats", "value_int", "value_ints", "value_string", "value_strings":
		var err error
		if t, err = p.readList(bodies[0], a.name); err != nil || t == nil {
			return err
		}
		if t.Stored = stored; stored == StoredInitializer {
			t.Stored = StoredConstant
		}
		p.tensors = append(p.tensors, t)
	default:
		return nil
	}
	t.Name, t.in, n.constant = n.outputs[0], g, t
	t.home = inGraph(n.title(), g.label)
	if t.sparse != nil {
		t.sparse.indices.Name, t.sparse.indices.Stored = t.Name, t.Stored
	}
	return nil
}

// readList reads the attribute value_float, value_floats and so on of a
// Constant node as a tensor.
func (p *parser) readList(c cursor, name string) (*Tensor, error) {
	t := &Tensor{Slot: -1, weight: -1, body: extent{c.pos, c.end}, list: true}
	if err := p.charge(c.pos, costTensor); err != nil {
		return nil, err
	}
	kind := strings.TrimSuffix(strings.TrimPrefix(name, "value_"), "s")
	single, several := attrFloat, attrFloats
	t.DType = Float32
	switch kind {
	case "int":
		t.DType, single, several = Int64, attrInt, attrInts
	case "string":
		t.DType, single, several = String, attrString, attrStrings
	}
	scalar, n := !strings.HasSuffix(name, "s"), 0
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		switch {
		case f.number == uint64(single) && scalar:
			n++
			if kind == "float" {
				err = p.addSpan(t, f.valueAt, 1, 4)
			}
		case f.number == uint64(several) && !scalar && kind == "float":
			var k int64
			k, err = p.fixedEntries(t, &f, "floats", 4)
			n += int(k)
		case f.number == uint64(several) && !scalar && kind == "int":
			err = f.integers(p.w, "ints", func(int64) error { n++; return nil })
		case f.number == uint64(several) && !scalar:
			n++
		case listFields[f.number] != 0:
			return nil, nil // another kind of value beside it
		}
		if err != nil {
			return nil, err
		}
	}
	if scalar {
		// protobuf leaves out a zero, and of a number that is there twice the last counts.
		if t.Elements = 1; n != 1 {
			return nil, nil
		}
		return t, nil
	}
	t.Shape, t.Elements = []int{n}, n
	return t, nil
}

// readSparse reads a SparseTensorProto. What it returns is the tensor of its
// values, which has the name; the places of the values hang on it.
func (p *parser) readSparse(c cursor, home, stored string) (*Tensor, error) {
	start := c.pos
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
				dims, err = p.readShape(&f, dims)
			case sparseValues, sparseIndices:
				name, part := "values", &values
				if f.number == sparseIndices {
					name, part = "indices", &indices
				}
				if err = f.want(p.w, name, wireBytes); err != nil {
					break
				}
				if *part != nil {
					err = p.w.fail(ErrInvalid, f.at, "a second "+name+" of a sparse tensor", "one", "two")
					break
				}
				*part, err = p.readTensor(f.body, name+" of "+home)
			}
		}
		if err != nil {
			return nil, at(err, home, "")
		}
	}
	if err := p.checkSparse(values, indices, dims, start); err != nil {
		return nil, at(err, home, "")
	}
	for _, t := range []*Tensor{values, indices} {
		if t.Stored = stored; stored == StoredInitializer {
			t.Stored = StoredSparse
		}
	}
	indices.places = true
	if indices.Name == "" {
		indices.Name = values.Name
	}
	return values, nil
}

// checkSparse holds the parts of a sparse tensor against one another.
func (p *parser) checkSparse(values, indices *Tensor, dims []int64, start int64) error {
	if values == nil || indices == nil {
		return p.w.fail(ErrInvalid, start, "a sparse tensor without values or indices", "both", "one or none")
	}
	var dense Tensor
	if err := p.setShape(&dense, dims, start); err != nil {
		return err
	}
	values.sparse = &sparse{dims: dense.Shape, indices: indices}
	n := values.Elements
	if len(values.Shape) != 1 || n > dense.Elements {
		return p.w.fail(ErrInvalid, start, "the values of a sparse tensor", fmt.Sprintf("a list of at most %d, as many as %s has", dense.Elements, shapeText(dense.Shape)), "shape "+shapeText(values.Shape))
	}
	linear := len(indices.Shape) == 1 && indices.Shape[0] == n
	full := len(indices.Shape) == 2 && indices.Shape[0] == n && indices.Shape[1] == len(dims)
	if indices.DType != Int64 || !linear && !full {
		return p.w.fail(ErrInvalid, start, "the indices of a sparse tensor", fmt.Sprintf("int64 [%d] or [%d,%d]", n, n, len(dims)), fmt.Sprintf("%s %s", indices.DType, shapeText(indices.Shape)))
	}
	return nil
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
