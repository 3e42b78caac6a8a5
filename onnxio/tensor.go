package onnxio

import (
	"fmt"
	"math"
)

// Where a tensor is stored in the file, the values of Tensor.Stored.
const (
	StoredInitializer = "initializer" // an initializer of the main graph
	StoredConstant    = "constant"    // the value of a Constant node of the main graph
	StoredExternal    = "external"    // an initializer of the main graph, its values in a side file
	StoredSparse      = "sparse"      // the values or the indices of a sparse tensor of the main graph
	StoredAttribute   = "attribute"   // an attribute of some other node
	StoredSubgraph    = "subgraph"    // anything in a branch or a loop body
	StoredFunction    = "function"    // anything in a local function
)

// What happens to a tensor, the values of Tensor.Action.
const (
	ActionGenerate = "generate" // a weight: it gets new values
	ActionCopy     = "copy"     // everything else: its bytes stay
)

// Tensor is one tensor stored in a model's file. Its values stay in the file.
type Tensor struct {
	Name     string // the graph's name for the value; for display only, roles never depend on it
	DType    DType
	Shape    []int // nil for a scalar
	Elements int   // the product of Shape
	Stored   string
	Op       string // the operator of its first use, "" when nothing uses it
	Slot     int    // the input of that operator, from 0; -1 when nothing uses it
	Role     Role
	Action   string
	Reason   string // why it is copied; "" for a weight that no selection named

	body     extent    // the bytes of the TensorProto, or of the AttributeProto of a list
	entry    extent    // the field that holds it, key included: of the graph, or of the attribute
	in       *graph    // the graph that holds it, nil for an attribute
	raw      extent    // raw_data, or the bytes in the side file; empty for typed fields
	spans    []span    // of a floating-point tensor: where its values are
	external *external // its values are in a side file
	sparse   *sparse   // it is the values of a sparse tensor
	used     bool      // some operator takes it
	places   bool      // it is the indices of a sparse tensor
	list     bool      // its values are the attribute's own fields, as in value_floats
	weight   int       // its index in Weights, -1 when it is copied
	kept     bool      // a weight that the selection leaves out
	home     string    // where in words, for errors
	def      *def      // the value of the graph that it is; nil for an attribute
}

// sparse is what a sparse tensor has beside its values.
type sparse struct {
	dims    []int // the dense shape
	indices *Tensor
}

// SparseShape is the dense shape of the sparse tensor whose values t is, nil
// when it is none: Shape is then [number of stored values].
func (t *Tensor) SparseShape() []int {
	if t.sparse == nil {
		return nil
	}
	return t.sparse.dims
}

// extent is a range of bytes of the file.
type extent struct{ at, end int64 }

func (e extent) size() int64 { return e.end - e.at }

// within tells whether e lies inside outer.
func (e extent) within(outer extent) bool { return outer.at <= e.at && e.end <= outer.end }

// payload is what readTensor has seen of a tensor's data.
type payload struct {
	raw      *extent
	field    uint64 // the typed data field that was met
	entries  int64  // how many entries it has
	mixed    uint64 // another typed data field that was met, 0 for none
	located  int64  // data_location
	external []entryField
}

func (d *payload) count(field uint64, n int64) {
	switch d.field {
	case 0, field:
		d.field = field
		d.entries += n
	default:
		d.mixed = field
	}
}

// readTensor indexes one TensorProto, the bytes of c. The data are stepped
// over; only their place and amount are checked against dtype and dims.
func (p *parser) readTensor(c cursor, home string) (*Tensor, error) {
	t := &Tensor{Slot: -1, weight: -1, body: extent{c.pos, c.end}, home: home}
	if err := p.charge(c.pos, costTensor+int64(len(home))); err != nil {
		return nil, err
	}
	var data payload
	var dims []int64
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err == nil && !ok {
			break
		}
		if err == nil {
			switch f.number {
			case tensorDims:
				dims, err = p.readShape(&f, dims)
			case tensorDType:
				var v int64
				v, err = f.integer(p.w, "data_type")
				t.DType = DType(v)
			case tensorName:
				t.Name, err = p.text(&f, "tensor name")
			case tensorSegment:
				err = p.w.fail(ErrUnsupported, f.at, "a tensor stored in segments is not supported yet", "", "")
			case tensorRawData:
				if err = f.want(p.w, "raw_data", wireBytes); err == nil && data.raw != nil {
					err = p.w.fail(ErrInvalid, f.at, "a second raw_data", "one", "two")
				}
				data.raw = &extent{f.body.pos, f.body.end}
			case tensorExternalData:
				if err = p.message(&f, "external_data", costSmall); err == nil {
					e := entryField{field: extent{f.at, f.end}}
					e.key, e.value, err = p.readEntry(f.body)
					data.external = append(data.external, e)
				}
			case tensorDataLocation:
				data.located, err = f.integer(p.w, "data_location")
			case tensorFloatData, tensorDoubleData, tensorInt32Data, tensorInt64Data, tensorUint64Data, tensorStringData:
				err = p.countEntries(t, &f, &data)
			}
		}
		if err != nil {
			return nil, at(err, home, t.Name)
		}
	}
	if err := p.checkTensor(t, dims, &data); err != nil {
		return nil, at(err, home, t.Name)
	}
	return t, nil
}

// readShape adds the dims field f to dims.
func (p *parser) readShape(f *field, dims []int64) ([]int64, error) {
	err := f.integers(p.w, "dims", func(v int64) error {
		if len(dims) >= p.limits.Rank {
			return p.w.fail(ErrLimit, f.at, "too many dimensions", fmt.Sprintf("at most %d (Rank)", p.limits.Rank), "more")
		}
		dims = append(dims, v)
		return nil
	})
	return dims, err
}

// countEntries adds the entries of a typed data field to the count, and their
// place to t's spans if they may be floating-point values.
func (p *parser) countEntries(t *Tensor, f *field, data *payload) error {
	switch f.number {
	case tensorStringData:
		data.count(f.number, 1)
		return f.want(p.w, "string_data", wireBytes)
	case tensorFloatData:
		n, err := p.fixedEntries(t, f, "float_data", 4)
		data.count(f.number, n)
		return err
	case tensorDoubleData:
		n, err := p.fixedEntries(t, f, "double_data", 8)
		data.count(f.number, n)
		return err
	case tensorInt32Data:
		n, err := p.varintEntries(t, f)
		data.count(f.number, n)
		return err
	}
	return f.integers(p.w, "typed data", func(int64) error { data.count(f.number, 1); return nil })
}

// fixedEntries counts the entries of a field of fixed-width numbers, packed or
// not, and notes their place.
func (p *parser) fixedEntries(t *Tensor, f *field, name string, width int64) (int64, error) {
	single := wireFixed32
	if width == 8 {
		single = wireFixed64
	}
	if f.wire == single {
		return 1, p.addSpan(t, f.end-width, 1, width)
	}
	if err := f.want(p.w, name, single, wireBytes); err != nil {
		return 0, err
	}
	n := f.body.size()
	if n%width != 0 {
		return 0, p.w.fail(ErrInvalid, f.body.pos, name+" of a broken length", fmt.Sprintf("a multiple of %d bytes", width), fmt.Sprint(n))
	}
	return n / width, p.addSpan(t, f.body.pos, n/width, width)
}

// checkTensor fills in shape and size, and holds the data against them.
func (p *parser) checkTensor(t *Tensor, dims []int64, data *payload) error {
	start := t.body.at
	fail := func(cause error, pos int64, what, expected, found string) error {
		return p.w.fail(cause, pos, what, expected, found)
	}
	if err := p.setShape(t, dims, start); err != nil {
		return err
	}
	switch {
	case t.DType == 0:
		return fail(ErrInvalid, start, "the tensor has no data type", "data_type 1 to 26", "0")
	case !t.DType.known():
		return fail(ErrUnsupported, start, "unknown data type", "1 to 26", fmt.Sprint(int32(t.DType)))
	case t.Elements > (math.MaxInt64-7)/128:
		return fail(ErrInvalid, start, "the tensor is too large", "fewer elements", fmt.Sprint(t.Elements))
	case data.located != 0 && data.located != locationExternal:
		return fail(ErrInvalid, start, "unknown data_location", "0 or 1", fmt.Sprint(data.located))
	}
	want := dtypes[t.DType].field
	for _, number := range []uint64{data.field, data.mixed} {
		if number != 0 && (number != want || data.raw != nil || data.located == locationExternal) {
			return fail(ErrInvalid, start, "two kinds of data, or data of the wrong kind, for "+t.DType.String(),
				"raw_data or field "+fmt.Sprint(want), fmt.Sprintf("data in field %d", number))
		}
	}
	switch {
	case data.located == locationExternal:
		if data.raw != nil {
			return fail(ErrInvalid, data.raw.at, "values both here and in another file", "one of the two", "raw_data and external_data")
		}
		if err := p.locate(t, data.external); err != nil {
			return err
		}
	case data.raw == nil:
		if n := data.entries; n != t.DType.entries(t.Elements) {
			e := fail(ErrInvalid, start, "the amount of data does not match the shape",
				fmt.Sprintf("%d values for shape %s", t.DType.entries(t.Elements), shapeText(t.Shape)), fmt.Sprint(n))
			if len(data.external) > 0 {
				e = fail(ErrInvalid, start, "external_data that data_location does not announce", "data_location 1", "none")
			}
			return e
		}
	case t.DType == String:
		return fail(ErrInvalid, data.raw.at, "strings in raw_data", "string_data", "raw_data")
	default:
		if n := data.raw.size(); n != t.DType.bytes(t.Elements) {
			return fail(ErrInvalid, data.raw.at, "the length of raw_data does not match the shape",
				fmt.Sprintf("%d bytes for %s %s", t.DType.bytes(t.Elements), t.DType, shapeText(t.Shape)), fmt.Sprintf("%d", n))
		}
		t.raw = *data.raw
	}
	if !t.DType.float() {
		t.spans = nil
	} else if data.raw != nil || t.external != nil {
		t.spans = nil
		width := int64(dtypes[t.DType].bits / 8)
		return p.addSpan(t, t.raw.at, t.raw.size()/width, width)
	}
	return nil
}

// setShape turns dims into Shape and Elements, refusing what cannot be a shape.
func (p *parser) setShape(t *Tensor, dims []int64, pos int64) error {
	elements := uint64(1)
	empty := false
	for i, d := range dims {
		if d < 0 {
			return p.w.fail(ErrInvalid, pos, fmt.Sprintf("dimension %d is negative", i), "0 or more", fmt.Sprint(d))
		}
		t.Shape = append(t.Shape, int(d))
		if d == 0 {
			empty = true
			continue
		}
		if elements > math.MaxInt64/uint64(d) {
			return p.w.fail(ErrInvalid, pos, "the product of the dimensions overflows", "at most 2^63-1 elements", shapeText(toInts(dims)))
		}
		elements *= uint64(d)
	}
	if empty {
		elements = 0
	}
	t.Elements = int(elements)
	return nil
}

func toInts(dims []int64) []int {
	out := make([]int, len(dims))
	for i, d := range dims {
		out[i] = int(d)
	}
	return out
}

// shapeText writes a shape as [16,3,3,3]; a scalar is [].
func shapeText(shape []int) string {
	b := []byte{'['}
	for i, d := range shape {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Append(b, d)
	}
	return string(append(b, ']'))
}
