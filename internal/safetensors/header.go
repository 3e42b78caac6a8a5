package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"unicode/utf8"
)

// What is accepted: a header of MaxHeader bytes (as in the reference) with
// MaxEntries tensors.
const (
	MaxHeader  = 100_000_000
	MaxEntries = 1 << 16
)

// DType is the type of a tensor's elements, as the format writes it.
type DType string

// The types that this package knows.
const (
	F32 DType = "F32"
	I32 DType = "I32"
	U8  DType = "U8"
)

// elementBytes is the size of an element of F32 or I32.
const elementBytes = 4

// bytes is the size of an element, 0 for a type that this package does not know.
func (d DType) bytes() int64 {
	switch d {
	case F32, I32:
		return elementBytes
	case U8:
		return 1
	}
	return 0
}

// Entry is one tensor of a header: Elements values of a shape, row-major.
type Entry struct {
	Name     string
	DType    DType
	Shape    []int
	Elements int

	at int64 // its first byte, from the end of the header
}

// bytes is the size of the tensor.
func (e *Entry) bytes() int64 { return e.DType.bytes() * int64(e.Elements) }

// NewEntry is the entry of a tensor of this shape, for NewWriter. It panics for
// a negative dimension.
func NewEntry(name string, dtype DType, shape ...int) Entry {
	n := 1
	for _, d := range shape {
		if d < 0 {
			panic("safetensors: negative dimension")
		}
		n *= d
	}
	return Entry{Name: name, DType: dtype, Shape: shape, Elements: n}
}

// place is an entry as JSON has it.
type place struct {
	DType   *string `json:"dtype"`
	Shape   []int   `json:"shape"`
	Offsets []int64 `json:"data_offsets"`
}

// header gives the bytes before the first tensor, and fills in the places of
// the entries, which are kept in the order given.
func header(entries []Entry, metadata map[string]string) ([]byte, error) {
	var head bytes.Buffer
	head.WriteByte('{')
	if len(metadata) > 0 {
		m, err := json.Marshal(metadata) // sorted keys
		if err != nil {
			return nil, fmt.Errorf("metadata: %w", err)
		}
		fmt.Fprintf(&head, `"__metadata__":%s`, m)
	}
	var end int64
	for i := range entries {
		e := &entries[i]
		e.at = end
		end += e.bytes()
		dtype := string(e.DType)
		text, err := json.Marshal(place{&dtype, append([]int{}, e.Shape...), []int64{e.at, end}})
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", e.Name, err)
		}
		name, err := json.Marshal(e.Name)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", e.Name, err)
		}
		if head.Len() > 1 {
			head.WriteByte(',')
		}
		fmt.Fprintf(&head, "%s:%s", name, text)
	}
	head.WriteByte('}')
	for head.Len()%8 != 0 {
		head.WriteByte(' ')
	}
	if head.Len() > MaxHeader {
		return nil, fmt.Errorf("header of %d bytes, expected at most %d", head.Len(), MaxHeader)
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(head.Len())), head.Bytes()...), nil
}

// readHeader reads and checks the header of a file of size bytes. It returns
// the metadata, the entries in the order of their places, and the position of
// the first byte behind the header.
func readHeader(r io.Reader, size int64) (metadata map[string]string, entries []Entry, data int64, err error) {
	if size < 8 {
		return nil, nil, 0, fmt.Errorf("file has %d bytes, expected at least the 8 of the header's length", size)
	}
	var word [8]byte
	if _, err := io.ReadFull(r, word[:]); err != nil {
		return nil, nil, 0, fmt.Errorf("header length: %w", err)
	}
	n := binary.LittleEndian.Uint64(word[:])
	if n > MaxHeader || int64(n) > size-8 {
		return nil, nil, 0, fmt.Errorf("header of %d bytes, expected at most %d", n, min(MaxHeader, size-8))
	}
	head := make([]byte, n)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, nil, 0, fmt.Errorf("header: %w", err)
	}
	metadata, entries, err = parseHeader(head, size-8-int64(n))
	return metadata, entries, 8 + int64(n), err
}

// parseHeader checks every rule of the format against data bytes of payload.
func parseHeader(head []byte, data int64) (map[string]string, []Entry, error) {
	if len(head) == 0 || head[0] != '{' {
		return nil, nil, errors.New("header does not start with {")
	}
	if !utf8.Valid(head) {
		return nil, nil, errors.New("header is not UTF-8")
	}
	names, fields, err := objectFields(head)
	if err != nil {
		return nil, nil, err
	}
	metadata := map[string]string{}
	var entries []Entry
	for _, name := range names {
		if name == "__metadata__" {
			if err := json.Unmarshal(fields[name], &metadata); err != nil {
				return nil, nil, fmt.Errorf("__metadata__: expected text values: %w", err)
			}
			continue
		}
		e, err := parseEntry(name, fields[name], data)
		if err != nil {
			return nil, nil, err
		}
		entries = append(entries, e)
	}
	slices.SortStableFunc(entries, func(a, b Entry) int {
		return int(min(1, max(-1, a.at-b.at)))
	})
	var end int64
	for _, e := range entries {
		if e.at != end {
			return nil, nil, fmt.Errorf("tensor %q starts at %d, expected %d: tensors overlap or leave a gap", e.Name, e.at, end)
		}
		end += e.bytes()
	}
	if end != data {
		return nil, nil, fmt.Errorf("tensors end at byte %d, the file has %d", end, data)
	}
	return metadata, entries, nil
}

// parseEntry reads one tensor of the header, which must lie in data bytes.
func parseEntry(name string, text []byte, data int64) (Entry, error) {
	var p place
	if err := json.Unmarshal(text, &p); err != nil {
		return Entry{}, fmt.Errorf("tensor %q: %w", name, err)
	}
	switch {
	case p.DType == nil:
		return Entry{}, fmt.Errorf("tensor %q has no dtype", name)
	case DType(*p.DType).bytes() == 0:
		return Entry{}, fmt.Errorf("tensor %q has dtype %q, expected F32, I32 or U8", name, *p.DType)
	case p.Shape == nil:
		return Entry{}, fmt.Errorf("tensor %q has no shape", name)
	case len(p.Offsets) != 2:
		return Entry{}, fmt.Errorf("tensor %q has %d data_offsets, expected 2", name, len(p.Offsets))
	}
	n, each := int64(1), DType(*p.DType).bytes()
	for _, d := range p.Shape {
		if d < 0 || d > 0 && n > math.MaxInt64/each/int64(d) {
			return Entry{}, fmt.Errorf("tensor %q has shape %v, which is negative or too large", name, p.Shape)
		}
		n *= int64(d)
	}
	// The offsets are known to be at least 0 before they are subtracted.
	begin, end := p.Offsets[0], p.Offsets[1]
	if begin < 0 || end < begin || end > data || end-begin != each*n {
		return Entry{}, fmt.Errorf("tensor %q of shape %v lies at %d..%d of %d bytes, expected %d bytes",
			name, p.Shape, begin, end, data, each*n)
	}
	return Entry{Name: name, DType: DType(*p.DType), Shape: p.Shape, Elements: int(n), at: begin}, nil
}

// objectFields lists the keys of a JSON object in order, with what they hold. It
// refuses duplicates, which encoding/json would merge silently, and more than
// MaxEntries tensors.
func objectFields(head []byte) (names []string, fields map[string]json.RawMessage, err error) {
	d := json.NewDecoder(bytes.NewReader(head))
	if _, err := d.Token(); err != nil {
		return nil, nil, fmt.Errorf("header is not JSON: %w", err)
	}
	fields = map[string]json.RawMessage{}
	tensors := 0
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, nil, fmt.Errorf("header is not JSON: %w", err)
		}
		name, ok := t.(string)
		if _, twice := fields[name]; !ok || twice {
			return nil, nil, fmt.Errorf("header names %.200v twice", t)
		}
		if name != "__metadata__" {
			if tensors++; tensors > MaxEntries {
				return nil, nil, fmt.Errorf("expected at most %d tensors, found more", MaxEntries)
			}
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, nil, fmt.Errorf("tensor %.200q: %w", name, err)
		}
		names, fields[name] = append(names, name), value
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, fmt.Errorf("header is not JSON: %w", err)
	}
	if rest := bytes.TrimLeft(head[d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return nil, nil, fmt.Errorf("header is not JSON: %q after it", rest[:min(len(rest), 20)])
	}
	return names, fields, nil
}
