package onnxio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
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
	// Force allows dst to be replaced when it exists, and its side file. They must
	// not be m's files.
	Force bool
	// External puts the values of initializers of ExternalFrom bytes or more into
	// a side file. Without it that is done only when the model would be larger than
	// 2 GB, which no protobuf parser takes.
	External bool
	// ExternalFrom is the size in bytes from which External moves an initializer;
	// 0 is 1024, as in the onnx package.
	ExternalFrom int64
}

// Write writes model m to the file dst with its weights taken from v. Every
// byte that is not a weight's value or a metadata entry is that of m's file;
// where a value or an entry changes its length, the lengths around it change too.
// With v == m the values are copied as they are, whatever they are.
//
// Values in side files, m's or by o.External, go into one new side file, dst with
// ".data" behind it. If m has one side file, it is that file with the weights in
// their places, else every tensor begins at a page of its own. The checksum of a
// tensor that has one is made anew.
//
// Both files are streamed: memory does not grow with them. They appear only
// when they are complete, the side file first. A value that is NaN or infinite, or
// would be in the weight's type, is refused with an *Error that wraps
// ErrNotFinite and names the tensor and the index; dst that is m's own file, also
// by another name, with one that wraps ErrSameFile; an existing dst without Force
// with an error that wraps atomicfile.ErrExists.
func Write(dst string, m *Model, v Values, o WriteOptions) error {
	sidePath := dst + sideSuffix
	for _, path := range []string{dst, sidePath} {
		if err := m.checkTarget(path); err != nil {
			return err
		}
	}
	if err := m.unchanged(); err != nil {
		return err
	}
	p, err := m.plan(v, o, filepath.Base(sidePath))
	if err != nil {
		return err
	}
	wrote := false
	err = atomicfile.Write(dst, o.Force, func(w io.Writer) error {
		if err := m.stream(w, p.pieces); err != nil || p.side == nil {
			return err
		}
		// The model is in its temporary file now and gets its name last.
		err := atomicfile.Write(sidePath, o.Force, func(w io.Writer) error { return p.side.stream(w) })
		wrote = err == nil
		return err
	})
	if err != nil && wrote {
		err = errors.Join(err, os.Remove(sidePath))
	}
	return err
}

// WriteTo is Write to w instead of to a file: values in m's side files become
// raw_data, so that what is written stands alone. A model of more than 2 GB is
// refused with an *Error that wraps ErrUnsupported.
func WriteTo(w io.Writer, m *Model, v Values, metadata map[string]string) error {
	p, err := m.plan(v, WriteOptions{Metadata: metadata}, "")
	if err != nil {
		return err
	}
	return m.stream(w, p.pieces)
}

// checkTarget refuses m's own files as the output.
func (m *Model) checkTarget(dst string) error {
	out, err := os.Stat(dst)
	if m.file == nil || err != nil {
		return nil // atomicfile says what is wrong with dst, if anything is
	}
	files := []os.FileInfo{m.opened}
	for _, s := range m.sides.all {
		files = append(files, s.info)
	}
	for i, in := range files {
		if os.SameFile(in, out) {
			name := m.Path
			if i > 0 {
				name = m.sides.all[i-1].name
			}
			return &Error{File: dst, Offset: -1, What: "the output is the input", Expected: "a path that is not " + name, Found: "the same file", Err: ErrSameFile}
		}
	}
	return nil
}

// unchanged refuses a file that has been changed since it was indexed: its
// payloads may be anywhere now.
func (m *Model) unchanged() error {
	if m.file == nil {
		return nil
	}
	now, err := m.file.Stat()
	if err != nil {
		return fmt.Errorf("onnxio: %w", err)
	}
	if !sameState(now, m.opened) {
		return changedError(m.Path, m.opened, now)
	}
	for _, s := range m.sides.all {
		if err := s.check(); err != nil {
			return err
		}
	}
	return nil
}

// plan is what Write does, decided before it begins.
type plan struct {
	pieces []piece
	size   int64
	side   *sidePlan // nil when there is no side file
}

// plan decides where every value goes. Without the name of a side file all go
// into the model.
func (m *Model) plan(v Values, o WriteOptions, sideName string) (*plan, error) {
	p := &plan{}
	edits, err := m.metadataEdits(o.Metadata)
	if err != nil {
		return nil, err
	}
	if sideName != "" {
		p.side = m.planSide(v, o, sideName)
	}
	for _, t := range m.tensors {
		var more []edit
		moved := p.side != nil && p.side.has(t)
		switch {
		case moved && t.external != nil:
			more, err = p.side.relocate(t)
		case moved:
			more, err = p.side.moveOut(t)
		case t.external != nil:
			more, err = m.inline(t, v)
		case t.weight >= 0 && v != Values(m):
			more, err = m.spanEdits(t, v)
		}
		if err != nil {
			return nil, err
		}
		edits = append(edits, more...)
	}
	if p.pieces, p.size, err = m.rewrite(edits); err != nil {
		return nil, err
	}
	if p.size <= maxProtobuf {
		return p, nil
	}
	if sideName != "" && !o.External {
		o.External = true
		return m.plan(v, o, sideName)
	}
	return nil, &Error{File: m.Path, Offset: -1, What: "the model is too large for one file, and what is left cannot go to a side file",
		Expected: fmt.Sprintf("at most %d bytes", maxProtobuf), Found: fmt.Sprint(p.size), Err: ErrUnsupported}
}

// metadataEdits sets entries of metadata_props.
func (m *Model) metadataEdits(metadata map[string]string) ([]edit, error) {
	var edits []edit
	whole := extent{0, m.size}
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
			edits = append(edits, insert(e.entry, whole, entryBytes(modelMetadata, e.key, value)))
		}
	}
	var added bytes.Buffer
	for _, key := range slices.Sorted(maps.Keys(missing)) {
		added.Write(entryBytes(modelMetadata, key, missing[key]))
	}
	if added.Len() > 0 {
		edits = append(edits, insert(extent{m.size, m.size}, whole, added.Bytes()))
	}
	return edits, nil
}
