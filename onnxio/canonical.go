package onnxio

import (
	"encoding/binary"
	"fmt"
	"io"
)

// canonical writes the values of t to dst in the one form that does not depend
// on how they are stored: little-endian elements in row-major order, as
// raw_data has them; strings each after its length in 8 bytes.
func (m *Model) canonical(t *Tensor, dst io.Writer) error {
	w := newWindow(m.src, m.size, m.Path)
	if t.sparse {
		return m.canonicalSparse(w, t, dst)
	}
	return canonicalDense(w, t, dst)
}

// canonicalSparse writes the values' and the indices' messages as they are.
// Two equal sparse tensors stored in different ways are taken for different,
// which refuses a model but never mixes two.
func (m *Model) canonicalSparse(w *window, t *Tensor, dst io.Writer) error {
	c := cursor{w, t.body.at, t.body.end}
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err != nil || !ok {
			return err
		}
		if f.number != sparseValues && f.number != sparseIndices {
			continue
		}
		p := parser{w: w}
		part, err := p.readTensor(f.body, t.home)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(dst, "%d %s %s ", f.number, part.DType, shapeText(part.Shape)); err != nil {
			return err
		}
		if err := canonicalDense(newWindow(w.src, w.size, w.file), part, dst); err != nil {
			return err
		}
	}
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
		switch f.number {
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
