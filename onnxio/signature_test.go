package onnxio

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// base is the model that TestSignature varies.
func base() [][]byte {
	return [][]byte{
		in("x", -1, 4), out("y", -1, 2),
		weight("w", 0, 4, 4), weight("b", 0, 4), ints("shape", 1, -1),
		call("Gemm", "x w b", "g", attr("transB", kindInt, num(attrInt, 1)), attr("alpha", kindFloat, fix32(attrFloat, 0.5))),
		call("Reshape", "g shape", "r"), call("Relu", "r", "a"), call("Neg", "r", "n"), call("Add", "a n", "y"),
	}
}

// with is base with part i replaced.
func with(i int, part ...[]byte) [][]byte {
	parts := base()
	parts[i] = join(part...)
	return parts
}

func TestSignature(t *testing.T) {
	gemm := func(inputs string, attrs ...[]byte) [][]byte { return with(5, call("Gemm", inputs, "g", attrs...)) }
	transB, alpha := attr("transB", kindInt, num(attrInt, 1)), attr("alpha", kindFloat, fix32(attrFloat, 0.5))
	reordered := base()
	reordered[5], reordered[9] = reordered[9], reordered[5]
	for _, c := range []struct {
		name  string
		model []byte
		want  string // the difference from base, "" for the same graph
	}{
		{"itself", modelBytes(base()...), ""},
		{"other values of weights", modelBytes(with(2, weight("w", 9, 4, 4))...), ""},
		{"other names", modelBytes(in("image", -1, 4), out("logits", -1, 2), weight("0.weight", 0, 4, 4), weight("0.bias", 0, 4), ints("s", 1, -1),
			call("Gemm", "image 0.weight 0.bias", "h", str(nodeName, "fc"), transB, alpha), call("Reshape", "h s", "h2"), call("Relu", "h2", "p"), call("Neg", "h2", "q"), call("Add", "p q", "logits")), ""},
		{"documentation", modelBytes(append(base(), str(10, "a graph"), str(2, "main"))...), ""},
		{"producer and metadata", join(num(modelIRVersion, 9), str(modelProducerName, "other"), sub(modelGraph, base()...), opset("ai.onnx", 17), metadata("k", "v")), ""},
		{"nodes in another order", modelBytes(reordered...), ""},
		{"attributes in another order", modelBytes(gemm("x w b", alpha, transB)...), ""},
		{"weights in another form", modelBytes(with(3, sub(graphInitializer, tensorOf("b", Float32, []int64{4}, unpacked(5, 6, 7, 8))))...), ""},
		{"a weight in a Constant node", modelBytes(with(3, constant("b", 0, 4))...), ""},
		{"constants in another form", modelBytes(with(4, sub(graphInitializer, tensorOf("shape", Int64, []int64{2}, num(tensorInt64Data, 1), num(tensorInt64Data, -1))))...), ""},
		{"a weight listed as an input", modelBytes(append(base(), in("w", 4, 4))...), ""},
		{"an unused tensor", modelBytes(append(base(), weight("more", 0, 7))...), ""},
		{"an attribute that says its default", modelBytes(gemm("x w b", transB, alpha, attr("beta", kindFloat, fix32(attrFloat, 1)), attr("transA", kindInt, num(attrInt, 0)))...), ""},
		{"an operator set that nothing uses", join(modelBytes(base()...), opset("com.example", 3)), ""},
		{"a local function that nothing calls", join(modelBytes(base()...), functionOf("F", "a", "r", constant("k", 0, 2), call("Add", "a k", "r"))), ""},
		{"a dimension with a name", modelBytes(with(0, sub(graphInput, str(portName, "x"), sub(portType, sub(typeTensor, num(tensorTypeElement, 1), sub(tensorTypeShape, sub(shapeDim, str(dimParam, "batch")), sub(shapeDim, num(dimValue, 4)))))))...), ""},

		{"weight shape", modelBytes(with(2, weight("w", 0, 8, 4))...), "node 0: Gemm has weight shape [4,4], the other [8,4]"},
		{"bias shape", modelBytes(with(3, weight("b", 0, 4, 1))...), "node 0: Gemm has bias shape [4], the other [4,1]"},
		{"operator", modelBytes(with(7, call("Tanh", "r", "a"))...), "node 2 is Relu, the other Tanh"},
		{"domain", modelBytes(with(7, call("Relu", "r", "a", str(nodeDomain, "d")))...), "node 2 is Relu, the other d.Relu"},
		{"wiring", modelBytes(with(9, call("Add", "n a", "y"))...), "node 2 is Relu, the other Neg"},
		{"wiring of one input", modelBytes(with(8, call("Neg", "g", "n"))...), "node 3: Neg has as input 0 output 0 of node 1, the other output 0 of node 0"},
		{"an input more", modelBytes(append(with(7, call("Relu", "r z", "a")), in("z"))...), "the other"},
		{"an input less", modelBytes(gemm("x w", transB, alpha)...), "node 0: Gemm has inputs 3, the other 2"},
		{"attribute value", modelBytes(gemm("x w b", attr("transB", kindInt, num(attrInt, 0)), alpha)...), "node 0: Gemm has attribute transB 1, the other's does not"},
		{"float attribute by one bit", modelBytes(gemm("x w b", transB, attr("alpha", kindFloat, fix32(attrFloat, 0.50000006)))...), "node 0: Gemm has attribute alpha 0.5, the other 0.50000006"},
		{"an attribute more", modelBytes(gemm("x w b", transB, alpha, attr("beta", kindFloat, fix32(attrFloat, 2)))...), "node 0: Gemm does not have attribute beta, the other's has attribute beta 2"},
		{"attribute missing", modelBytes(gemm("x w b", alpha)...), "node 0: Gemm has attribute transB 1, the other's does not"},
		{"constant value", modelBytes(with(4, ints("shape", -1, 1))...), "node 1: Reshape has at input 1 the constant [1,-1], the other [-1,1]"},
		{"constant type", modelBytes(with(4, sub(graphInitializer, tensorOf("shape", Int32, []int64{2}, num(tensorInt32Data, 1), num(tensorInt32Data, -1))))...), "node 1: Reshape has as input 1 a constant int64, the other a constant int32"},
		{"weight type", modelBytes(with(3, sub(graphInitializer, tensorOf("b", Float64, []int64{4}, appendBytes(nil, tensorRawData, make([]byte, 32)))))...), "node 0: Gemm has at input 2 weight 1 (float32 bias), the other weight 1 (float64 bias)"},
		{"weight that is an input", modelBytes(with(3, in("b", 4))...), "input 1 is float32 [4]"},
		{"input shape", modelBytes(with(0, in("x", -1, 5))...), "input 0 is float32 [?,4], the other float32 [?,5]"},
		{"output shape", modelBytes(with(1, out("y", -1, 3))...), "output 0 is float32 [?,2], the other float32 [?,3]"},
		{"an output more", modelBytes(append(base(), out("a"))...), "where the other's output 1"},
		{"a node more", modelBytes(append(base(), call("Abs", "y", "z"))...), "where the other's node 5 is Abs"},
		{"operator set", join(num(modelIRVersion, 8), sub(modelGraph, base()...), opset("", 18)), "the model uses operator sets ai.onnx 17, the other ai.onnx 18"},
		{"a shared weight", modelBytes(append(with(8, call("Mul", "r b", "n")), call("Neg", "y", "q"))...), "node 3 is Neg, the other Mul"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := open(t, modelBytes(base()...)), open(t, c.model)
			got := a.Difference(b)
			if c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("difference %q, want %q", got, c.want)
			}
			if (got == "") != (a.Signature() == b.Signature()) || (got == "") != (b.Difference(a) == "") {
				t.Errorf("difference %q, the other way %q, equal signatures %v", got, b.Difference(a), a.Signature() == b.Signature())
			}
			if got == "" && len(a.Weights()) != len(b.Weights()) {
				t.Errorf("the same graph has %d and %d weights", len(a.Weights()), len(b.Weights()))
			}
		})
	}
}

// TestSignatureInside varies what lies below the main graph.
func TestSignatureInside(t *testing.T) {
	model := func(inner string, start float32, list ...int64) []byte {
		var ints []byte
		for _, v := range list {
			ints = append(ints, num(attrInts, v)...)
		}
		then := branch("then_branch", weight("w", start, 2), call("Add", "x w", "s"), call(inner, "s", "r"), out("r"))
		fn := sub(modelFunctions, str(functionName, "F"), str(functionDomain, "d"), str(functionInput, "a"), str(functionOutput, "b"), str(functionAttribute, "k"),
			sub(functionNode, str(nodeInput, "a"), str(nodeOutput, "b"), str(nodeOpType, inner), sub(nodeAttribute, str(attrName, "axis"), str(attrReference, "k"))))
		return join(modelBytes(in("x"), in("c"), call("If", "c", "y", then), call("F", "y", "z", str(nodeDomain, "d")), call("Op", "z", "q", attr("list", kindInts, ints)), out("q")), fn)
	}
	long := make([]int64, 100)
	longer := append(append([]int64(nil), long...), 0)
	for _, c := range []struct {
		name  string
		other []byte
		want  string
	}{
		{"the same", model("Relu", 0, 1), ""},
		{"operator in a branch", model("Tanh", 0, 1), "node 0, then_branch 0, node 1 is Relu, the other Tanh"},
		{"weight in a branch", model("Relu", 1, 1), ""},
		{"list", model("Relu", 0, 1, 2), "node 2: Op has attribute list [1], the other [1,2]"},
		{"long list", model("Relu", 0, long...), "[100 entries, sha256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := open(t, model("Relu", 0, 1)), open(t, c.other)
			if got := a.Difference(b); c.want == "" && got != "" || !strings.Contains(got, c.want) {
				t.Errorf("difference %q, want %q", got, c.want)
			}
		})
	}
	if open(t, model("Relu", 0, long...)).Difference(open(t, model("Relu", 0, longer...))) == "" {
		t.Error("long lists of other lengths are taken for equal")
	}
}

// TestSignatureUnreadable has a file that fails under the signature: it must
// not look like any other model.
func TestSignatureUnreadable(t *testing.T) {
	data := modelBytes(base()...)
	src := &breaking{Reader: bytes.NewReader(data)}
	m, err := Parse("broken.onnx", src, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	src.broken = true
	if got := m.Signature(); !strings.Contains(got, "unreadable") || !strings.Contains(got, "disk on fire") {
		t.Errorf("signature %q", got)
	}
	if got := m.Difference(open(t, data)); !strings.Contains(got, "disk on fire") {
		t.Errorf("difference %q", got)
	}
	if got := open(t, data).Difference(m); !strings.Contains(got, "disk on fire") {
		t.Errorf("difference the other way %q", got)
	}
	if err := WriteTo(io.Discard, m, m, nil); !errors.Is(err, errFire) {
		t.Errorf("writing: %v", err)
	}
	if _, _, err := m.WithWeightsAsInputs(); !errors.Is(err, errFire) {
		t.Errorf("weights as inputs: %v", err)
	}
}

var errFire = errors.New("disk on fire")

type breaking struct {
	*bytes.Reader
	broken bool
}

func (b *breaking) ReadAt(p []byte, off int64) (int, error) {
	if b.broken {
		return 0, errFire
	}
	return b.Reader.ReadAt(p, off)
}
