package onnxio

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"
)

// span is a run of a tensor's values in its file: the elements first to
// first+count-1, in the bytes at to end-1.
//
// Values of fixed width are little-endian, each stride bytes after the one
// before: the width in raw_data and packed fields, one byte more where each
// value has its own key. A stride of 0 means base-128 numbers (float16 and
// bfloat16 in int32_data), between two of which lie key bytes.
type span struct {
	at, end      int64
	first, count int64
	stride, key  int64
}

const (
	// maxStride bounds the bytes between two values of one span, so that a span
	// is always dense: a key byte or a few between values, never another field's data.
	maxStride = 16
	// maxRun bounds the numbers of a base-128 span: it must be walked from its
	// start to find one of them.
	maxRun = 3072
)

// push appends a span whose first element is the next one.
func (p *parser) push(t *Tensor, s span) error {
	if n := len(t.spans); n > 0 {
		s.first = t.spans[n-1].first + t.spans[n-1].count
	}
	t.spans = append(t.spans, s)
	return p.charge(s.at, costSpan)
}

// addSpan notes count values of a fixed width at byte pos; single values that
// follow one another at equal distances share one span.
func (p *parser) addSpan(t *Tensor, pos, count, width int64) error {
	if count == 0 {
		return nil
	}
	if n := len(t.spans); n > 0 && count == 1 {
		last := &t.spans[n-1]
		if last.count == 1 && pos-last.at <= maxStride {
			last.stride = pos - last.at
		}
		if pos == last.at+last.stride*last.count {
			last.count++
			last.end = pos + width
			return nil
		}
	}
	return p.push(t, span{at: pos, end: pos + count*width, count: count, stride: width})
}

// varintEntries counts the entries of an int32_data field, packed or not, and
// notes their place if t may be of floating point: dtype may come later.
func (p *parser) varintEntries(t *Tensor, f *field) (int64, error) {
	note := t.DType == 0 || t.DType.float()
	if f.wire == wireVarint {
		if !note {
			return 1, nil
		}
		at := f.end - varintLength(f)
		if n := len(t.spans); n > 0 {
			last := &t.spans[n-1]
			key := at - last.end
			if last.stride == 0 && f.at == last.end && last.count < maxRun && (last.count == 1 || key == last.key) {
				last.key, last.end = key, f.end
				last.count++
				return 1, nil
			}
		}
		return 1, p.push(t, span{at: at, end: f.end, count: 1})
	}
	if err := f.want(p.w, "int32_data", wireVarint, wireBytes); err != nil {
		return 0, err
	}
	n, run := int64(0), span{at: f.body.pos}
	for c := f.body; c.pos < c.end; {
		if _, err := c.varint("int32_data"); err != nil {
			return 0, err
		}
		n++
		run.count++
		run.end = c.pos
		if note && (run.count == maxRun || c.pos == c.end) {
			if err := p.push(t, run); err != nil {
				return 0, err
			}
			run = span{at: c.pos}
		}
	}
	return n, nil
}

// varintLength is the length of a field's number as it is in the file.
func varintLength(f *field) int64 { return f.end - f.valueAt }

// readFloats fills dst with the values of t from element off on, as float32.
// A float64 that float32 cannot hold is an *Error that wraps ErrNotFinite.
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
		if s.stride == 0 {
			n, err := m.readRun(t, s, dst, off, space[:])
			if err != nil {
				return err
			}
			dst, off = dst[n:], off+n
			continue
		}
		width := int64(dtypes[t.DType].bits / 8)
		for off < s.first+s.count && len(dst) > 0 {
			n := min(s.first+s.count-off, int64(len(dst)), chunkBytes/s.stride)
			buf := space[:(n-1)*s.stride+width]
			if err := m.readAt(buf, s.at+(off-s.first)*s.stride, t); err != nil {
				return err
			}
			if k := decodeFloats(t.DType, dst[:n], buf, s.stride); k >= 0 {
				return m.notFloat32(t, off+int64(k))
			}
			dst, off = dst[n:], off+n
		}
	}
	return nil
}

func (m *Model) notFloat32(t *Tensor, index int64) error {
	return &Error{File: m.Path, Where: t.home, Tensor: t.Name, Offset: -1, What: fmt.Sprintf("the %s value at index %d does not fit float32", t.DType, index),
		Expected: fmt.Sprintf("at most %g", math.MaxFloat32), Found: "more", Err: ErrNotFinite}
}

// decodeFloats turns len(dst) stored elements into float32. It returns the index of the first
// finite value that float32 cannot hold, or -1.
func decodeFloats(d DType, dst []float32, buf []byte, stride int64) int {
	le := binary.LittleEndian
	switch d {
	case Float32:
		if stride == 4 {
			getFloats(dst, buf)
			return -1
		}
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(buf[int64(i)*stride:]))
		}
	case Float16:
		for i := range dst {
			dst[i] = float16(le.Uint16(buf[int64(i)*stride:]))
		}
	case BFloat16:
		for i := range dst {
			dst[i] = bfloat16(le.Uint16(buf[int64(i)*stride:]))
		}
	case Float64:
		for i := range dst {
			x := math.Float64frombits(le.Uint64(buf[int64(i)*stride:]))
			dst[i] = float32(x)
			if math.IsInf(float64(dst[i]), 0) && !math.IsInf(x, 0) {
				return i
			}
		}
	}
	return -1
}

// readRun fills dst from the base-128 numbers of s, element off on; it returns
// how many it has.
func (m *Model) readRun(t *Tensor, s span, dst []float32, off int64, buf []byte) (int64, error) {
	n := min(s.first+s.count-off, int64(len(dst)))
	buf = buf[:min(int64(len(buf)), s.end-s.at)] // maxRun numbers of at most 10 bytes and a key: they fit
	if err := m.readAt(buf, s.at, t); err != nil {
		return 0, err
	}
	for i := int64(0); i < off-s.first+n; i++ {
		if i > 0 {
			buf = buf[min(s.key, int64(len(buf))):]
		}
		v, length := binary.Uvarint(buf)
		if length <= 0 {
			return 0, &Error{File: m.Path, Tensor: t.Name, Offset: s.at, What: "the file was changed while it was read", Err: ErrChanged}
		}
		buf = buf[length:]
		if k := i - (off - s.first); k >= 0 {
			if t.DType == Float16 {
				dst[k] = float16(uint16(v))
			} else {
				dst[k] = bfloat16(uint16(v))
			}
		}
	}
	return n, nil
}
