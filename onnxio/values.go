package onnxio

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"

	"gorgonia.org/tensor"
)

// Values gives the values of a model's weights, piece by piece.
type Values interface {
	// ReadValues fills dst with the elements off to off+len(dst)-1, in
	// row-major order, of weight i of Weights. Asked again, it must give the same:
	// Write reads the values of some encodings twice.
	ReadValues(i int, dst []float32, off int) error
}

// chunkBytes is how much of a payload is in memory at a time.
const chunkBytes = 64 << 10

// ReadValues reads values of weight i from the file, rounded to float32 where
// they are float64. It makes *Model a Values. Non-finite values are given as they
// are; a float64 beyond float32's range is an *Error that wraps ErrNotFinite.
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

// source is the file that holds the values of t.
func (m *Model) source(t *Tensor) io.ReaderAt {
	if t.external != nil {
		return t.external.side
	}
	return m.src
}

// readAt fills b with the bytes at pos of the file that holds the values of t.
func (m *Model) readAt(b []byte, pos int64, t *Tensor) error {
	n, err := m.source(t).ReadAt(b, pos)
	if n == len(b) {
		return nil
	}
	e := &Error{File: m.Path, Tensor: t.Name, Offset: pos, What: "cannot read the values", Err: err}
	if t.external != nil {
		e.File = filepath.Join(filepath.Dir(m.Path), t.external.side.path)
	}
	if errors.Is(err, io.EOF) {
		e.Expected, e.Found, e.Err = "the file as it was when it was opened", "a shorter file", ErrChanged
	} else if err != nil {
		e.Found = err.Error()
	}
	return e
}

// Dense reads a whole tensor into memory, as a tensor of its own type and
// shape; float16 and bfloat16 come as float32, and of a sparse tensor the stored
// values. Strings, complex numbers, types of 8-bit floats and of less than a byte,
// and tensors without elements are refused with an *Error that wraps ErrUnsupported.
func (m *Model) Dense(t *Tensor) (*tensor.Dense, error) {
	unsupported := func(what string) error {
		return &Error{File: m.Path, Where: t.home, Tensor: t.Name, Offset: t.body.at, What: what + " cannot be given as a dense tensor", Err: ErrUnsupported}
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
		return decode(n, func(i int) float32 { return bfloat16(le.Uint16(raw[2*i:])) })
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

// constantText writes the values of t when they are few, else their SHA-256.
func (m *Model) constantText(t *Tensor) (string, error) {
	var out bytes.Buffer
	sum := sha256.New()
	w := io.Writer(&out)
	small := t.DType != String && t.sparse == nil && t.DType.bytes(t.Elements) <= shownConstant
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
