package onnxio

import (
	"encoding/binary"
	"io"
)

// canonical writes the values of t to dst in the one form that does not depend
// on how they are stored: little-endian elements in row-major order, as
// raw_data has them; strings each after its length in 8 bytes.
func (m *Model) canonical(t *Tensor, dst io.Writer) error {
	if t.external != nil {
		return m.copyRaw(t, dst)
	}
	return canonicalDense(newWindow(m.src, m.size, m.Path), t, dst)
}

// WriteTensor writes the stored values of t to w, whatever holds them in the
// file: little-endian elements in row-major order, as raw_data has them, types of
// less than a byte packed, strings each after its length in 8 bytes.
func (m *Model) WriteTensor(w io.Writer, t *Tensor) error { return m.canonical(t, w) }

// copyRaw writes the bytes of raw_data or of the side file.
func (m *Model) copyRaw(t *Tensor, dst io.Writer) error {
	buf := make([]byte, min(chunkBytes, t.raw.size()))
	for pos := t.raw.at; pos < t.raw.end; {
		b := buf[:min(t.raw.end-pos, int64(len(buf)))]
		if err := m.readAt(b, pos, t); err != nil {
			return err
		}
		if _, err := dst.Write(b); err != nil {
			return err
		}
		pos += int64(len(b))
	}
	return nil
}

// listFields are the fields of AttributeProto in terms of those of TensorProto.
var listFields = map[uint64]uint64{
	attrFloat: tensorFloatData, attrFloats: tensorFloatData, attrInt: tensorInt64Data, attrInts: tensorInt64Data,
	attrString: tensorStringData, attrStrings: tensorStringData,
}

func canonicalDense(w *window, t *Tensor, dst io.Writer) error {
	c := cursor{w, t.body.at, t.body.end}
	out := elementWriter{dst: dst, width: dtypes[t.DType].bits / 8}
	switch {
	case t.DType == 14 || t.DType == 15: // complex: two entries of half the width
		out.width /= 2
	case out.width == 0: // several elements in one byte
		out.width = 1
	}
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err != nil {
			return err
		}
		if !ok {
			return out.flush()
		}
		number := f.number
		if t.list {
			number = listFields[number]
		}
		switch number {
		case tensorRawData:
			err = w.copyTo(dst, extent{f.body.pos, f.body.end})
		case tensorStringData:
			var size [8]byte
			binary.LittleEndian.PutUint64(size[:], uint64(f.body.size()))
			if _, err = dst.Write(size[:]); err == nil {
				err = w.copyTo(dst, extent{f.body.pos, f.body.end})
			}
		case tensorInt32Data, tensorInt64Data, tensorUint64Data:
			err = f.integers(w, "typed data", func(v int64) error { return out.add(uint64(v)) })
		case tensorFloatData, tensorDoubleData:
			if f.wire != wireBytes {
				err = out.add(f.value)
			} else {
				err = w.copyTo(&out, extent{f.body.pos, f.body.end})
			}
		}
		if err != nil {
			return err
		}
	}
}

// elementWriter collects elements of a few bytes into larger writes.
type elementWriter struct {
	dst   io.Writer
	width int
	buf   []byte
}

func (e *elementWriter) add(v uint64) error {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	_, err := e.Write(b[:e.width])
	return err
}

// Write appends packed elements, which are in the canonical form already.
func (e *elementWriter) Write(b []byte) (int, error) {
	e.buf = append(e.buf, b...)
	if len(e.buf) < windowSize {
		return len(b), nil
	}
	return len(b), e.flush()
}

func (e *elementWriter) flush() error {
	_, err := e.dst.Write(e.buf)
	e.buf = e.buf[:0]
	return err
}
