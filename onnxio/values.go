package onnxio

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strings"

	"gorgonia.org/tensor"
)

// Values gives the values of a model's weights, piece by piece.
type Values interface {
	// ReadValues fills dst with the elements off to off+len(dst)-1, in
	// row-major order, of weight i of Weights.
	ReadValues(i int, dst []float32, off int) error
}

// chunkBytes is how much of a payload is in memory at a time.
const chunkBytes = 64 << 10

// ReadValues reads values of weight i from the file. It makes *Model a Values.
// Non-finite values are given as they are; Write refuses them.
func (m *Model) ReadValues(i int, dst []float32, off int) error {
	if i < 0 || i >= len(m.weights) {
		return &Error{File: m.Path, Offset: -1, What: "no such weight", Expected: fmt.Sprintf("0 to %d", len(m.weights)-1), Found: fmt.Sprint(i)}
	}
	t := m.weights[i]
	if off < 0 || off > t.Elements || len(dst) > t.Elements-off {
		return &Error{File: m.Path, Tensor: t.Name, Offset: -1, What: "no such elements",
			Expected: fmt.Sprintf("0 to %d", t.Elements-1), Found: fmt.Sprintf("%d to %d", off, off+len(dst)-1)}
	}
	return m.readFloats(t, dst, int64(off))
}

// readFloats fills dst with float32 values of t from element off on.
func (m *Model) readFloats(t *Tensor, dst []float32, off int64) error {
	space, _ := m.buffers.Get().(*[chunkBytes]byte)
	if space == nil {
		space = new([chunkBytes]byte)
	}
	defer m.buffers.Put(space)
	// The first span that ends after off; files as exporters write them have one.
	k := sort.Search(len(t.spans), func(k int) bool { return t.spans[k].first+t.spans[k].count > off })
	for ; len(dst) > 0; k++ {
		s := t.spans[k]
		for off < s.first+s.count && len(dst) > 0 {
			n := min(s.first+s.count-off, int64(len(dst)), chunkBytes/s.stride)
			buf := space[:(n-1)*s.stride+4]
			if err := m.readAt(buf, s.at+(off-s.first)*s.stride, t); err != nil {
				return err
			}
			for i := range n {
				dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(buf[i*s.stride:]))
			}
			dst, off = dst[n:], off+n
		}
	}
	return nil
}

// readAt fills b with the file's bytes at pos, which belong to t.
func (m *Model) readAt(b []byte, pos int64, t *Tensor) error {
	n, err := m.src.ReadAt(b, pos)
	if n == len(b) {
		return nil
	}
	e := &Error{File: m.Path, Tensor: t.Name, Offset: pos, What: "cannot read the values", Err: err}
	if errors.Is(err, io.EOF) {
		e.Expected, e.Found, e.Err = "the file as it was when it was opened", "a shorter file", ErrChanged
	} else if err != nil {
		e.Found = err.Error()
	}
	return e
}

// Dense reads a whole tensor into memory, as a tensor of its own type and
// shape; float16 and bfloat16 come as float32. Strings, complex numbers, types
// of 8-bit floats and of less than a byte, sparse tensors and tensors without
// elements are refused with an *Error that wraps ErrUnsupported.
func (m *Model) Dense(t *Tensor) (*tensor.Dense, error) {
	unsupported := func(what string) error {
		return &Error{File: m.Path, Where: t.home, Tensor: t.Name, Offset: t.body.at, What: what + " cannot be given as a dense tensor", Err: ErrUnsupported}
	}
	if t.sparse {
		return nil, unsupported("a sparse tensor")
	}
	if t.Elements == 0 {
		return nil, unsupported("a tensor without elements")
	}
	var raw bytes.Buffer
	var backing any
	if t.DType == Float32 {
		values := make([]float32, t.Elements)
		if err := m.readFloats(t, values, 0); err != nil {
			return nil, err
		}
		backing = values
	} else {
		if denseBacking(t.DType, nil, 0) == nil {
			return nil, unsupported(t.DType.String())
		}
		if err := m.canonical(t, &raw); err != nil {
			return nil, err
		}
		backing = denseBacking(t.DType, raw.Bytes(), t.Elements)
	}
	shape := t.Shape
	if len(shape) == 0 {
		shape = []int{1} // gorgonia reshapes one element to a scalar below
	}
	d := tensor.New(tensor.WithShape(shape...), tensor.WithBacking(backing))
	if len(t.Shape) == 0 {
		if err := d.Reshape(); err != nil {
			return nil, fmt.Errorf("onnxio: %s: tensor %q: %w", m.Path, t.Name, err)
		}
	}
	return d, nil
}

// denseBacking decodes n canonical elements; nil for a type it has none for.
func denseBacking(d DType, raw []byte, n int) any {
	le := binary.LittleEndian
	switch d {
	case Float64:
		return decode(n, func(i int) float64 { return math.Float64frombits(le.Uint64(raw[8*i:])) })
	case Float16:
		return decode(n, func(i int) float32 { return float16(le.Uint16(raw[2*i:])) })
	case BFloat16:
		return decode(n, func(i int) float32 { return math.Float32frombits(uint32(le.Uint16(raw[2*i:])) << 16) })
	case Int64:
		return decode(n, func(i int) int64 { return int64(le.Uint64(raw[8*i:])) })
	case Uint64:
		return decode(n, func(i int) uint64 { return le.Uint64(raw[8*i:]) })
	case Int32:
		return decode(n, func(i int) int32 { return int32(le.Uint32(raw[4*i:])) })
	case Uint32:
		return decode(n, func(i int) uint32 { return le.Uint32(raw[4*i:]) })
	case Int16:
		return decode(n, func(i int) int16 { return int16(le.Uint16(raw[2*i:])) })
	case Uint16:
		return decode(n, func(i int) uint16 { return le.Uint16(raw[2*i:]) })
	case Int8:
		return decode(n, func(i int) int8 { return int8(raw[i]) })
	case Uint8:
		return decode(n, func(i int) uint8 { return raw[i] })
	case Bool:
		return decode(n, func(i int) bool { return raw[i] != 0 })
	}
	return nil
}

func decode[T any](n int, element func(i int) T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = element(i)
	}
	return out
}

// float16 widens an IEEE half-precision number.
func float16(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&0x3ff)
	switch exp {
	case 0: // zero or subnormal: frac units of 2^-24
		f := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// constantText writes the values of t when they are few, else their SHA-256.
func (m *Model) constantText(t *Tensor) (string, error) {
	var out bytes.Buffer
	sum := sha256.New()
	w := io.Writer(&out)
	small := t.DType != String && !t.sparse && t.DType.bytes(t.Elements) <= shownConstant
	if !small {
		w = sum
	}
	if err := m.canonical(t, w); err != nil {
		return "", at(err, t.home, t.Name)
	}
	if !small {
		return fmt.Sprintf("with sha256 %x", sum.Sum(nil)), nil
	}
	raw := out.Bytes()
	if t.DType == Float32 {
		var parts []string
		for i := range t.Elements {
			parts = append(parts, floatText(uint64(binary.LittleEndian.Uint32(raw[4*i:]))))
		}
		return "[" + strings.Join(parts, ",") + "]", nil
	}
	if b := denseBacking(t.DType, raw, t.Elements); b != nil {
		return strings.ReplaceAll(fmt.Sprint(b), " ", ","), nil
	}
	return fmt.Sprintf("%x", raw), nil
}
