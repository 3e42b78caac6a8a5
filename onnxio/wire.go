package onnxio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The wire types of protobuf. 3 and 4, groups, are not used by ONNX.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

const (
	windowSize = 32 << 10 // bytes read at once; payloads are stepped over, not read
	maxVarint  = 10       // bytes of the longest varint
)

// window reads a file of known size through one small buffer.
type window struct {
	src  io.ReaderAt
	size int64
	file string
	base int64  // the file offset of buf[0]
	buf  []byte // what is in memory now
	all  []byte // the buffer's whole capacity
}

func newWindow(src io.ReaderAt, size int64, file string) *window {
	return &window{src: src, size: size, file: file, all: make([]byte, min(windowSize, max(size, 1)))}
}

// view returns the n bytes at offset pos, which must lie inside the file and
// in one window. The slice is good until the next call.
func (w *window) view(pos int64, n int) ([]byte, error) {
	if pos < w.base || pos+int64(n) > w.base+int64(len(w.buf)) {
		start := pos
		if pos < w.base {
			// Whoever goes back will go on from there, and perhaps back again: a
			// file of small messages must not be read a window for each of them.
			start = max(0, pos-int64(max(0, len(w.all)-n)/2))
		}
		size := min(int64(len(w.all)), w.size-start)
		w.buf = nil
		m, err := w.src.ReadAt(w.all[:size], start)
		if int64(m) < size {
			if err == nil || errors.Is(err, io.EOF) {
				return nil, w.fail(ErrChanged, start, "the file became shorter while it was read", "", "")
			}
			return nil, w.fail(err, start, "cannot read: "+err.Error(), "", "")
		}
		w.base, w.buf = start, w.all[:size]
	}
	i := pos - w.base
	return w.buf[i : i+int64(n)], nil
}

func (w *window) fail(cause error, pos int64, what, expected, found string) error {
	return &Error{File: w.file, Offset: pos, What: what, Expected: expected, Found: found, Err: cause}
}

// cursor walks the fields of one protobuf message, which are the bytes
// pos..end-1 of the file. Nothing is read that is not asked for.
type cursor struct {
	w        *window
	pos, end int64
}

// field is one field of a message.
type field struct {
	number  uint64
	wire    int
	at      int64  // offset of the field's first byte, its key
	end     int64  // offset after its last byte
	value   uint64 // of a varint, or the bits of a fixed-width field
	valueAt int64  // offset after the key
	body    cursor // of a field of bytes
}

// next reads the key and the value of the next field into f and steps over
// it. It returns false at the end of the message.
func (c *cursor) next(f *field) (bool, error) {
	if c.pos >= c.end {
		return false, nil
	}
	f.at = c.pos
	key, err := c.varint("field key")
	if err != nil {
		return false, err
	}
	f.number, f.wire, f.value, f.valueAt, f.body = key>>3, int(key&7), 0, c.pos, cursor{}
	if f.number == 0 || f.number > 1<<29-1 {
		return false, c.w.fail(ErrInvalid, f.at, "impossible protobuf field number", "1 to 536870911", fmt.Sprint(f.number))
	}
	switch f.wire {
	case wireVarint:
		f.value, err = c.varint("varint")
	case wireFixed64:
		f.value, err = c.fixed(8)
	case wireFixed32:
		f.value, err = c.fixed(4)
	case wireBytes:
		var n uint64
		if n, err = c.varint("length"); err != nil {
			break
		}
		if left := c.end - c.pos; n > uint64(left) {
			err = c.short(f.at, fmt.Sprintf("field %d is too long", f.number), n)
			break
		}
		f.body = cursor{c.w, c.pos, c.pos + int64(n)}
		c.pos = f.body.end
	default:
		err = c.w.fail(ErrInvalid, f.at, fmt.Sprintf("field %d has an unknown protobuf wire type", f.number), "0, 1, 2 or 5", fmt.Sprint(f.wire))
	}
	f.end = c.pos
	return err == nil, err
}

// short is the error of something that needs n bytes where fewer are left: the
// file is truncated if it ends here, else an inner length contradicts an outer.
func (c *cursor) short(at int64, what string, n uint64) error {
	cause, where := ErrInvalid, "before the end of its message"
	if c.end == c.w.size {
		cause, where, what = ErrTruncated, "before the end of the file", "the file is truncated: "+what
	}
	return c.w.fail(cause, at, what, fmt.Sprintf("%d bytes", n), fmt.Sprintf("%d %s", c.end-c.pos, where))
}

// varint reads a base-128 number of at most ten bytes.
func (c *cursor) varint(what string) (uint64, error) {
	start := c.pos
	n := int(min(maxVarint, c.end-c.pos))
	b, err := c.w.view(c.pos, n)
	if err != nil {
		return 0, err
	}
	var v uint64
	for i, x := range b {
		if i == maxVarint-1 && x > 1 {
			break
		}
		v |= uint64(x&0x7f) << (7 * i)
		if x < 0x80 {
			c.pos += int64(i + 1)
			return v, nil
		}
	}
	if n < maxVarint {
		return 0, c.short(start, what+" is cut off", uint64(n+1))
	}
	return 0, c.w.fail(ErrInvalid, start, what+" does not fit 64 bits", "at most 10 bytes", "more")
}

func (c *cursor) fixed(n int) (uint64, error) {
	if c.end-c.pos < int64(n) {
		return 0, c.short(c.pos, "fixed-width value is cut off", uint64(n))
	}
	b, err := c.w.view(c.pos, n)
	if err != nil {
		return 0, err
	}
	c.pos += int64(n)
	if n == 4 {
		return uint64(binary.LittleEndian.Uint32(b)), nil
	}
	return binary.LittleEndian.Uint64(b), nil
}

// size is the number of bytes not yet read.
func (c *cursor) size() int64 { return c.end - c.pos }

// want is an error unless the field has one of the given wire types; name is
// what the ONNX specification calls the field.
func (f *field) want(w *window, name string, wires ...int) error {
	for _, x := range wires {
		if f.wire == x {
			return nil
		}
	}
	return w.fail(ErrInvalid, f.at, fmt.Sprintf("field %s has the wrong protobuf wire type", name), fmt.Sprint(wires), fmt.Sprint(f.wire))
}

// text reads the field as a string; parser.text is the one with limits.
func (f *field) text(w *window, name string) (string, error) {
	if err := f.want(w, name, wireBytes); err != nil {
		return "", err
	}
	n := f.body.size()
	b := make([]byte, n)
	for done := int64(0); done < n; {
		k := min(n-done, int64(len(w.all)))
		part, err := w.view(f.body.pos+done, int(k))
		if err != nil {
			return "", err
		}
		done += int64(copy(b[done:], part))
	}
	return string(b), nil
}

// number reads the field as a signed integer.
func (f *field) integer(w *window, name string) (int64, error) {
	return int64(f.value), f.want(w, name, wireVarint)
}

// integers calls add for each number of a repeated integer field, packed or not.
func (f *field) integers(w *window, name string, add func(int64) error) error {
	if f.wire == wireVarint {
		return add(int64(f.value))
	}
	if err := f.want(w, name, wireVarint, wireBytes); err != nil {
		return err
	}
	for c := f.body; c.pos < c.end; {
		v, err := c.varint(name)
		if err != nil {
			return err
		}
		if err := add(int64(v)); err != nil {
			return err
		}
	}
	return nil
}

// copyTo writes the bytes of e to dst.
func (w *window) copyTo(dst io.Writer, e extent) error {
	for pos := e.at; pos < e.end; {
		n := min(e.end-pos, int64(len(w.all)))
		b, err := w.view(pos, int(n))
		if err != nil {
			return err
		}
		if _, err := dst.Write(b); err != nil {
			return err
		}
		pos += n
	}
	return nil
}
