package safetensors

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"unsafe"
)

// A Tensor is named float32 values of a shape, row-major.
type Tensor struct {
	Name   string
	Shape  []int
	Values []float32
}

// Write writes the tensors in the order given, which is kept in the file. It
// panics for a shape that does not match the values.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	entries := make([]Entry, len(tensors))
	for i, t := range tensors {
		if entries[i] = NewEntry(t.Name, F32, t.Shape...); entries[i].Elements != len(t.Values) {
			panic("safetensors: shape does not match values")
		}
	}
	out, err := NewWriter(w, entries, metadata)
	if err != nil {
		return err
	}
	for _, t := range tensors {
		if err := out.WriteF32(t.Values); err != nil {
			return err
		}
	}
	return out.Close()
}

// File is the content of a safetensors file.
type File struct {
	Metadata map[string]string
	Tensors  []Tensor // in the order of their places
}

// Tensor returns the tensor of this name, or nil.
func (f *File) Tensor(name string) *Tensor {
	for i := range f.Tensors {
		if f.Tensors[i].Name == name {
			return &f.Tensors[i]
		}
	}
	return nil
}

// Open reads a whole file.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	out, err := Read(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("safetensors: %s: %w", path, err)
	}
	return out, nil
}

// Read reads a file of size bytes, whose tensors must all be F32.
func Read(r io.Reader, size int64) (*File, error) {
	metadata, entries, _, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	f := &File{Metadata: metadata}
	for _, e := range entries {
		if e.DType != F32 {
			return nil, fmt.Errorf("tensor %q has dtype %q, expected F32", e.Name, e.DType)
		}
		f.Tensors = append(f.Tensors, Tensor{Name: e.Name, Shape: e.Shape})
	}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		t.Values = make([]float32, entries[i].Elements)
		if len(t.Values) == 0 {
			continue
		}
		raw := unsafe.Slice((*byte)(unsafe.Pointer(&t.Values[0])), elementBytes*len(t.Values))
		if _, err := io.ReadFull(r, raw); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		for j := range t.Values {
			t.Values[j] = math.Float32frombits(binary.LittleEndian.Uint32(raw[elementBytes*j:]))
		}
	}
	return f, nil
}
