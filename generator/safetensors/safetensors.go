// Package safetensors writes and reads the safetensors format: an 8-byte
// little-endian header length, a JSON header, then the tensors' bytes without
// gaps (github.com/huggingface/safetensors, section Format of its README).
//
// Only F32 is written and read. Write gives the same bytes for the same input.
// Open refuses every file that breaks a rule of the format with its own error,
// and reads no tensor before all places have been checked.
package safetensors

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"unsafe"
)

// MaxHeader is the largest header accepted, in bytes (as in the reference).
const MaxHeader = 100_000_000

// A Tensor is named float32 values of a shape, row-major.
type Tensor struct {
	Name   string
	Shape  []int
	Values []float32
}

// entry is a tensor in the header.
type entry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// Write writes the tensors in the order given, which is kept in the file.
func Write(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	var head bytes.Buffer
	head.WriteByte('{')
	if len(metadata) > 0 {
		m, err := json.Marshal(metadata) // sorted keys
		if err != nil {
			return fmt.Errorf("safetensors: metadata: %w", err)
		}
		fmt.Fprintf(&head, `"__metadata__":%s`, m)
	}
	var end int64
	for _, t := range tensors {
		n := 1
		for _, d := range t.Shape {
			n *= d
		}
		if n != len(t.Values) {
			panic("safetensors: shape does not match values")
		}
		shape := t.Shape
		if shape == nil {
			shape = []int{}
		}
		e, err := json.Marshal(entry{"F32", shape, [2]int64{end, end + 4*int64(n)}})
		if err != nil {
			return fmt.Errorf("safetensors: tensor %q: %w", t.Name, err)
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			return fmt.Errorf("safetensors: tensor %q: %w", t.Name, err)
		}
		if head.Len() > 1 {
			head.WriteByte(',')
		}
		fmt.Fprintf(&head, "%s:%s", name, e)
		end += 4 * int64(n)
	}
	head.WriteByte('}')
	for head.Len()%8 != 0 {
		head.WriteByte(' ')
	}
	out := bufio.NewWriterSize(w, 1<<16)
	if err := binary.Write(out, binary.LittleEndian, uint64(head.Len())); err != nil {
		return err
	}
	if _, err := out.Write(head.Bytes()); err != nil {
		return err
	}
	var word [4]byte
	for _, t := range tensors {
		for _, v := range t.Values {
			binary.LittleEndian.PutUint32(word[:], math.Float32bits(v))
			if _, err := out.Write(word[:]); err != nil {
				return err
			}
		}
	}
	return out.Flush()
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

// Read reads a file of size bytes.
func Read(r io.Reader, size int64) (*File, error) {
	if size < 8 {
		return nil, fmt.Errorf("file has %d bytes, expected at least the 8 of the header's length", size)
	}
	var word [8]byte
	if _, err := io.ReadFull(r, word[:]); err != nil {
		return nil, fmt.Errorf("header length: %w", err)
	}
	n := binary.LittleEndian.Uint64(word[:])
	if n > MaxHeader || int64(n) > size-8 {
		return nil, fmt.Errorf("header of %d bytes, expected at most %d", n, min(MaxHeader, size-8))
	}
	head := make([]byte, n)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	f, ends, err := parseHeader(head, size-8-int64(n))
	if err != nil {
		return nil, err
	}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		t.Values = make([]float32, ends[i]/4)
		if len(t.Values) == 0 {
			continue
		}
		raw := unsafe.Slice((*byte)(unsafe.Pointer(&t.Values[0])), 4*len(t.Values))
		if _, err := io.ReadFull(r, raw); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		for j := range t.Values {
			t.Values[j] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*j:]))
		}
	}
	return f, nil
}

// parseHeader checks every rule of the format against data bytes of payload
// and returns the tensors without values, and the bytes of each.
func parseHeader(head []byte, data int64) (*File, []int64, error) {
	if len(head) == 0 || head[0] != '{' {
		return nil, nil, errors.New("header does not start with {")
	}
	names, err := objectKeys(head)
	if err != nil {
		return nil, nil, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(head, &fields); err != nil {
		return nil, nil, fmt.Errorf("header is not JSON: %w", err)
	}
	f := &File{Metadata: map[string]string{}}
	type placed struct {
		Tensor
		offsets [2]int64
	}
	var list []placed
	for _, name := range names {
		if name == "__metadata__" {
			if err := json.Unmarshal(fields[name], &f.Metadata); err != nil {
				return nil, nil, fmt.Errorf("__metadata__: expected text values: %w", err)
			}
			continue
		}
		var e entry
		if err := json.Unmarshal(fields[name], &e); err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		if e.DType != "F32" {
			return nil, nil, fmt.Errorf("tensor %q has dtype %q, expected F32", name, e.DType)
		}
		n := int64(1)
		for _, d := range e.Shape {
			if d < 0 || d > 0 && n > math.MaxInt64/4/int64(d) {
				return nil, nil, fmt.Errorf("tensor %q has shape %v, which is negative or too large", name, e.Shape)
			}
			n *= int64(d)
		}
		if e.Offsets[1]-e.Offsets[0] != 4*n || e.Offsets[0] < 0 || e.Offsets[1] > data {
			return nil, nil, fmt.Errorf("tensor %q of shape %v lies at %d..%d of %d bytes, expected %d bytes",
				name, e.Shape, e.Offsets[0], e.Offsets[1], data, 4*n)
		}
		list = append(list, placed{Tensor{Name: name, Shape: e.Shape}, e.Offsets})
	}
	slices.SortStableFunc(list, func(a, b placed) int {
		return int(min(1, max(-1, a.offsets[0]-b.offsets[0])))
	})
	var end int64
	var sizes []int64
	for _, p := range list {
		if p.offsets[0] != end {
			return nil, nil, fmt.Errorf("tensor %q starts at %d, expected %d: tensors overlap or leave a gap", p.Name, p.offsets[0], end)
		}
		end = p.offsets[1]
		f.Tensors = append(f.Tensors, p.Tensor)
		sizes = append(sizes, p.offsets[1]-p.offsets[0])
	}
	if end != data {
		return nil, nil, fmt.Errorf("tensors end at byte %d, the file has %d", end, data)
	}
	return f, sizes, nil
}

// objectKeys lists the keys of a JSON object in order and refuses duplicates,
// which encoding/json would merge silently.
func objectKeys(head []byte) ([]string, error) {
	d := json.NewDecoder(bytes.NewReader(head))
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("header is not JSON: %w", err)
	}
	var names []string
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("header is not JSON: %w", err)
		}
		name, ok := t.(string)
		if !ok || seen[name] {
			return nil, fmt.Errorf("header names %v twice", t)
		}
		seen[name] = true
		names = append(names, name)
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
	}
	return names, nil
}
