package onnxio

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// writeValues writes the values of a dense tensor to w in the form of raw_data:
// those of v when v gives other values than m's own and t is a weight, else those
// that are stored.
func (m *Model) writeValues(w io.Writer, t *Tensor, v Values) error {
	if t.weight < 0 || v == nil || v == Values(m) {
		return m.canonical(t, w)
	}
	width := int64(dtypes[t.DType].bits / 8)
	values := make([]float32, min(chunkBytes/width, int64(t.Elements)))
	buf := make([]byte, int64(len(values))*width)
	for done := 0; done < t.Elements; {
		n := min(len(values), t.Elements-done)
		if err := m.newValues(t, v, values[:n], done); err != nil {
			return err
		}
		b := buf[:int64(n)*width]
		if t.DType == Float64 { // encodeFloat looks at the old ones
			if err := m.readDoubles(t, b, int64(done)); err != nil {
				return err
			}
		}
		if err := m.encode(t, b, values[:n], done, width); err != nil {
			return err
		}
		if err := writeAll(w, b); err != nil {
			return err
		}
		done += n
	}
	return nil
}

// newValues asks v for the values of t from element off on.
func (m *Model) newValues(t *Tensor, v Values, dst []float32, off int) error {
	if err := v.ReadValues(t.weight, dst, off); err != nil {
		return fmt.Errorf("onnxio: %s: tensor %q: cannot get its new values: %w", m.Path, t.Name, err)
	}
	return nil
}

// encode puts values, the elements of t from off on, into b, each stride bytes
// after the one before.
func (m *Model) encode(t *Tensor, b []byte, values []float32, off int, stride int64) error {
	if t.DType == Float32 && stride == 4 {
		if k := putFloats(b, values); k >= 0 {
			return m.unfit(t, off+k, values[k])
		}
		return nil
	}
	for k, x := range values {
		if !encodeFloat(b[int64(k)*stride:], t.DType, x) {
			return m.unfit(t, off+k, x)
		}
	}
	return nil
}

// unfit is the error of a new value that t cannot hold.
func (m *Model) unfit(t *Tensor, index int, x float32) error {
	expected := "a finite number"
	switch {
	case x-x != 0:
	case t.DType == Float16:
		expected = "a number that float16 can hold, at most 65504"
	default:
		expected = fmt.Sprintf("a number that %s can hold", t.DType)
	}
	return &Error{File: m.Path, Tensor: t.Name, Offset: -1, What: fmt.Sprintf("the new value at index %d", index),
		Expected: expected, Found: fmt.Sprint(x), Err: ErrNotFinite}
}

// readDoubles fills b with the stored elements of a float64 tensor from off on.
func (m *Model) readDoubles(t *Tensor, b []byte, off int64) error {
	buf := make([]byte, 0, chunkBytes)
	for _, s := range t.spans {
		for off >= s.first && off < s.first+s.count && len(b) > 0 {
			n := min(s.first+s.count-off, int64(len(b))/8, chunkBytes/s.stride)
			buf = buf[:(n-1)*s.stride+8]
			if err := m.readAt(buf, s.at+(off-s.first)*s.stride, t); err != nil {
				return err
			}
			for i := range n {
				copy(b[8*i:8*i+8], buf[i*s.stride:])
			}
			b, off = b[8*n:], off+n
		}
	}
	return nil
}

// spanEdits gives weight t the values of v where its own are now.
func (m *Model) spanEdits(t *Tensor, v Values) ([]edit, error) {
	var edits []edit
	for _, s := range t.spans {
		if s.stride == 0 {
			return m.varintEdits(t, v)
		}
		e := extent{s.at, s.end}
		edits = append(edits, edit{e, t.body, e.size(), func(w io.Writer) error { return m.writeSpan(w, t, v, s) }})
	}
	return edits, nil
}

// writeSpan writes the values of weight t that belong in the place of span s,
// keeping the bytes between them.
func (m *Model) writeSpan(w io.Writer, t *Tensor, v Values, s span) error {
	width := int64(dtypes[t.DType].bits / 8)
	step := chunkBytes / s.stride
	values := make([]float32, min(step, s.count))
	buf := make([]byte, int64(len(values))*s.stride)
	for done := int64(0); done < s.count; {
		n := min(step, s.count-done)
		if err := m.newValues(t, v, values[:n], int(s.first+done)); err != nil {
			return err
		}
		b := buf[:n*s.stride]
		if done+n == s.count {
			b = buf[:(n-1)*s.stride+width]
		}
		if s.stride > width || t.DType == Float64 {
			if err := m.readAt(b, s.at+done*s.stride, t); err != nil {
				return err
			}
		}
		if err := m.encode(t, b, values[:n], int(s.first+done), s.stride); err != nil {
			return err
		}
		if err := writeAll(w, b); err != nil {
			return err
		}
		done += n
	}
	return nil
}

// varintEdits is spanEdits for float16 and bfloat16 in int32_data, where the
// length depends on the values: they are read once for the length, and again when
// they are written. Values that are the stored ones leave the bytes alone; else
// one packed field takes the place of all.
func (m *Model) varintEdits(t *Tensor, v Values) ([]edit, error) {
	size, same := int64(0), true
	err := m.eachHalf(t, v, func(h uint16, x, old float32) error {
		size += int64(len(binary.AppendUvarint(nil, uint64(h))))
		same = same && math.Float32bits(x) == math.Float32bits(old)
		return nil
	})
	if err != nil || same {
		return nil, err
	}
	head := binary.AppendUvarint(nil, tensorInt32Data<<3|wireBytes)
	head = binary.AppendUvarint(head, uint64(size))
	return m.replaceData(t, head, size, func(w io.Writer) error {
		var buf []byte
		wrote := int64(0)
		err := m.eachHalf(t, v, func(h uint16, _, _ float32) error {
			if buf = binary.AppendUvarint(buf, uint64(h)); len(buf) < chunkBytes {
				return nil
			}
			wrote += int64(len(buf))
			err := writeAll(w, buf)
			buf = buf[:0]
			return err
		})
		if err == nil {
			wrote += int64(len(buf))
			err = writeAll(w, buf)
		}
		if err == nil && wrote != size {
			err = &Error{File: m.Path, Tensor: t.Name, Offset: -1, What: "its new values changed while they were written", Expected: fmt.Sprintf("%d bytes", size), Found: fmt.Sprint(wrote), Err: ErrChanged}
		}
		return err
	})
}

// eachHalf calls visit with each new value of a float16 or bfloat16 weight, as
// it is stored and as it is given, and with the stored one.
func (m *Model) eachHalf(t *Tensor, v Values, visit func(h uint16, x, old float32) error) error {
	values := make([]float32, min(chunkBytes/4, t.Elements))
	old := make([]float32, len(values))
	var b [2]byte
	for done := 0; done < t.Elements; done += len(values) {
		values, old = values[:min(len(values), t.Elements-done)], old[:min(len(old), t.Elements-done)]
		if err := m.newValues(t, v, values, done); err != nil {
			return err
		}
		if err := m.readFloats(t, old, int64(done)); err != nil {
			return err
		}
		for k, x := range values {
			if !encodeFloat(b[:], t.DType, x) {
				return m.unfit(t, done+k, x)
			}
			if err := visit(binary.LittleEndian.Uint16(b[:]), x, old[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

// AsStored gives v as m stores it: rounded to the types of its weights, so that it
// is what a file that Write makes of v holds. A value that a type cannot hold is an
// *Error that wraps ErrNotFinite.
func (m *Model) AsStored(v Values) Values { return asStored{m, v} }

type asStored struct {
	m *Model
	v Values
}

// ReadValues implements Values.
func (s asStored) ReadValues(i int, dst []float32, off int) error {
	if err := s.v.ReadValues(i, dst, off); err != nil {
		return err
	}
	t := s.m.weights[i]
	if t.DType != Float16 && t.DType != BFloat16 {
		return nil
	}
	var b [2]byte
	for k, x := range dst {
		if !encodeFloat(b[:], t.DType, x) {
			return s.m.unfit(t, off+k, x)
		}
		half := binary.LittleEndian.Uint16(b[:])
		if t.DType == Float16 {
			dst[k] = float16(half)
		} else {
			dst[k] = bfloat16(half)
		}
	}
	return nil
}
