package onnxio

import (
	"fmt"
	"strings"
)

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
