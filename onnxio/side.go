package onnxio

import (
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"io"
	"math"
	"slices"
	"strconv"
)

// sideSuffix is put behind the name of a model to name its side file.
const sideSuffix = ".data"

const (
	externalFrom = 1024      // bytes from which WriteOptions.External moves a tensor, as in the onnx package
	pageBytes    = 4096      // where a tensor begins in a side file, so that it can be mapped
	largeTensor  = 1 << 20   // from here on it begins at
	largePage    = 64 * 1024 // what Windows maps
)

// sidePlan is the side file that goes with a written model.
type sidePlan struct {
	m     *Model
	v     Values
	name  string
	base  *side // the file that is copied with the weights replaced; nil when all is laid out anew
	at    map[*Tensor]int64
	items []*Tensor // what is written, in the order of at; with a base only what is not the base's
	size  int64
}

// planSide decides which tensors go into the side file and where; nil when there are none.
func (m *Model) planSide(v Values, o WriteOptions, name string) *sidePlan {
	p := &sidePlan{m: m, v: v, name: name, at: map[*Tensor]int64{}}
	from := o.ExternalFrom
	if from <= 0 {
		from = externalFrom
	}
	p.base = m.baseFile(v)
	if p.base != nil {
		p.size = p.base.size
	}
	for _, t := range m.tensors {
		size := t.size()
		switch {
		case t.external != nil && p.base != nil:
			p.at[t] = t.raw.at
			if t.weight >= 0 && v != Values(m) {
				p.items = append(p.items, t)
			}
		case t.external != nil, o.External && t.movable() && size >= from:
			if size >= largeTensor {
				p.size = align(p.size, largePage)
			} else if size > 0 {
				p.size = align(p.size, pageBytes)
			}
			p.at[t] = p.size
			p.items = append(p.items, t)
			p.size += size
		}
	}
	if len(p.at) == 0 {
		return nil
	}
	slices.SortStableFunc(p.items, func(a, b *Tensor) int { return cmp.Compare(p.at[a], p.at[b]) })
	return p
}

func align(n, page int64) int64 { return (n + page - 1) / page * page }

// size is the length of a dense tensor's values in raw_data.
func (t *Tensor) size() int64 { return t.DType.bytes(t.Elements) }

// movable tells whether a tensor's values can go into a side file. The values of
// Constant nodes and of sparse tensors cannot, in most readers; nor can what
// the inference of shapes looks at, such as the shape for a Reshape or the factors
// of a Resize: ONNX Runtime refuses a model that has them in another file.
func (t *Tensor) movable() bool {
	if t.external != nil || t.def == nil || t.def.node != nil || t.sparse != nil || t.Stored == StoredFunction {
		return false
	}
	switch size := t.size(); t.DType {
	case String:
		return false
	case Int32, Int64, Uint32, Uint64, Bool:
		return size >= largeTensor // no shape is that long
	default:
		return t.weight >= 0 || t.DType.quantized() && t.Elements > 1 || size >= externalFrom
	}
}

// baseFile is m's side file when the new one can be a copy of it with new
// weights: it is the only one, mostly made of m's tensors, and no weight shares
// bytes with another tensor.
func (m *Model) baseFile(v Values) *side {
	if m.sides == nil || len(m.sides.all) != 1 {
		return nil
	}
	var parts []*Tensor
	total := int64(0)
	for _, t := range m.tensors {
		if t.external != nil && t.raw.size() > 0 {
			parts = append(parts, t)
			total += t.raw.size()
		}
	}
	base := m.sides.all[0]
	if total < base.size/2 {
		return nil
	}
	if v == Values(m) {
		return base // every byte of it stays
	}
	slices.SortStableFunc(parts, func(a, b *Tensor) int { return cmp.Compare(a.raw.at, b.raw.at) })
	var widest *Tensor // the one that reaches furthest
	for _, t := range parts {
		if widest != nil && t.raw.at < widest.raw.end && (t.weight >= 0 || widest.weight >= 0) {
			return nil
		}
		if widest == nil || t.raw.end > widest.raw.end {
			widest = t
		}
	}
	return base
}

func (p *sidePlan) has(t *Tensor) bool {
	_, ok := p.at[t]
	return ok
}

// stream writes the side file.
func (p *sidePlan) stream(w io.Writer) error {
	done := int64(0)
	for _, t := range p.items {
		if err := p.fill(w, done, p.at[t]); err != nil {
			return err
		}
		if err := p.m.writeValues(w, t, p.v); err != nil {
			return err
		}
		done = p.at[t] + t.size()
	}
	if err := p.fill(w, done, p.size); err != nil {
		return err
	}
	return p.m.unchanged()
}

// fill writes what lies between tensors: the base's bytes, and zeros after it.
func (p *sidePlan) fill(w io.Writer, from, to int64) error {
	if p.base != nil && from < p.base.size {
		end := min(to, p.base.size)
		t := &Tensor{external: &external{side: p.base}, raw: extent{from, end}}
		if err := p.m.copyRaw(t, w); err != nil {
			return err
		}
		from = end
	}
	var zeros [pageBytes]byte
	for from < to {
		n := min(to-from, int64(len(zeros)))
		if err := writeAll(w, zeros[:n]); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// moveOut edits a tensor of the model's file so that its values are in the side file.
func (p *sidePlan) moveOut(t *Tensor) ([]edit, error) {
	text := entryBytes(tensorExternalData, keyLocation, p.name)
	text = append(text, entryBytes(tensorExternalData, keyOffset, strconv.FormatInt(p.at[t], 10))...)
	text = append(text, entryBytes(tensorExternalData, keyLength, strconv.FormatInt(t.size(), 10))...)
	text = appendVarint(text, tensorDataLocation, locationExternal)
	return p.m.replaceData(t, text, 0, nil)
}

// relocate edits the entries of a tensor that was in a side file before: those
// whose value changes, and a length where there was none and one is needed.
func (p *sidePlan) relocate(t *Tensor) ([]edit, error) {
	_, entries, err := p.m.dataFields(t)
	if err != nil {
		return nil, err
	}
	want := map[string]string{keyLocation: p.name, keyOffset: strconv.FormatInt(p.at[t], 10), keyLength: strconv.FormatInt(t.size(), 10)}
	if t.external.checksum != "" && t.weight >= 0 && p.v != Values(p.m) {
		sum := sha1.New()
		if err := p.m.writeValues(sum, t, p.v); err != nil {
			return nil, err
		}
		want[keyChecksum] = hex.EncodeToString(sum.Sum(nil))
	}
	var edits []edit
	end := int64(math.MinInt64)
	for _, e := range entries {
		value, ok := want[e.key]
		delete(want, e.key)
		if e.key == keyLocation {
			end = e.field.end
		}
		if ok && !sameEntry(e.key, value, e.value) {
			edits = append(edits, insert(e.field, t.body, entryBytes(tensorExternalData, e.key, value)))
		}
	}
	if p.at[t] == 0 || p.base != nil {
		delete(want, keyOffset)
	}
	if p.base != nil {
		delete(want, keyLength)
	}
	for _, key := range []string{keyOffset, keyLength} {
		if value, ok := want[key]; ok {
			edits = append(edits, insert(extent{end, end}, t.body, entryBytes(tensorExternalData, key, value)))
		}
	}
	return edits, nil
}

// sameEntry tells whether an entry says the same already, whatever its spelling.
func sameEntry(key, value, old string) bool {
	if key == keyOffset || key == keyLength {
		a, err1 := strconv.ParseUint(value, 10, 63)
		b, err2 := strconv.ParseUint(old, 10, 63)
		return err1 == nil && err2 == nil && a == b
	}
	return value == old
}
