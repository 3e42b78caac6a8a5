package onnxio

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"unicode/utf8"

	"rpg/internal/atomicfile"
)

// WriteOptions says how Write writes. The zero value adds no metadata and
// never replaces a file.
type WriteOptions struct {
	// Metadata is set in metadata_props: an entry of the same key is replaced
	// where it stands, a new one is put at the end of the file. All other
	// entries stay.
	Metadata map[string]string
	// Force allows dst to be replaced when it exists. It must not be m's file.
	Force bool
}

// Write writes model m to the file dst with its weights taken from v. Every
// byte that is not a weight's value or a metadata entry is that of m's file;
// nothing moves but what follows a metadata entry whose length changes.
//
// The file is streamed: memory does not grow with it. It appears at dst only
// when it is complete. A value that is NaN or infinite is refused with an
// *Error that wraps ErrNotFinite and names the tensor and the index; dst that is
// m's own file, also by another name, with one that wraps ErrSameFile; an
// existing dst without Force with an error that wraps atomicfile.ErrExists.
func Write(dst string, m *Model, v Values, o WriteOptions) error {
	if err := m.checkTarget(dst); err != nil {
		return err
	}
	edits, err := m.edits(v, o.Metadata)
	if err != nil {
		return err
	}
	return atomicfile.Write(dst, o.Force, func(w io.Writer) error {
		return m.stream(w, edits)
	})
}

// WriteTo is Write to w instead of to a file.
func WriteTo(w io.Writer, m *Model, v Values, metadata map[string]string) error {
	edits, err := m.edits(v, metadata)
	if err != nil {
		return err
	}
	return m.stream(w, edits)
}

// checkTarget refuses m's own file as the output, and a file that has been
// changed since it was indexed: its payloads may be anywhere now.
func (m *Model) checkTarget(dst string) error {
	if m.file == nil {
		return nil
	}
	in, err := m.file.Stat()
	if err != nil {
		return fmt.Errorf("onnxio: %w", err)
	}
	if out, err := os.Stat(dst); err == nil && os.SameFile(in, out) {
		return &Error{File: dst, Offset: -1, What: "the output is the input", Expected: "a path that is not " + m.Path, Found: "the same file", Err: ErrSameFile}
	}
	if in.Size() != m.size || !in.ModTime().Equal(m.changed) {
		return &Error{File: m.Path, Offset: -1, What: "the file was changed after it was opened",
			Expected: fmt.Sprintf("%d bytes of %s", m.size, m.changed.Format("2006-01-02 15:04:05.000")),
			Found:    fmt.Sprintf("%d bytes of %s", in.Size(), in.ModTime().Format("2006-01-02 15:04:05.000")), Err: ErrChanged}
	}
	return nil
}

// edit replaces the bytes of an extent by what write writes.
type edit struct {
	extent
	write func(w io.Writer) error
}

// edits lists what changes, in the file's order.
func (m *Model) edits(v Values, metadata map[string]string) ([]edit, error) {
	var edits []edit
	for i, t := range m.weights {
		for _, s := range t.spans {
			// A span ends with its last value, so strides reach count-1 times.
			e := extent{s.at, s.at + (s.count-1)*s.stride + 4}
			edits = append(edits, edit{e, func(w io.Writer) error { return m.writeSpan(w, v, i, s) }})
		}
	}
	missing := map[string]string{}
	for key, value := range metadata {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return nil, &Error{File: m.Path, Offset: -1, What: fmt.Sprintf("metadata entry %q is not text", key), Expected: "UTF-8", Err: ErrInvalid}
		}
		missing[key] = value
	}
	for _, e := range m.metadata {
		value, ok := metadata[e.key]
		delete(missing, e.key)
		if ok && value != e.value {
			edits = append(edits, edit{e.entry, func(w io.Writer) error { return writeEntry(w, e.key, value) }})
		}
	}
	slices.SortFunc(edits, func(a, b edit) int { return int(min(max(a.at-b.at, -1), 1)) })
	if len(missing) > 0 {
		edits = append(edits, edit{extent{m.size, m.size}, func(w io.Writer) error {
			for _, key := range slices.Sorted(maps.Keys(missing)) {
				if err := writeEntry(w, key, missing[key]); err != nil {
					return err
				}
			}
			return nil
		}})
	}
	return edits, nil
}

// stream writes m's bytes to w with the edits applied.
func (m *Model) stream(w io.Writer, edits []edit) error {
	pos := int64(0)
	buf := make([]byte, chunkBytes)
	for _, e := range edits {
		if e.at < pos {
			panic("onnxio: edits overlap")
		}
		if err := m.copy(w, extent{pos, e.at}, buf); err != nil {
			return err
		}
		if err := e.write(w); err != nil {
			return err
		}
		pos = e.end
	}
	return m.copy(w, extent{pos, m.size}, buf)
}

// copy writes the file's bytes of e to w.
func (m *Model) copy(w io.Writer, e extent, buf []byte) error {
	for pos := e.at; pos < e.end; {
		b := buf[:min(e.end-pos, int64(len(buf)))]
		if err := m.readAt(b, pos, &Tensor{}); err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return fmt.Errorf("onnxio: %w", err)
		}
		pos += int64(len(b))
	}
	return nil
}

// writeSpan writes the values of weight i that belong in the place of span s,
// keeping the bytes between them.
func (m *Model) writeSpan(w io.Writer, v Values, i int, s span) error {
	t, first := m.weights[i], int(s.first)
	step := chunkBytes / s.stride
	values := make([]float32, min(step, s.count))
	buf := make([]byte, int64(len(values))*s.stride)
	for done := int64(0); done < s.count; {
		n := min(step, s.count-done)
		values := values[:n]
		if err := v.ReadValues(i, values, first+int(done)); err != nil {
			return fmt.Errorf("onnxio: %s: tensor %q: cannot get its new values: %w", m.Path, t.Name, err)
		}
		b := buf[:n*s.stride]
		if done+n == s.count {
			b = buf[:(n-1)*s.stride+4]
		}
		if s.stride > 4 {
			if err := m.readAt(b, s.at+done*s.stride, t); err != nil {
				return err
			}
		}
		for k, x := range values {
			if x-x != 0 {
				return &Error{File: m.Path, Tensor: t.Name, Offset: -1, What: fmt.Sprintf("the new value at index %d", first+int(done)+k),
					Expected: "a finite number", Found: fmt.Sprint(x), Err: ErrNotFinite}
			}
			binary.LittleEndian.PutUint32(b[int64(k)*s.stride:], math.Float32bits(x))
		}
		if _, err := w.Write(b); err != nil {
			return fmt.Errorf("onnxio: %w", err)
		}
		done += n
	}
	return nil
}

// writeEntry writes a metadata_props field of a ModelProto.
func writeEntry(w io.Writer, key, value string) error {
	var body []byte
	body = appendBytes(body, entryKey, key)
	body = appendBytes(body, entryValue, value)
	if _, err := w.Write(appendBytes(nil, modelMetadata, string(body))); err != nil {
		return fmt.Errorf("onnxio: %w", err)
	}
	return nil
}

// appendBytes appends a field of bytes in protobuf's wire format.
func appendBytes[T string | []byte](b []byte, number uint64, value T) []byte {
	b = binary.AppendUvarint(b, number<<3|wireBytes)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

// appendVarint appends a varint field in protobuf's wire format.
func appendVarint(b []byte, number, value uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, number<<3|wireVarint), value)
}
