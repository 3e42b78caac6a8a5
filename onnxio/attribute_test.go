package onnxio

import (
	"math"
	"strings"
	"testing"
)

// TestAttributeValues compares attributes through Difference: each pair is one
// value written in two ways, or two values.
func TestAttributeValues(t *testing.T) {
	floats := func(v ...float32) []byte { return appendBytes(nil, attrFloats, floatBytes(v...)) }
	long := strings.Repeat("k", 1000)
	for _, c := range []struct {
		name string
		a, b []byte
		want string // "" when the values are equal
	}{
		{"zero left out", attr("k", kindInt, num(attrInt, 0)), attr("k", kindInt), ""},
		{"float zero left out", attr("k", kindFloat, fix32(attrFloat, 0)), attr("k", kindFloat), ""},
		{"empty string left out", attr("k", kindString, str(attrString, "")), attr("k", kindString), ""},
		{"empty list", attr("k", kindInts), attr("k", kindInts, appendBytes(nil, attrInts, []byte{})), ""},
		{"packed integers", attr("k", kindInts, num(attrInts, 1), num(attrInts, 300)), attr("k", kindInts, appendBytes(nil, attrInts, []byte{1, 0xac, 2})), ""},
		{"packed floats", attr("k", kindFloats, fix32(attrFloats, 1), fix32(attrFloats, 2)), attr("k", kindFloats, floats(1, 2)), ""},
		{"name after the value", attr("k", kindInt, num(attrInt, 3)), sub(nodeAttribute, num(attrInt, 3), num(attrKind, kindInt), str(attrName, "k")), ""},
		{"type left out", attr("k", kindInt, num(attrInt, 3)), sub(nodeAttribute, str(attrName, "k"), num(attrInt, 3)), ""},
		{"NaN is itself", attr("k", kindFloat, fix32(attrFloat, float32(math.NaN()))), attr("k", kindFloat, fix32(attrFloat, float32(math.NaN()))), ""},
		{"integers", attr("k", kindInt, num(attrInt, -1)), attr("k", kindInt, num(attrInt, 1)), "has attribute k -1, the other 1"},
		{"signs of zero", attr("k", kindFloat, fix32(attrFloat, 0)), attr("k", kindFloat, fix32(attrFloat, float32(math.Copysign(0, -1)))), "has attribute k 0, the other -0"},
		{"floats", attr("k", kindFloats, floats(1, 2)), attr("k", kindFloats, floats(1, 2.0000002)), "[1,2], the other [1,2.0000002]"},
		{"strings", attr("k", kindString, str(attrString, "SAME_UPPER")), attr("k", kindString, str(attrString, "VALID")), `"SAME_UPPER", the other "VALID"`},
		{"lists of strings", attr("k", kindStrings, str(attrStrings, "a"), str(attrStrings, "b")), attr("k", kindStrings, str(attrStrings, "a,b")), `["a","b"], the other ["a,b"]`},
		{"long strings", attr("k", kindString, str(attrString, long)), attr("k", kindString, str(attrString, long+"k")), "1000 bytes, sha256"},
		{"names", attr("k", kindInt, num(attrInt, 1)), attr("l", kindInt, num(attrInt, 1)), "node 0: Op has attribute k 1, the other's does not"},
		{"tensors", attr("k", kindTensor, sub(attrTensor, tensorOf("", Float32, []int64{1}, packed(1)))), attr("k", kindTensor, sub(attrTensor, tensorOf("", Float32, []int64{1}, packed(2)))), "float32 [1] [1], the other float32 [1] [2]"},
		{"number of tensors", attr("k", 9, sub(attrTensors, tensorOf("", Float32, nil, packed(1)))), attr("k", 9, sub(attrTensors, tensorOf("", Float32, nil, packed(1))), sub(attrTensors, tensorOf("", Float32, nil, packed(1)))), "where the other's"},
		{"types", attr("k", 13, sub(attrType, sub(typeTensor, num(tensorTypeElement, 1)))), attr("k", 13, sub(attrType, sub(typeSequence, sub(1, sub(typeTensor, num(tensorTypeElement, 1)))))), "float32 of any shape], the other [sequence of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			model := func(a []byte) *Model { return open(t, modelBytes(in("x"), call("Op", "x", "y", a), out("y"))) }
			a, b := model(c.a), model(c.b)
			got := a.Difference(b)
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("difference %q, want %q", got, c.want)
			}
			if (got == "") != (a.Signature() == b.Signature()) {
				t.Errorf("difference %q and signatures %s, %s", got, a.Signature(), b.Signature())
			}
		})
	}
}

func TestBrokenAttributes(t *testing.T) {
	for _, c := range []struct {
		name, want string
		attr       []byte
	}{
		{"float as a number", "field f has the wrong", attr("k", 1, num(attrFloat, 1))},
		{"integer as a float", "field i has the wrong", attr("k", 2, fix32(attrInt, 1))},
		{"string as a number", "field s has the wrong", attr("k", 3, num(attrString, 1))},
		{"floats as numbers", "field floats has the wrong", attr("k", 6, num(attrFloats, 1))},
		{"floats cut off", "fixed-width value is cut off", attr("k", 6, appendBytes(nil, attrFloats, []byte{1, 2, 3}))},
		{"graph as a number", "field g has the wrong", attr("k", 5, num(attrGraph, 1))},
		{"two graphs", "a second graph in one attribute", attr("k", 5, sub(attrGraph), sub(attrGraph))},
		{"a broken tensor inside", `attribute "k" of node 0 (Op)`, attr("k", 4, sub(attrTensor, tensorOf("t", Float32, []int64{3}, packed(1))))},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := modelBytes(in("x"), call("Op", "x", "y", c.attr), out("y"))
			_, err := Parse("bad.onnx", strings.NewReader(string(data)), int64(len(data)))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "node 0 (Op)") {
				t.Errorf("error %v, want %q about node 0 (Op)", err, c.want)
			}
		})
	}
}
