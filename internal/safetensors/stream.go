package safetensors

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"unsafe"
)

// bufferBytes is how much of a tensor a Writer has in memory at a time.
const bufferBytes = 1 << 16

// Writer writes a file tensor by tensor, and each tensor in pieces, so that
// memory does not grow with them.
type Writer struct {
	out     *bufio.Writer
	entries []Entry
	left    int // elements of entries[0] that are still to come
	buf     []byte
}

// NewWriter writes the header. The values of the entries must follow in the
// same order, then Close.
func NewWriter(w io.Writer, entries []Entry, metadata map[string]string) (*Writer, error) {
	entries = append([]Entry{}, entries...)
	head, err := header(entries, metadata)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	s := &Writer{out: bufio.NewWriterSize(w, bufferBytes), entries: entries, buf: make([]byte, bufferBytes)}
	if _, err := s.out.Write(head); err != nil {
		return nil, err
	}
	s.begin()
	return s, nil
}

// begin steps over tensors without elements.
func (s *Writer) begin() {
	for len(s.entries) > 0 {
		if s.left = s.entries[0].Elements; s.left > 0 {
			return
		}
		s.entries = s.entries[1:]
	}
}

// take counts n values of a type off the tensor that is being written.
func (s *Writer) take(n int, dtype DType) {
	if n == 0 {
		return
	}
	if len(s.entries) == 0 || s.left < n || s.entries[0].DType != dtype {
		panic("safetensors: values that the header does not announce")
	}
	if s.left -= n; s.left == 0 {
		s.entries = s.entries[1:]
		s.begin()
	}
}

// WriteF32 writes the next values of the F32 tensor whose turn it is. It panics
// when they are not the header's.
func (s *Writer) WriteF32(values []float32) error {
	s.take(len(values), F32)
	return write(s, values, math.Float32bits)
}

// WriteI32 is WriteF32 for a tensor of I32.
func (s *Writer) WriteI32(values []int32) error {
	s.take(len(values), I32)
	return write(s, values, func(v int32) uint32 { return uint32(v) })
}

// WriteU8 is WriteF32 for a tensor of U8.
func (s *Writer) WriteU8(values []byte) error {
	s.take(len(values), U8)
	_, err := s.out.Write(values)
	return err
}

func write[T any](s *Writer, values []T, bits func(T) uint32) error {
	for len(values) > 0 {
		n := min(len(values), len(s.buf)/elementBytes)
		for i, v := range values[:n] {
			binary.LittleEndian.PutUint32(s.buf[elementBytes*i:], bits(v))
		}
		if _, err := s.out.Write(s.buf[:elementBytes*n]); err != nil {
			return err
		}
		values = values[n:]
	}
	return nil
}

// Close writes what is buffered; it does not close what NewWriter was given. It
// panics when values are missing.
func (s *Writer) Close() error {
	if len(s.entries) > 0 {
		panic("safetensors: values that the header announces are missing")
	}
	return s.out.Flush()
}

// Reader reads pieces of the tensors of a file. Several goroutines may read.
type Reader struct {
	Metadata map[string]string
	Entries  []Entry // in the order of their places

	path string
	src  io.ReaderAt
	data int64 // where the tensors begin
	file *os.File
}

// OpenReader checks the header of a file and keeps the file open until Close.
func OpenReader(path string) (*Reader, error) {
	info, err := os.Stat(path) // before it is opened, which waits for the other end of a pipe
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("safetensors: %s: expected a regular file, found one of mode %s", path, info.Mode())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var r *Reader
	if info, err = f.Stat(); err == nil {
		r, err = NewReader(path, f, info.Size())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	r.file = f
	return r, nil
}

// NewReader is OpenReader for a file of size bytes that src holds; name stands
// for it in errors.
func NewReader(name string, src io.ReaderAt, size int64) (*Reader, error) {
	metadata, entries, data, err := readHeader(io.NewSectionReader(src, 0, size), size)
	if err != nil {
		return nil, fmt.Errorf("safetensors: %s: %w", name, err)
	}
	return &Reader{Metadata: metadata, Entries: entries, path: name, src: src, data: data}, nil
}

// Close closes the file that OpenReader opened.
func (r *Reader) Close() error {
	if r.file == nil {
		return nil
	}
	return r.file.Close()
}

// Entry returns the tensor of this name, or nil.
func (r *Reader) Entry(name string) *Entry {
	for i := range r.Entries {
		if r.Entries[i].Name == name {
			return &r.Entries[i]
		}
	}
	return nil
}

// ReadF32 fills dst with the elements off, off+1, ... of a tensor of r. It
// panics for a tensor of another type and for elements outside it.
func (r *Reader) ReadF32(e *Entry, dst []float32, off int) error {
	return read(r, e, F32, dst, off)
}

// ReadI32 is ReadF32 for a tensor of I32.
func (r *Reader) ReadI32(e *Entry, dst []int32, off int) error {
	return read(r, e, I32, dst, off)
}

// ReadU8 is ReadF32 for a tensor of U8.
func (r *Reader) ReadU8(e *Entry, dst []byte, off int) error {
	check(e, U8, len(dst), off)
	return r.bytes(e, dst, int64(off))
}

// read reads into dst and then puts each element's bytes in the machine's order.
func read[T float32 | int32](r *Reader, e *Entry, dtype DType, dst []T, off int) error {
	check(e, dtype, len(dst), off)
	start := unsafe.Pointer(unsafe.SliceData(dst))
	raw, words := unsafe.Slice((*byte)(start), elementBytes*len(dst)), unsafe.Slice((*uint32)(start), len(dst))
	if err := r.bytes(e, raw, elementBytes*int64(off)); err != nil {
		return err
	}
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(raw[elementBytes*i:])
	}
	return nil
}

// check panics unless n elements from off on are there, of this type.
func check(e *Entry, dtype DType, n, off int) {
	if e.DType != dtype || off < 0 || off > e.Elements || n > e.Elements-off {
		panic("safetensors: elements that the tensor does not have")
	}
}

// bytes fills b with the bytes at, at+1, ... of a tensor.
func (r *Reader) bytes(e *Entry, b []byte, at int64) error {
	k, err := r.src.ReadAt(b, r.data+e.at+at)
	if k == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("the file is shorter than when it was opened")
	}
	return fmt.Errorf("safetensors: %s: tensor %q: %w", r.path, e.Name, err)
}
