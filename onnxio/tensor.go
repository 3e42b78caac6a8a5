package onnxio

import (
	"fmt"
	"math"
)

// Where a tensor is stored in the file, the values of Tensor.Stored.
const (
	StoredInitializer = "initializer" // an initializer of the main graph
	StoredConstant    = "constant"    // the value of a Constant node of the main graph
	StoredSparse      = "sparse"      // a sparse initializer
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

	body   extent // the bytes of the TensorProto
	entry  extent // the field that holds it, key included: of the graph, or of the attribute
	spans  []span // of a float32 tensor: where its values are
	sparse bool   // it is a SparseTensorProto
	weight int    // its index in Weights, -1 when it is copied
	kept   bool   // a weight that the selection leaves out
	home   string // where in words, for errors
	def    *def   // the value of the graph that it is; nil for an attribute
}

// extent is a range of bytes of the file.
type extent struct{ at, end int64 }

func (e extent) size() int64 { return e.end - e.at }

// span is a run of float32 values in the file: the tensor's elements first to
// first+count-1, little-endian, the first of them at byte at, each stride bytes
// after the one before. Stride is 4 in raw_data and packed float_data, and 5
// where each value has its own key byte.
type span struct {
	at     int64
	stride int64
	count  int64
	first  int64
}

// maxStride bounds the bytes between two values of one span, so that a span is
// always dense: a key byte or a few between values, never another field's data.
const maxStride = 16

// addSpan appends count values of stride 4 at byte pos; single values that
// follow one another at equal distances share one span.
func (t *Tensor) addSpan(pos, count int64) {
	if count == 0 {
		return
	}
	first := int64(0)
	if n := len(t.spans); n > 0 {
		last := &t.spans[n-1]
		first = last.first + last.count
		if count == 1 && last.count == 1 && pos-last.at <= maxStride {
			last.stride = pos - last.at
		}
		if count == 1 && pos == last.at+last.stride*last.count {
			last.count++
			return
		}
	}
	t.spans = append(t.spans, span{pos, 4, count, first})
}

// payload is what readTensor has seen of a tensor's data.
type payload struct {
	raw     *extent
	entries map[uint64]int64 // number of entries of each typed data field
}

// readTensor indexes one TensorProto, the bytes of c. The data are stepped
// over; only their place and amount are checked against dtype and dims.
func (p *parser) readTensor(c cursor, home string) (*Tensor, error) {
	t := &Tensor{Slot: -1, weight: -1, body: extent{c.pos, c.end}, home: home}
	data := payload{entries: map[uint64]int64{}}
	dims, external := []int64(nil), false
	for f := (field{}); ; {
		ok, err := c.next(&f)
		if err == nil && !ok {
			break
		}
		if err == nil {
			switch f.number {
			case tensorDims:
				err = f.integers(p.w, "dims", func(v int64) error { dims = append(dims, v); return nil })
			case tensorDType:
				var v int64
				v, err = f.integer(p.w, "data_type")
				t.DType = DType(v)
			case tensorName:
				t.Name, err = f.text(p.w, "tensor name")
			case tensorSegment:
				err = p.w.fail(ErrUnsupported, f.at, "a tensor stored in segments is not supported yet", "", "")
			case tensorRawData:
				if err = f.want(p.w, "raw_data", wireBytes); err == nil && data.raw != nil {
					err = p.w.fail(ErrInvalid, f.at, "a second raw_data", "one", "two")
				}
				data.raw = &extent{f.body.pos, f.body.end}
			case tensorExternalData:
				external = true
			case tensorDataLocation:
				var v int64
				v, err = f.integer(p.w, "data_location")
				external = external || v != 0
			case tensorFloatData, tensorDoubleData, tensorInt32Data, tensorInt64Data, tensorUint64Data, tensorStringData:
				err = p.countEntries(t, &f, data.entries)
			}
		}
		if err != nil {
			return nil, at(err, home, t.Name)
		}
	}
	if err := p.checkTensor(t, dims, external, data); err != nil {
		return nil, at(err, home, t.Name)
	}
	return t, nil
}

// countEntries adds the entries of a typed data field to the count of its
// kind, and to t's spans if they may be float32 values.
func (p *parser) countEntries(t *Tensor, f *field, entries map[uint64]int64) error {
	width := int64(0)
	switch f.number {
	case tensorStringData:
		entries[f.number]++
		return f.want(p.w, "string_data", wireBytes)
	case tensorFloatData:
		width = 4
	case tensorDoubleData:
		width = 8
	default:
		return f.integers(p.w, "typed data", func(int64) error { entries[f.number]++; return nil })
	}
	single := map[int64]int{4: wireFixed32, 8: wireFixed64}[width]
	if f.wire == single {
		entries[f.number]++
		if width == 4 {
			t.addSpan(f.end-4, 1)
		}
		return nil
	}
	name := map[int64]string{4: "float_data", 8: "double_data"}[width]
	if err := f.want(p.w, name, single, wireBytes); err != nil {
		return err
	}
	n := f.body.size()
	if n%width != 0 {
		return p.w.fail(ErrInvalid, f.body.pos, name+" of a broken length", fmt.Sprintf("a multiple of %d bytes", width), fmt.Sprint(n))
	}
	entries[f.number] += n / width
	if width == 4 {
		t.addSpan(f.body.pos, n/width)
	}
	return nil
}

// checkTensor fills in shape and size, and holds the data against them.
func (p *parser) checkTensor(t *Tensor, dims []int64, external bool, data payload) error {
	fail := func(cause error, pos int64, what, expected, found string) error {
		return p.w.fail(cause, pos, what, expected, found)
	}
	start := t.body.at
	if err := p.setShape(t, dims, start); err != nil {
		return err
	}
	if external {
		return fail(ErrUnsupported, start, "external data is not supported yet", "the values in the file itself", "a reference to another file")
	}
	if t.DType == 0 {
		return fail(ErrInvalid, start, "the tensor has no data type", "data_type 1 to 26", "0")
	}
	if !t.DType.known() {
		return fail(ErrUnsupported, start, "unknown data type", "1 to 26", fmt.Sprint(int32(t.DType)))
	}
	if t.Elements > (math.MaxInt64-7)/128 {
		return fail(ErrInvalid, start, "the tensor is too large", "fewer elements", fmt.Sprint(t.Elements))
	}
	want := dtypes[t.DType].field
	for number, n := range data.entries {
		if number != want || data.raw != nil {
			return fail(ErrInvalid, start, "two kinds of data, or data of the wrong kind, for "+t.DType.String(),
				"raw_data or field "+fmt.Sprint(want), fmt.Sprintf("%d entries in field %d", n, number))
		}
	}
	if data.raw == nil {
		if n := data.entries[want]; n != t.DType.entries(t.Elements) {
			return fail(ErrInvalid, start, "the amount of data does not match the shape",
				fmt.Sprintf("%d values for shape %s", t.DType.entries(t.Elements), shapeText(t.Shape)), fmt.Sprint(n))
		}
	} else if t.DType == String {
		return fail(ErrInvalid, data.raw.at, "strings in raw_data", "string_data", "raw_data")
	} else if n := data.raw.size(); n != t.DType.bytes(t.Elements) {
		return fail(ErrInvalid, data.raw.at, "the length of raw_data does not match the shape",
			fmt.Sprintf("%d bytes for %s %s", t.DType.bytes(t.Elements), t.DType, shapeText(t.Shape)), fmt.Sprintf("%d", n))
	}
	if t.DType != Float32 {
		t.spans = nil
	} else if data.raw != nil {
		t.addSpan(data.raw.at, data.raw.size()/4)
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
