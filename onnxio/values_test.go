package onnxio

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestDense reads a tensor of every type in both forms that the format has.
func TestDense(t *testing.T) {
	entry := func(number uint64, values ...int64) []byte {
		var b []byte
		for _, v := range values {
			b = append(b, num(number, v)...)
		}
		return b
	}
	raw := func(b ...byte) []byte { return appendBytes(nil, tensorRawData, b) }
	for _, c := range []struct {
		name string
		d    DType
		n    int64
		data []byte
		want string // type and values; "" when it is refused
	}{
		{"float32", Float32, 2, packed(1.5, -2), "[]float32[1.5 -2]"},
		{"float64", Float64, 1, raw(0, 0, 0, 0, 0, 0, 0xf8, 0x3f), "[]float64[1.5]"},
		{"float64 in double_data", Float64, 1, appendBytes(nil, tensorDoubleData, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x3f}), "[]float64[1.5]"},
		{"float16", Float16, 8, raw(0, 0x3e, 0, 0xc0, 0, 0x80, 1, 0, 0xff, 3, 0, 4, 0xff, 0x7b, 0, 0xfc), "[]float32[1.5 -2 -0 5.9604645e-08 6.097555e-05 6.1035156e-05 65504 -Inf]"},
		{"float16 in int32_data", Float16, 2, entry(tensorInt32Data, 0x3e00, 0xc000), "[]float32[1.5 -2]"},
		{"bfloat16", BFloat16, 2, raw(0xc0, 0x3f, 0, 0xc0), "[]float32[1.5 -2]"},
		{"int64", Int64, 2, raw(append(int64Bytes(-1), int64Bytes(math.MaxInt64)...)...), "[]int64[-1 9223372036854775807]"},
		{"int64 in int64_data", Int64, 2, entry(tensorInt64Data, -1, math.MaxInt64), "[]int64[-1 9223372036854775807]"},
		{"int32", Int32, 1, raw(0xff, 0xff, 0xff, 0xff), "[]int32[-1]"},
		{"int32 in int32_data", Int32, 2, entry(tensorInt32Data, -1, 7), "[]int32[-1 7]"},
		{"int16 in int32_data", Int16, 1, entry(tensorInt32Data, -300), "[]int16[-300]"},
		{"int8 in int32_data", Int8, 2, entry(tensorInt32Data, -3, 3), "[]int8[-3 3]"},
		{"uint8", Uint8, 2, raw(3, 255), "[]uint8[3 255]"},
		{"uint16", Uint16, 1, raw(1, 2), "[]uint16[513]"},
		{"uint32 in uint64_data", Uint32, 1, entry(tensorUint64Data, 1<<32-1), "[]uint32[4294967295]"},
		{"uint64 in uint64_data", Uint64, 1, entry(tensorUint64Data, -1), "[]uint64[18446744073709551615]"},
		{"bool", Bool, 3, raw(0, 1, 1), "[]bool[false true true]"},
		{"bool in int32_data", Bool, 2, entry(tensorInt32Data, 0, 1), "[]bool[false true]"},
		{"string", String, 1, str(tensorStringData, "a"), ""},
		{"complex64", 14, 1, packed(1, 2), ""},
		{"complex128", 15, 1, raw(make([]byte, 16)...), ""},
		{"int4", 22, 3, raw(0x21, 0x03), ""},
		{"int4 in int32_data", 22, 3, entry(tensorInt32Data, 0x21, 3), ""},
		{"float8", 17, 1, raw(1), ""},
		{"no elements", Float32, 0, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := open(t, modelBytes(sub(graphInitializer, tensorOf("w", c.d, []int64{c.n}, c.data))))
			d, err := m.Dense(find(t, m, "w"))
			if c.want == "" {
				if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), `"w"`) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%T%v", d.Data(), d.Data()); got != c.want && !(c.n == 1 && "[]"+strings.Replace(fmt.Sprintf("%T[%v]", d.Data(), d.Data()), "[]", "", 1) == c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
			if d.Shape().TotalSize() != int(c.n) || len(d.Shape()) != 1 {
				t.Errorf("shape %v", d.Shape())
			}
		})
	}
}

func TestDenseShapes(t *testing.T) {
	for _, dims := range [][]int64{nil, {1}, {1, 1}, {3}, {2, 3}, {2, 1, 3}} {
		t.Run(fmt.Sprint(dims), func(t *testing.T) {
			m := open(t, modelBytes(weight("w", 1, dims...)))
			d, err := m.Dense(find(t, m, "w"))
			if err != nil {
				t.Fatal(err)
			}
			if len(d.Shape()) != len(dims) || d.Shape().TotalSize() != product(dims) {
				t.Errorf("shape %v", d.Shape())
			}
			for i := range d.Shape() {
				if int64(d.Shape()[i]) != dims[i] {
					t.Errorf("shape %v", d.Shape())
				}
			}
		})
	}
}

func TestSparseIsRead(t *testing.T) {
	sparse := func(index int64) []byte {
		return modelBytes(in("x"), out("y"), call("MatMul", "x s", "y"), sub(graphSparse, sub(sparseValues, tensorOf("s", Float32, []int64{1}, packed(1))),
			sub(sparseIndices, tensorOf("", Int64, []int64{1}, num(tensorInt64Data, index))), num(sparseDims, 2), num(sparseDims, 2)))
	}
	m := open(t, sparse(3))
	s := find(t, m, "s")
	if s.Stored != StoredSparse || shapeText(s.Shape) != "[1]" || shapeText(s.SparseShape()) != "[2,2]" || s.Elements != 1 || s.DType != Float32 {
		t.Errorf("%s %s %s of %s", s.Stored, s.DType, shapeText(s.Shape), shapeText(s.SparseShape()))
	}
	if d, err := m.Dense(s); err != nil || fmt.Sprint(d.Data()) != "[1]" {
		t.Errorf("values %v: %v", d, err)
	}
	places := m.Tensors()[1]
	if d, err := m.Dense(places); err != nil || fmt.Sprint(d.Data()) != "[3]" || places.Reason != "it says where the values of a sparse tensor are" {
		t.Errorf("indices %v, copied because %q: %v", d, places.Reason, err)
	}
	if m.Difference(open(t, sparse(2))) == "" {
		t.Error("a value in another place makes no difference")
	}
}

func TestReadValuesBounds(t *testing.T) {
	m := open(t, modelBytes(in("x"), out("y"), call("Add", "x w", "y"), weight("w", 0, 5)))
	for _, c := range []struct {
		name      string
		i, n, off int
		want      string
	}{
		{"weight -1", -1, 1, 0, "no such weight"},
		{"weight 1", 1, 1, 0, "no such weight"},
		{"offset -1", 0, 1, -1, "no such elements"},
		{"one too many", 0, 6, 0, "expected 0 to 4, found 0 to 5"},
		{"past the end", 0, 1, 5, "no such elements"},
		{"far past the end", 0, 0, math.MaxInt, "no such elements"},
		{"all", 0, 5, 0, ""},
		{"none at the end", 0, 0, 5, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := m.ReadValues(c.i, make([]float32, c.n), c.off)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestInfo(t *testing.T) {
	symbolic := sub(graphInput, str(portName, "s"), sub(portType, sub(typeTensor, num(tensorTypeElement, int64(Int64)),
		sub(tensorTypeShape, sub(shapeDim, str(dimParam, "batch")), sub(shapeDim, num(dimValue, 3))))))
	sequence := sub(graphInput, str(portName, "q"), sub(portType, sub(typeSequence, sub(1, sub(typeTensor, num(tensorTypeElement, 1))))))
	mapping := sub(graphInput, str(portName, "m"), sub(portType, sub(typeMap, num(1, int64(Int64)), sub(2, sub(typeTensor, num(tensorTypeElement, 1))))))
	untyped := sub(graphInput, str(portName, "u"))
	m := open(t, join(modelBytes(in("x", -1, 4), symbolic, sequence, mapping, untyped, in("w", 4), weight("w", 0, 4), call("Add", "x w", "y"), out("y", -1, 4)),
		str(modelProducerVersion, "2.1"), opset("com.example", 3)))
	info := m.Info()
	if info.IRVersion != 8 || info.ProducerName != "test" || info.ProducerVersion != "2.1" || info.Nodes != 1 || info.Bytes != m.size {
		t.Errorf("%+v", info)
	}
	if got := fmt.Sprint(info.Opsets); got != "[{ 17} {com.example 3}]" {
		t.Errorf("operator sets %s", got)
	}
	want := `[{x float32 [-1 4] [ ] float32 [?,4]} {s int64 [-1 3] [batch ] int64 [?,3]} {q undefined [] [] sequence of float32 of any shape} ` +
		`{m undefined [] [] map of int64 to float32 of any shape} {u undefined [] [] undeclared}]`
	if got := fmt.Sprint(info.Inputs); got != want {
		t.Errorf("inputs\n%s, want\n%s", got, want)
	}
	if got := fmt.Sprint(info.Outputs); got != "[{y float32 [-1 4] [ ] float32 [?,4]}]" {
		t.Errorf("outputs %s", got)
	}
	if got := fmt.Sprint(m.Operators()); got != "[{Add [x w] [y]}]" {
		t.Errorf("operators %s", got)
	}
}
