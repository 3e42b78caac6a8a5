package onnxio

import (
	"fmt"
	"strings"
)

// valueType is the declared type of a graph's input or output.
type valueType struct {
	kind   string // "tensor", "sparse_tensor", "sequence", "map", "optional"; "" when undeclared
	dtype  DType
	ranked bool  // whether it has a shape at all
	dims   []dim // of a tensor
	inner  string
}

// dim is one dimension of a declared shape: a number, a name, or nothing.
type dim struct {
	value  int64 // -1 when it is not a number
	symbol string
}

// String is equal for equal types; the names of dimensions do not count.
func (v valueType) String() string {
	switch v.kind {
	case "":
		return "undeclared"
	case "tensor", "sparse_tensor":
		prefix := ""
		if v.kind == "sparse_tensor" {
			prefix = "sparse "
		}
		if !v.ranked {
			return prefix + v.dtype.String() + " of any shape"
		}
		var parts []string
		for _, d := range v.dims {
			if d.value < 0 {
				parts = append(parts, "?")
			} else {
				parts = append(parts, fmt.Sprint(d.value))
			}
		}
		return fmt.Sprintf("%s%s [%s]", prefix, v.dtype, strings.Join(parts, ","))
	}
	return v.kind + " of " + v.inner
}

// readPort reads a ValueInfoProto.
func (p *parser) readPort(c cursor) (port, error) {
	var v port
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err != nil || !ok {
			return v, err
		}
		switch f.number {
		case portName:
			v.name, err = p.text(&f, "value name")
		case portType:
			if err = f.want(p.w, "type", wireBytes); err == nil {
				v.typ, err = p.readType(f.body, 0)
			}
		}
		if err != nil {
			return v, err
		}
	}
}

// readType reads a TypeProto; depth counts sequences of sequences.
func (p *parser) readType(c cursor, depth int) (valueType, error) {
	var v valueType
	if depth > p.limits.Depth {
		return v, p.w.fail(ErrLimit, c.pos, "types nested too deep", fmt.Sprintf("at most %d levels (Depth)", p.limits.Depth), "more")
	}
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err != nil || !ok {
			return v, err
		}
		kind := ""
		switch f.number {
		case typeTensor:
			kind = "tensor"
		case typeSparse:
			kind = "sparse_tensor"
		case typeSequence:
			kind = "sequence"
		case typeMap:
			kind = "map"
		case typeOptional:
			kind = "optional"
		default:
			continue
		}
		if err := f.want(p.w, kind+" type", wireBytes); err != nil {
			return v, err
		}
		v.kind = kind
		if kind == "tensor" || kind == "sparse_tensor" {
			err = p.readTensorType(f.body, &v)
		} else {
			v.inner, err = p.readInnerTypes(f.body, depth)
		}
		if err != nil {
			return v, err
		}
	}
}

// readInnerTypes reads the messages of sequence, map and optional types: a key
// type in field 1 of a map, and types.
func (p *parser) readInnerTypes(c cursor, depth int) (string, error) {
	var parts []string
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err != nil || !ok {
			return strings.Join(parts, " to "), err
		}
		if err := p.charge(f.at, costSmall); err != nil {
			return "", err
		}
		switch f.wire {
		case wireVarint:
			parts = append(parts, DType(f.value).String())
		case wireBytes:
			t, err := p.readType(f.body, depth+1)
			if err != nil {
				return "", err
			}
			parts = append(parts, t.String())
		}
	}
}

// readTensorType reads a TypeProto.Tensor into v.
func (p *parser) readTensorType(c cursor, v *valueType) error {
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err != nil || !ok {
			return err
		}
		switch f.number {
		case tensorTypeElement:
			var n int64
			n, err = f.integer(p.w, "elem_type")
			v.dtype = DType(n)
		case tensorTypeShape:
			if err = f.want(p.w, "shape", wireBytes); err == nil {
				v.ranked = true
				v.dims, err = p.readDims(f.body)
			}
		}
		if err != nil {
			return err
		}
	}
}

// readDims reads a TensorShapeProto.
func (p *parser) readDims(c cursor) ([]dim, error) {
	var dims []dim
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err != nil || !ok {
			return dims, err
		}
		if f.number != shapeDim {
			continue
		}
		if err := f.want(p.w, "dim", wireBytes); err != nil {
			return nil, err
		}
		if err := p.charge(f.at, costDim); err != nil {
			return nil, err
		}
		d := dim{value: -1}
		for g, inner := (field{}), f.body; ; {
			ok, err := inner.next(&g)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			switch g.number {
			case dimValue:
				d.value, err = g.integer(p.w, "dim_value")
			case dimParam:
				d.symbol, err = g.text(p.w, "dim_param")
			}
			if err != nil {
				return nil, err
			}
		}
		dims = append(dims, d)
	}
}
