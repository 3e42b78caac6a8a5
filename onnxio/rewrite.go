package onnxio

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// edit replaces bytes of the model's file.
type edit struct {
	extent                         // the bytes that go; none of them for an insertion
	owner  extent                  // the body of the message that they belong to
	size   int64                   // the number of bytes that come instead
	write  func(w io.Writer) error // writes them; nil when there are none
}

// insert is an edit that puts text in the place of e.
func insert(e, owner extent, text []byte) edit {
	return edit{e, owner, int64(len(text)), func(w io.Writer) error { return writeAll(w, text) }}
}

func writeAll(w io.Writer, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("onnxio: %w", err)
	}
	return nil
}

// piece is a stretch of a rewritten file: bytes of the old one, or what write writes.
type piece struct {
	old   extent
	write func(w io.Writer) error
}

// rewrite turns edits into the pieces of the new file and its size. An edit
// that changes the length of its message changes the length that stands before
// the message, and so on outwards; everything else is kept as it is.
func (m *Model) rewrite(edits []edit) ([]piece, int64, error) {
	slices.SortStableFunc(edits, func(a, b edit) int {
		// Where two are at one byte, the insertion is first, and the inner message's.
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.end, b.end), cmp.Compare(a.owner.size(), b.owner.size()))
	})
	for i := 1; i < len(edits); i++ {
		if edits[i].at < edits[i-1].end {
			panic("onnxio: edits overlap")
		}
	}
	r := rewriter{w: newWindow(m.src, m.size, m.Path)}
	if !slices.ContainsFunc(edits, func(e edit) bool { return e.size != e.extent.size() }) {
		for _, e := range edits { // no length changes, so nothing needs to be looked at
			r.apply(e)
		}
		r.keep(m.size)
		return r.pieces, m.size, nil
	}
	size, err := r.message(extent{0, m.size}, edits)
	r.keep(m.size)
	return r.pieces, size, err
}

type rewriter struct {
	w      *window
	pieces []piece
	done   int64 // the bytes of the old file before this one are dealt with
}

// keep takes the old bytes up to end.
func (r *rewriter) keep(end int64) {
	if r.done < end {
		r.pieces = append(r.pieces, piece{old: extent{r.done, end}})
		r.done = end
	}
}

func (r *rewriter) apply(e edit) {
	r.keep(e.at)
	if e.write != nil {
		r.pieces = append(r.pieces, piece{write: e.write})
	}
	r.done = max(r.done, e.end)
}

// message applies the edits, all of them inside body, and returns the new size of body.
func (r *rewriter) message(body extent, edits []edit) (int64, error) {
	size := body.size()
	c := cursor{r.w, body.at, body.end}
	for len(edits) > 0 {
		e := edits[0]
		if e.owner == body {
			r.apply(e)
			size += e.size - e.extent.size()
			c.pos = max(c.pos, e.end)
			edits = edits[1:]
			continue
		}
		var f field
		ok, err := c.next(&f)
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, r.w.fail(ErrChanged, e.at, "the file was changed after it was opened", "the message that is to be edited", "none")
		}
		inner := extent{f.body.pos, f.body.end}
		if f.wire != wireBytes || !e.owner.within(inner) {
			continue
		}
		n := 1
		for n < len(edits) && edits[n].owner.within(inner) {
			n++
		}
		r.keep(f.at)
		place := len(r.pieces) // of the field's key and length
		r.pieces = append(r.pieces, piece{})
		r.done = inner.at
		now, err := r.message(inner, edits[:n])
		if err != nil {
			return 0, err
		}
		r.keep(inner.end)
		edits = edits[n:]
		if now == inner.size() {
			r.pieces[place].old = extent{f.at, inner.at}
			continue
		}
		head := binary.AppendUvarint(nil, f.number<<3|wireBytes)
		head = binary.AppendUvarint(head, uint64(now))
		r.pieces[place].write = func(w io.Writer) error { return writeAll(w, head) }
		size += now - inner.size() + int64(len(head)) - (inner.at - f.at)
	}
	return size, nil
}

// stream writes the pieces to w.
func (m *Model) stream(w io.Writer, pieces []piece) error {
	buf := make([]byte, chunkBytes)
	for _, p := range pieces {
		var err error
		if p.write != nil {
			err = p.write(w)
		} else {
			err = m.copy(w, p.old, buf)
		}
		if err != nil {
			return err
		}
	}
	return m.unchanged()
}

// copy writes the file's bytes of e to w.
func (m *Model) copy(w io.Writer, e extent, buf []byte) error {
	for pos := e.at; pos < e.end; {
		b := buf[:min(e.end-pos, int64(len(buf)))]
		if err := m.readAt(b, pos, &Tensor{}); err != nil {
			return err
		}
		if err := writeAll(w, b); err != nil {
			return err
		}
		pos += int64(len(b))
	}
	return nil
}

// dataFields lists the fields of a dense tensor that hold its values, or say in
// which file they are; fields that follow one another are one extent.
func (m *Model) dataFields(t *Tensor) ([]extent, []entryField, error) {
	var fields []extent
	var entries []entryField
	p := parser{w: newWindow(m.src, m.size, m.Path), limits: Limits{}.complete()}
	c := cursor{p.w, t.body.at, t.body.end}
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err != nil || !ok {
			return fields, entries, err
		}
		switch f.number {
		case tensorExternalData:
			e := entryField{field: extent{f.at, f.end}}
			if e.key, e.value, err = p.readEntry(f.body); err != nil {
				return nil, nil, err
			}
			entries = append(entries, e)
		case tensorRawData, tensorDataLocation, tensorFloatData, tensorDoubleData, tensorInt32Data, tensorInt64Data, tensorUint64Data:
		default:
			continue
		}
		if n := len(fields); n > 0 && fields[n-1].end == f.at {
			fields[n-1].end = f.end
		} else {
			fields = append(fields, extent{f.at, f.end})
		}
	}
}

// replaceData edits t: head and then size bytes of write's come instead of the
// fields that hold its values now.
func (m *Model) replaceData(t *Tensor, head []byte, size int64, write func(w io.Writer) error) ([]edit, error) {
	fields, _, err := m.dataFields(t)
	if err != nil {
		return nil, err
	}
	if len(fields) == 0 { // a tensor without elements may have none
		fields = []extent{{t.body.end, t.body.end}}
	}
	var edits []edit
	for i, e := range fields {
		if i > 0 {
			edits = append(edits, edit{extent: e, owner: t.body})
			continue
		}
		edits = append(edits, edit{e, t.body, int64(len(head)) + size, func(w io.Writer) error {
			if err := writeAll(w, head); err != nil || write == nil {
				return err
			}
			return write(w)
		}})
	}
	return edits, nil
}

// inline edits t, whose values are in a side file: they come into the model as
// raw_data, new ones from v if t is a weight.
func (m *Model) inline(t *Tensor, v Values) ([]edit, error) {
	size := t.raw.size()
	head := binary.AppendUvarint(nil, tensorRawData<<3|wireBytes)
	head = binary.AppendUvarint(head, uint64(size))
	return m.replaceData(t, head, size, func(w io.Writer) error { return m.writeValues(w, t, v) })
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

// entryField makes a field of type StringStringEntryProto.
func entryBytes(number uint64, key, value string) []byte {
	return appendBytes(nil, number, bytes.Join([][]byte{appendBytes(nil, entryKey, key), appendBytes(nil, entryValue, value)}, nil))
}
