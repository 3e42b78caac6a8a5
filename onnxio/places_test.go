package onnxio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// encoded gives values as elements of type d in raw_data; they must be exact.
func encoded(d DType, values ...float32) []byte {
	width := dtypes[d].bits / 8
	b := make([]byte, width*len(values))
	for i, v := range values {
		encodeFloat(b[i*width:], d, v)
	}
	return b
}

// varints are values of float16 or bfloat16 as int32_data.
func varints(d DType, asPacked bool, values ...float32) []byte {
	var packed, single []byte
	raw := encoded(d, values...)
	for i := range values {
		v := uint64(binary.LittleEndian.Uint16(raw[2*i:]))
		packed = binary.AppendUvarint(packed, v)
		single = appendVarint(single, tensorInt32Data, v)
	}
	if asPacked {
		return appendBytes(nil, tensorInt32Data, packed)
	}
	return single
}

// doubles are values as double_data.
func doubles(asPacked bool, values ...float32) []byte {
	raw := encoded(Float64, values...)
	if asPacked {
		return appendBytes(nil, tensorDoubleData, raw)
	}
	var single []byte
	for i := range values {
		single = append(binary.AppendUvarint(single, tensorDoubleData<<3|wireFixed64), raw[8*i:8*i+8]...)
	}
	return single
}

// TestTypes writes values of every type in every form that a file may have: the
// model's own as they were, and others as an exporter of that form writes them.
func TestTypes(t *testing.T) {
	before, after := []float32{0, 1, -2, 3.5, -0.25, 96}, []float32{-1, 0.5, 0, 64, -0.125, 2}
	raw := func(d DType) func(v []float32) []byte {
		return func(v []float32) []byte { return appendBytes(nil, tensorRawData, encoded(d, v...)) }
	}
	for _, c := range []struct {
		name  string
		dtype DType
		data  func(v []float32) []byte
		next  func(v []float32) []byte // how other values are written, nil for the same way
	}{
		{"float64 raw", Float64, raw(Float64), nil},
		{"float64 packed", Float64, func(v []float32) []byte { return doubles(true, v...) }, nil},
		{"float64 unpacked", Float64, func(v []float32) []byte { return doubles(false, v...) }, nil},
		{"float64 in parts", Float64, func(v []float32) []byte { return join(doubles(false, v[:2]...), doubles(true, v[2:]...)) }, nil},
		{"float16 raw", Float16, raw(Float16), nil},
		{"bfloat16 raw", BFloat16, raw(BFloat16), nil},
		{"float16 packed", Float16, func(v []float32) []byte { return varints(Float16, true, v...) }, nil},
		{"bfloat16 packed", BFloat16, func(v []float32) []byte { return varints(BFloat16, true, v...) }, nil},
		{"float16 unpacked", Float16, func(v []float32) []byte { return varints(Float16, false, v...) }, func(v []float32) []byte { return varints(Float16, true, v...) }},
		{"float16 in parts", Float16, func(v []float32) []byte {
			return join(varints(Float16, true, v[:1]...), str(99, "between"), varints(Float16, false, v[1:]...))
		}, func(v []float32) []byte { return join(varints(Float16, true, v...), str(99, "between")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := func(data []byte) []byte {
				return modelBytes(in("x"), call("MatMul", "x w", "y"), sub(graphInitializer, tensorOf("w", c.dtype, []int64{2, 3}, data)), out("y"), str(10, "behind the tensor"))
			}
			m := open(t, file(c.data(before)))
			for _, v := range []Values{m, same{m}} {
				if got := written(t, m, v, nil); !bytes.Equal(got, file(c.data(before))) {
					t.Errorf("unchanged:\n%x\nwant\n%x", got, file(c.data(before)))
				}
			}
			next := c.next
			if next == nil {
				next = c.data
			}
			if got := written(t, m, given{after}, nil); !bytes.Equal(got, file(next(after))) {
				t.Errorf("changed:\n%x\nwant\n%x", got, file(next(after)))
			}
			for off := 0; off <= 6; off++ {
				for n := 0; off+n <= 6; n++ {
					dst := make([]float32, n)
					if err := m.ReadValues(0, dst, off); err != nil || fmt.Sprint(dst) != fmt.Sprint(before[off:off+n]) {
						t.Errorf("elements %d to %d are %v, want %v: %v", off, off+n, dst, before[off:off+n], err)
					}
				}
			}
		})
	}
}

// TestManyHalves has more numbers than one base-128 span holds.
func TestManyHalves(t *testing.T) {
	for _, n := range []int{maxRun - 1, maxRun, maxRun + 1, 3*maxRun + 5} {
		for _, asPacked := range []bool{true, false} {
			values, next := make([]float32, n), make([]float32, n)
			for i := range values {
				values[i], next[i] = float32(i%2000)/8, -float32(i%1000)
			}
			file := func(v []float32) []byte {
				return modelBytes(in("x"), call("Add", "x w", "y"), sub(graphInitializer, tensorOf("w", Float16, []int64{int64(n)}, varints(Float16, asPacked, v...))), out("y"))
			}
			m := open(t, file(values))
			if !bytes.Equal(written(t, m, same{m}, nil), file(values)) {
				t.Errorf("%d, packed %v: unchanged values are written otherwise", n, asPacked)
			}
			got := make([]float32, n)
			changed := open(t, written(t, m, given{next}, nil))
			if err := changed.ReadValues(0, got, 0); err != nil || fmt.Sprint(got) != fmt.Sprint(next) {
				t.Errorf("%d, packed %v: other values are read otherwise: %v", n, asPacked, err)
			}
			if err := m.ReadValues(0, got[:3], n-3); err != nil || fmt.Sprint(got[:3]) != fmt.Sprint(values[n-3:]) {
				t.Errorf("%d, packed %v: the last values are %v: %v", n, asPacked, got[:3], err)
			}
		}
	}
}

// TestFloat64KeepsItsBits: a value that float32 cannot tell from the stored one
// leaves all 64 bits as they are, and one beyond float32 is refused when it is read.
func TestFloat64KeepsItsBits(t *testing.T) {
	file := func(a, b float64) []byte {
		raw := binary.LittleEndian.AppendUint64(nil, math.Float64bits(a))
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(b))
		return modelBytes(in("x"), call("Add", "x w", "y"), sub(graphInitializer, tensorOf("w", Float64, []int64{2}, appendBytes(nil, tensorRawData, raw))), out("y"))
	}
	m := open(t, file(math.Pi, math.E))
	if got := written(t, m, given{{float32(math.Pi), 5}}, nil); !bytes.Equal(got, file(math.Pi, 5)) {
		t.Errorf("%x, want %x", got, file(math.Pi, 5))
	}
	large := open(t, file(1, 1e300))
	if err := large.ReadValues(0, make([]float32, 2), 0); !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), `"w": the float64 value at index 1 does not fit float32`) {
		t.Errorf("reading 1e300: %v", err)
	}
	if got := written(t, large, large, nil); !bytes.Equal(got, file(1, 1e300)) {
		t.Error("the model itself is not copied")
	}
}

// TestOverflowIsRefused has values that are finite and would not be in the weight's type.
func TestOverflowIsRefused(t *testing.T) {
	for _, c := range []struct {
		name  string
		dtype DType
		data  []byte
		value float32
		fits  bool
	}{
		{"float16 at its largest", Float16, varints(Float16, true, 1, 1), 65504, true},
		{"float16 rounded down to its largest", Float16, varints(Float16, true, 1, 1), 65519.996, true},
		{"float16 too large", Float16, varints(Float16, true, 1, 1), 65520, false},
		{"float16 raw, too small", Float16, appendBytes(nil, tensorRawData, make([]byte, 4)), -65520, false},
		{"bfloat16 rounded down to its largest", BFloat16, appendBytes(nil, tensorRawData, make([]byte, 4)), 3.3961775e38, false},
		{"bfloat16 below that", BFloat16, appendBytes(nil, tensorRawData, make([]byte, 4)), 3.3961773e38, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := open(t, modelBytes(in("x"), call("Add", "x w", "y"), sub(graphInitializer, tensorOf("w", c.dtype, []int64{2}, c.data)), out("y")))
			err := WriteTo(&bytes.Buffer{}, m, given{{0, c.value}}, nil)
			if (err == nil) != c.fits || err != nil && (!errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), `tensor "w": the new value at index 1: expected a number that`)) {
				t.Errorf("error %v", err)
			}
			stored := m.AsStored(given{{0, c.value}}).ReadValues(0, make([]float32, 1), 1)
			if fmt.Sprint(stored) != fmt.Sprint(err) {
				t.Errorf("as it is stored: error %v, want %v", stored, err)
			}
		})
	}
}

// TestAsStored: values as a model stores them are what the file that is written of
// them holds.
func TestAsStored(t *testing.T) {
	values := []float32{0, float32(math.Pi), -1e-7, 65503, float32(math.Copysign(0, -1)), 1 + 1.0/512 + 1.0/65536, 3e-5}
	for _, d := range []DType{Float32, Float64, Float16, BFloat16} {
		data := appendBytes(nil, tensorRawData, encoded(d, make([]float32, len(values))...))
		m := open(t, modelBytes(in("x"), call("Add", "x w", "y"), sub(graphInitializer, tensorOf("w", d, []int64{int64(len(values))}, data)), out("y")))
		back := open(t, written(t, m, given{values}, nil))
		for off := range values {
			got, want := make([]float32, len(values)-off), make([]float32, len(values)-off)
			if err := errors.Join(m.AsStored(given{values}).ReadValues(0, got, off), back.ReadValues(0, want, off)); err != nil {
				t.Fatal(err)
			}
			for i, w := range want {
				if math.Float32bits(got[i]) != math.Float32bits(w) {
					t.Errorf("%v: element %d is %g, want %g", d, off+i, got[i], w)
				}
			}
		}
	}
}

// TestHalves holds the rounding against all numbers of the types and the
// middles between neighbours.
func TestHalves(t *testing.T) {
	for _, c := range []struct {
		name   string
		last   uint16 // the largest finite number
		widen  func(uint16) float32
		narrow func(float32) uint16
	}{{"float16", 0x7bff, float16, toFloat16}, {"bfloat16", 0x7f7f, bfloat16, toBFloat16}} {
		for h := uint16(0); h < c.last; h++ {
			x, y := c.widen(h), c.widen(h+1)
			middle := float32((float64(x) + float64(y)) / 2)
			even := h + h&1
			for _, p := range []struct {
				x    float32
				want uint16
			}{{x, h}, {middle, even}, {math.Nextafter32(middle, 0), h}, {math.Nextafter32(middle, y*2), h + 1}} {
				if p.x == 0 && h > 0 {
					continue // the middle of the smallest two is no float32
				}
				if got := c.narrow(p.x); got != p.want {
					t.Fatalf("%s of %g is %#04x, want %#04x", c.name, p.x, got, p.want)
				}
				if got := c.narrow(-p.x); got != p.want|0x8000 {
					t.Fatalf("%s of %g is %#04x, want %#04x", c.name, -p.x, got, p.want|0x8000)
				}
			}
		}
	}
}

// TestListConstants has the Constant nodes whose values are the attribute's own.
func TestListConstants(t *testing.T) {
	file := func(v ...float32) []byte {
		return modelBytes(in("x"), call("Constant", "", "w", attr("value_floats", kindFloats, fix32(attrFloats, v[0]), appendBytes(nil, attrFloats, floatBytes(v[1:]...)))),
			call("Constant", "", "f", attr("value_float", kindFloat, fix32(attrFloat, 0.5))), call("Constant", "", "n", attr("value_ints", kindInts, num(attrInts, -1), num(attrInts, 2))),
			call("Constant", "", "i", attr("value_int", kindInt, num(attrInt, 7))), call("Constant", "", "s", attr("value_strings", kindStrings, str(attrStrings, "a"), str(attrStrings, "bc"))),
			call("Constant", "", "e", attr("value_string", kindString, str(attrString, "d"))), call("Constant", "", "none", attr("value_floats", kindFloats)),
			call("Add", "x w", "a"), call("Mul", "a f", "b"), call("Reshape", "b n", "c"), call("Gather", "c i", "y"), out("y"), out("s"), out("e"), out("none"))
	}
	m := open(t, file(1, 2, 3))
	for _, c := range []struct{ name, text, action string }{
		{"w", "float32 [3] [1 2 3]", ActionGenerate}, {"f", "float32 [] [0.5]", ActionCopy}, {"n", "int64 [2] [-1 2]", ActionCopy}, {"i", "int64 [] [7]", ActionCopy},
	} {
		x := find(t, m, c.name)
		d, err := m.Dense(x)
		if err != nil {
			t.Fatal(err)
		}
		values := fmt.Sprint(d.Data())
		if got := fmt.Sprintf("%s %s [%s]", x.DType, shapeText(x.Shape), strings.Trim(values, "[]")); got != c.text || x.Action != c.action || x.Stored != StoredConstant {
			t.Errorf("%s is %s, %s, %s", c.name, got, x.Action, x.Stored)
		}
	}
	for _, c := range []struct {
		name string
		want string
	}{{"s", "\x01\x00\x00\x00\x00\x00\x00\x00a\x02\x00\x00\x00\x00\x00\x00\x00bc"}, {"e", "\x01\x00\x00\x00\x00\x00\x00\x00d"}, {"none", ""}} {
		var b bytes.Buffer
		if err := m.WriteTensor(&b, find(t, m, c.name)); err != nil || b.String() != c.want {
			t.Errorf("%s is %q: %v", c.name, b.String(), err)
		}
	}
	if got := written(t, m, given{{4, 5, 6}}, nil); !bytes.Equal(got, file(4, 5, 6)) {
		t.Errorf("%q, want %q", got, file(4, 5, 6))
	}
	if d := m.Difference(open(t, file(7, 8, 9))); d != "" {
		t.Errorf("other weights make another graph: %s", d)
	}
	list := modelBytes(in("x"), call("Constant", "", "w", attr("value_floats", kindFloats, appendBytes(nil, attrFloats, floatBytes(1, 2)))), call("Add", "x w", "y"), out("y"))
	tensor := modelBytes(in("x"), constant("w", 0, 2), call("Add", "x w", "y"), out("y"))
	if d := open(t, list).Difference(open(t, tensor)); d != "" {
		t.Errorf("a list and a tensor make different graphs: %s", d)
	}
}

// TestSparseConstant writes the values of a sparse constant, its indices kept.
func TestSparseConstant(t *testing.T) {
	file := func(index int64, v ...float32) []byte {
		s := sub(attrSparse, sub(sparseValues, tensorOf("", Float32, []int64{2}, packed(v...))), sub(sparseIndices, tensorOf("", Int64, []int64{2, 2}, num(tensorInt64Data, 0), num(tensorInt64Data, 1), num(tensorInt64Data, index), num(tensorInt64Data, 0))), num(sparseDims, 3), num(sparseDims, 4))
		return modelBytes(in("x"), call("Constant", "", "w", attr("sparse_value", 11, s)), call("MatMul", "x w", "y"), out("y"))
	}
	m := open(t, file(2, 1, 2))
	w := m.Weights()[0]
	if w.Name != "w" || shapeText(w.SparseShape()) != "[3,4]" || w.Stored != StoredConstant || w.Role != RoleWeight {
		t.Errorf("%+v", w)
	}
	if got := written(t, m, given{{5, 6}}, nil); !bytes.Equal(got, file(2, 5, 6)) {
		t.Errorf("%x", got)
	}
	if m.Difference(open(t, file(2, 7, 8))) != "" || !strings.Contains(m.Difference(open(t, file(1, 1, 2))), "values at") {
		t.Error("the graph depends on the values, or not on their places")
	}
}
