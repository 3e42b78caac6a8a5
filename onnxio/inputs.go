package onnxio

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// WithWeightsAsInputs returns the bytes of a model with the same graph whose
// weights are inputs instead of stored values, so that one runtime session
// serves any number of variants: names[i] is the input for weight i of
// Weights, a float32 tensor of its shape. A weight of another type is made from
// its input by a Cast, a sparse one by a ScatterND; what uses one in a branch or
// loop body takes the input instead, and a local function is given it by all
// that call it. A weight that is listed among the inputs already keeps its place
// there; the others follow the model's own inputs in the order of Weights.
// Values in side files that are not weights come into the model. Everything else
// is kept. The result is in memory and as large as the file without its weights.
//
// A model with a weight that cannot be an input, because its operator set lacks
// what that needs, is refused with an *Error that wraps ErrUnsupported; Write
// serves it.
func (m *Model) WithWeightsAsInputs() (model []byte, names []string, err error) {
	l := lifter{m: m, w: newWindow(m.src, m.size, m.Path), listed: map[string]*port{}, prefix: "rpg.weight.", gone: map[*Tensor]bool{}}
	l.findCalls()
	for i := range m.main.inputs {
		l.listed[m.main.inputs[i].name] = &m.main.inputs[i]
	}
	for taken := true; taken; {
		if taken = m.anyName(func(name string) bool { return strings.HasPrefix(name, l.prefix) }); taken {
			l.prefix += "_"
		}
	}
	for _, t := range m.weights {
		name, err := l.lift(t)
		if err != nil {
			return nil, nil, err
		}
		names = append(names, name)
	}
	if err := l.passOn(); err != nil {
		return nil, nil, err
	}
	end := extent{m.main.body.end, m.main.body.end}
	edits := append(l.edits, insert(end, m.main.body, l.inputs))
	for _, t := range m.tensors {
		if t.external != nil && t.weight < 0 && !l.gone[t] {
			more, err := m.inline(t, nil)
			if err != nil {
				return nil, nil, err
			}
			edits = append(edits, more...)
		}
	}
	pieces, size, err := m.rewrite(edits)
	if err != nil {
		return nil, nil, err
	}
	if size > maxProtobuf {
		return nil, nil, l.tooLarge(size)
	}
	var out bytes.Buffer
	out.Grow(int(size) + bytes.MinRead)
	if err := m.stream(&out, pieces); err != nil {
		return nil, nil, err
	}
	return out.Bytes(), names, nil
}

// lifter collects what makes weights inputs.
type lifter struct {
	m      *Model
	listed map[string]*port // the inputs that the model has
	w      *window
	prefix string // of new names; no name of the model begins with it
	edits  []edit
	inputs []byte           // graph inputs to add
	gone   map[*Tensor]bool // tensors beside the weights that go with them

	owner map[*graph]*function   // the local function that a graph is in
	sites map[*function][]site   // what calls it
	given map[*function][]string // the inputs that it gets in addition
	bytes int64                  // of these inputs, there and where it is called
}

func (l *lifter) tooLarge(size int64) error {
	return &Error{File: l.m.Path, Offset: -1, What: "the model without its weights is too large",
		Expected: fmt.Sprintf("at most %d bytes", maxProtobuf), Found: fmt.Sprint(size), Err: ErrUnsupported}
}

// lift makes weight t an input and returns the input's name.
func (l *lifter) lift(t *Tensor) (string, error) {
	refuse := func(what string) (string, error) {
		return "", &Error{File: l.m.Path, Where: t.home, Tensor: t.Name, Offset: -1, What: what + " cannot become an input of the graph", Err: ErrUnsupported}
	}
	fn := l.owner[t.in]
	opset := l.opset(fn)
	switch {
	case t.sparse != nil && opset < 11:
		return refuse("a sparse weight in an operator set without ScatterND")
	case t.DType != Float32 && opset < 6:
		return refuse("a weight of type " + t.DType.String() + " in an operator set whose Cast is of another form")
	}
	l.edits = append(l.edits, edit{extent: t.entry, owner: t.in.body})
	if t.in == l.m.main && t.DType == Float32 && t.sparse == nil {
		if l.listed[t.Name] == nil {
			l.inputs = appendBytes(l.inputs, graphInput, valueInfo(t.Name, Float32, t.Shape))
		}
		return t.Name, nil
	}
	if in := l.listed[t.Name]; in != nil && t.in == l.m.main {
		l.edits = append(l.edits, edit{extent: in.entry, owner: l.m.main.body})
	}
	name := fmt.Sprintf("%s%d", l.prefix, t.weight)
	l.inputs = appendBytes(l.inputs, graphInput, valueInfo(name, Float32, t.Shape))
	if err := l.give(fn, name); err != nil {
		return "", err
	}
	// In the main graph the last node that makes the value gives it its name.
	value := name
	if t.sparse != nil {
		dense := name + ".dense"
		if t.in == l.m.main && t.DType == Float32 {
			dense = t.Name
		}
		if err := l.scatter(t, name, dense); err != nil {
			return "", err
		}
		value = dense
	}
	if t.DType != Float32 {
		from := value
		if value = t.Name; t.in != l.m.main {
			value = name + ".cast"
		}
		l.node(t.in, "Cast", []string{from}, value, integer("to", int64(t.DType)))
	}
	if value == t.Name {
		return name, nil
	}
	// In a branch or loop body the name may hide another one, which a stored value
	// may and a node's output may not: so what uses it takes the new name.
	for _, u := range t.def.uses {
		if err := l.rename(u, value); err != nil {
			return "", err
		}
	}
	if t.def.escapes || comesOut(t.in, t.Name) {
		l.node(t.in, "Identity", []string{value}, t.Name, nil)
	}
	return name, nil
}

// comesOut tells whether a value of g is an output of a branch or loop body inside it.
func comesOut(g *graph, name string) bool {
	for _, n := range g.nodes {
		for _, a := range n.attrs {
			for _, inner := range a.graphs {
				if inner.defs[name] != nil {
					continue // another value of that name
				}
				if slices.ContainsFunc(inner.outputs, func(v port) bool { return v.name == name }) || comesOut(inner, name) {
					return true
				}
			}
		}
	}
	return false
}

// opset is the number of the standard operator set in the main graph, or in fn
// if that is not nil.
func (l *lifter) opset(fn *function) int64 {
	opsets, number := l.m.info.Opsets, int64(0)
	if fn != nil {
		opsets = fn.opsets
	}
	for _, o := range opsets {
		if o.Domain == "" {
			number = o.Version
		}
	}
	return number
}

// node puts a node before all others of g but those put there before, because a
// node may use only what stands before it. attribute is an AttributeProto or nil.
func (l *lifter) node(g *graph, op string, inputs []string, output string, attribute []byte) {
	var n []byte
	for _, in := range inputs {
		n = appendBytes(n, nodeInput, in)
	}
	n = appendBytes(n, nodeOutput, output)
	n = appendBytes(n, nodeOpType, op)
	if attribute != nil {
		n = appendBytes(n, nodeAttribute, attribute)
	}
	number := uint64(graphNode)
	if fn := l.owner[g]; fn != nil && fn.graph == g {
		number = functionNode
	}
	l.edits = append(l.edits, insert(extent{g.body.at, g.body.at}, g.body, appendBytes(nil, number, n)))
}

// integer is an AttributeProto of an integer.
func integer(name string, value int64) []byte {
	a := appendVarint(appendBytes(nil, attrName, name), attrInt, uint64(value))
	return appendVarint(a, attrKind, kindInt)
}

// rename makes a use take the value of another name.
func (l *lifter) rename(u use, name string) error {
	c, err := l.body(u.node)
	if err != nil {
		return err
	}
	body := extent{c.pos, c.end}
	for f, slot := (field{}), 0; ; {
		ok, err := c.next(&f)
		if err != nil || !ok {
			return err
		}
		if f.number != nodeInput {
			continue
		}
		if slot == u.slot {
			l.edits = append(l.edits, insert(extent{f.at, f.end}, body, appendBytes(nil, nodeInput, name)))
			return nil
		}
		slot++
	}
}

// body is the message of a node.
func (l *lifter) body(n *node) (cursor, error) {
	c := cursor{l.w, n.entry.at, n.entry.end}
	var f field
	_, err := c.next(&f)
	return f.body, err
}

// anyName tells whether match is true of any value's name, in any graph.
func (m *Model) anyName(match func(name string) bool) bool {
	graphs := []*graph{m.main}
	for _, fn := range m.functions {
		graphs = append(graphs, fn.graph)
	}
	for len(graphs) > 0 {
		g := graphs[len(graphs)-1]
		graphs = graphs[:len(graphs)-1]
		for name := range g.defs {
			if match(name) {
				return true
			}
		}
		for _, n := range g.nodes {
			for _, a := range n.attrs {
				graphs = append(graphs, a.graphs...)
			}
		}
	}
	return false
}

// valueInfo is a ValueInfoProto of a tensor.
func valueInfo(name string, d DType, shape []int) []byte {
	var dims []byte
	for _, n := range shape {
		dims = appendBytes(dims, shapeDim, appendVarint(nil, dimValue, uint64(n)))
	}
	var typ []byte
	typ = appendVarint(typ, tensorTypeElement, uint64(d))
	typ = appendBytes(typ, tensorTypeShape, dims)
	var v []byte
	v = appendBytes(v, portName, name)
	return appendBytes(v, portType, appendBytes(nil, typeTensor, typ))
}
