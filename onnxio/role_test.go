package onnxio

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// TestRoles has the role of a stored float32 tensor for every slot that is
// told apart, and what happens to it.
func TestRoles(t *testing.T) {
	for _, c := range []struct {
		op, inputs string // "w" is the tensor
		slot       int
		role       Role // "" when it is copied
	}{
		{"Conv", "x w", 1, RoleWeight},
		{"Conv", "x v w", 2, RoleBias},
		{"Conv", "w v", 0, ""},
		{"ConvTranspose", "x w", 1, RoleWeight},
		{"ConvTranspose", "x v w", 2, RoleBias},
		{"DeformConv", "x w v v v", 1, RoleWeight},
		{"DeformConv", "x v w v v", 2, ""},
		{"DeformConv", "x v v w v", 3, RoleBias},
		{"Gemm", "w x", 0, RoleWeight},
		{"Gemm", "x w", 1, RoleWeight},
		{"Gemm", "x v w", 2, RoleBias},
		{"MatMul", "w x", 0, RoleWeight},
		{"MatMul", "x w", 1, RoleWeight},
		{"BatchNormalization", "x w v v v", 1, RoleScale},
		{"BatchNormalization", "x v w v v", 2, RoleBias},
		{"BatchNormalization", "x v v w v", 3, RoleMean},
		{"BatchNormalization", "x v v v w", 4, RoleVariance},
		{"InstanceNormalization", "x w v", 1, RoleScale},
		{"InstanceNormalization", "x v w", 2, RoleBias},
		{"LayerNormalization", "x w", 1, RoleScale},
		{"LayerNormalization", "x v w", 2, RoleBias},
		{"GroupNormalization", "x w v", 1, RoleScale},
		{"GroupNormalization", "x v w", 2, RoleBias},
		{"RMSNormalization", "x w", 1, RoleScale},
		{"PRelu", "x w", 1, RoleSlope},
		{"Gather", "w i", 0, RoleEmbedding},
		{"Gather", "x w", 1, ""},
		{"LSTM", "x w v", 1, RoleWeight},
		{"LSTM", "x v w", 2, RoleRecurrent},
		{"LSTM", "x v v w", 3, RoleBias},
		{"LSTM", "x v v v - w", 5, ""},
		{"LSTM", "x v v v - - - w", 7, RoleRecurrent},
		{"GRU", "x w v", 1, RoleWeight},
		{"GRU", "x v w", 2, RoleRecurrent},
		{"GRU", "x v v w", 3, RoleBias},
		{"RNN", "x w v", 1, RoleWeight},
		{"RNN", "x v w", 2, RoleRecurrent},
		{"RNN", "x v v w", 3, RoleBias},
		{"Add", "x w", 1, RoleBias},
		{"Add", "w x", 0, RoleBias},
		{"Sub", "x w", 1, RoleBias},
		{"Mul", "x w", 1, RoleScale},
		{"Div", "w x", 0, RoleScale},
		{"Concat", "x w", 1, RoleTable},
		{"Einsum", "x w", 1, RoleWeight},
		{"CausalConvWithState", "x w v", 1, RoleWeight},
		{"CausalConvWithState", "x v w", 2, RoleBias},
		{"CausalConvWithState", "x v - w", 3, ""},
		{"Conv", "x v v w", 3, ""},
		{"Gemm", "x v - w", 3, ""},
		{"LayerNormalization", "w v v", 0, ""},
		{"SimplifiedLayerNormalization", "x w", 1, RoleScale},
		{"GatherND", "w i", 0, RoleEmbedding},
		{"GatherElements", "w i", 0, RoleEmbedding},
		{"GRU", "x v v v - w", 5, ""},
		{"Attention", "w x x", 0, RoleTable},
		{"Attention", "x w x", 1, RoleTable},
		{"Attention", "x x w", 2, RoleTable},
		{"Attention", "x x x w", 3, ""},
		{"Sum", "x x w", 2, RoleBias},
		{"Sub", "w x", 0, RoleBias},
		{"Mul", "w x", 0, RoleScale},
		{"Div", "x w", 1, RoleScale},
		{"Max", "x w", 1, ""},
		{"Resize", "x - w", 2, ""},
		{"Resize", "x w v", 1, ""},
		{"Pad", "x v w", 2, ""},
		{"RotaryEmbedding", "x w v", 1, ""},
		{"NegativeLogLikelihoodLoss", "x v w", 2, ""},
		{"com.microsoft.Attention", "x w v", 1, RoleWeight},
		{"com.microsoft.Attention", "x v w", 2, RoleBias},
		{"com.microsoft.PackedAttention", "x w v", 1, RoleWeight},
		{"com.microsoft.LongformerAttention", "x v v v w", 4, RoleWeight},
		{"com.microsoft.DecoderAttention", "x x v w", 3, RoleWeight},
		{"com.microsoft.MultiHeadAttention", "x x x w", 3, RoleBias},
		{"com.microsoft.EmbedLayerNormalization", "i i w v v v v", 2, RoleEmbedding},
		{"com.microsoft.EmbedLayerNormalization", "i i v v v w v", 5, RoleScale},
		{"com.microsoft.SkipLayerNormalization", "x x w v v", 2, RoleScale},
		{"com.microsoft.SkipLayerNormalization", "x x v v w", 4, RoleBias},
		{"com.microsoft.SkipSimplifiedLayerNormalization", "x x w", 2, RoleScale},
		{"com.microsoft.GroupNorm", "x w v", 1, RoleScale},
		{"com.microsoft.FusedConv", "x w v", 1, RoleWeight},
		{"com.microsoft.FusedConv", "x v w", 2, RoleBias},
		{"com.microsoft.FusedConv", "x v v w", 3, ""},
		{"com.microsoft.NhwcConv", "x w", 1, RoleWeight},
		{"com.microsoft.FusedGemm", "x w v", 1, RoleWeight},
		{"com.microsoft.FusedMatMul", "x w", 1, RoleWeight},
		{"com.microsoft.BiasGelu", "x w", 1, RoleBias},
		{"com.microsoft.MoE", "x v w", 2, RoleWeight},
		{"com.microsoft.MatMulNBits", "x v w", 2, ""},
		{"com.microsoft.QAttention", "x v w", 2, ""},
		{"com.microsoft.Unknown", "x w", 1, ""},
		{"QLinearMatMul", "x w v v v v v v", 1, ""},
		{"ConvInteger", "x v v w", 3, ""},
		{"Clip", "x w", 1, ""},
		{"Pow", "x w", 1, ""},
		{"Where", "x w x", 1, ""},
		{"QuantizeLinear", "x w", 1, ""},
		{"DequantizeLinear", "x w", 1, ""},
		{"QLinearConv", "x w v v v v v v", 1, ""},
		{"Shape", "w", 0, ""},
	} {
		t.Run(fmt.Sprintf("%s slot %d", c.op, c.slot), func(t *testing.T) {
			domain, op := "", c.op
			if i := strings.LastIndex(op, "."); i > 0 {
				domain, op = op[:i], op[i+1:]
			}
			m := open(t, modelBytes(in("x"), in("v"), in("i"), call(op, c.inputs, "y", str(nodeDomain, domain)), weight("w", 0, 4, 3), out("y")))
			w := find(t, m, "w")
			if w.Op != op || w.Slot != c.slot {
				t.Errorf("used by input %d of %s", w.Slot, w.Op)
			}
			if c.role != "" {
				if w.Role != c.role || w.Action != ActionGenerate || w.Reason != "" || weightNames(m) != "w" {
					t.Errorf("role %q, %s because %q, weights %q", w.Role, w.Action, w.Reason, weightNames(m))
				}
			} else if w.Role != RoleConstant || w.Action != ActionCopy || w.Reason == "" || weightNames(m) != "" {
				t.Errorf("role %q, %s because %q, weights %q", w.Role, w.Action, w.Reason, weightNames(m))
			}
		})
	}
}

// branch is an attribute of If with a graph.
func branch(name string, parts ...[]byte) []byte {
	return attr(name, kindGraph, sub(attrGraph, parts...))
}

// TestDecisions has the graphs in which more than one slot counts.
func TestDecisions(t *testing.T) {
	float16s := sub(graphInitializer, tensorOf("w", Float16, []int64{2, 2}, appendBytes(nil, tensorRawData, make([]byte, 8))))
	sparse := sub(graphSparse, sub(sparseValues, tensorOf("w", Float32, []int64{2}, packed(1, 2))),
		sub(sparseIndices, tensorOf("", Int64, []int64{2}, num(tensorInt64Data, 2), num(tensorInt64Data, 3))), num(sparseDims, 2), num(sparseDims, 2))
	for _, c := range []struct {
		name   string
		graph  [][]byte
		role   Role // what is expected of tensor "w"
		action string
		reason string // a part of it
		op     string
		slot   int
	}{
		{"through Transpose", [][]byte{weight("w", 0, 2, 3), call("Transpose", "w", "t"), call("MatMul", "x t", "y")}, RoleWeight, ActionGenerate, "", "MatMul", 1},
		{"through four operators", [][]byte{weight("w", 0, 2, 3), ints("s", 3, 2), call("Identity", "w", "a"), call("Cast", "a", "b"), call("Reshape", "b s", "c"), call("Unsqueeze", "c", "d"), call("Conv", "x v d", "y")}, RoleBias, ActionGenerate, "", "Conv", 2},
		{"through Reshape to nothing", [][]byte{weight("w", 0, 2, 3), ints("s", 3, 2), call("Reshape", "w s", "y")}, RoleConstant, ActionCopy, "nothing in the graph uses it", "", -1},
		{"as the shape of Reshape", [][]byte{weight("w", 0, 2), call("Cast", "w", "s"), call("Reshape", "x s", "y")}, RoleConstant, ActionCopy, "input 1 of Reshape is not a weight", "Reshape", 1},
		{"two weight slots, the first wins", [][]byte{weight("w", 0, 2, 2), call("Mul", "x w", "a"), call("MatMul", "a w", "y")}, RoleScale, ActionGenerate, "", "Mul", 1},
		{"two weight slots, first in the graph and not in the file", [][]byte{weight("w", 0, 2, 2), call("MatMul", "a w", "y"), call("Mul", "x w", "a")}, RoleScale, ActionGenerate, "", "Mul", 1},
		{"Shape beside a weight slot", [][]byte{weight("w", 0, 2, 2), call("Shape", "w", "s"), call("MatMul", "x w", "a"), call("Reshape", "a s", "y")}, RoleWeight, ActionGenerate, "", "MatMul", 1},
		{"a norm beside a weight slot", [][]byte{weight("w", 0, 2, 2), call("ReduceL2", "w", "n"), call("MatMul", "x w", "a"), call("Div", "a n", "y")}, RoleWeight, ActionGenerate, "", "MatMul", 1},
		{"quantized beside a weight slot", [][]byte{weight("w", 0, 2, 2), call("MatMul", "x w", "a"), call("QuantizeLinear", "a w", "y")}, RoleConstant, ActionCopy, "input 1 of QuantizeLinear scales the integers of another tensor", "MatMul", 1},
		{"scale factors of a Resize", [][]byte{weight("w", 0, 2), call("Concat", "w v", "s"), call("Resize", "x - s", "y")}, RoleConstant, ActionCopy, "part of an encoding or a resizing", "Concat", 0},
		{"one element", [][]byte{weight("w", 0, 1), call("Conv", "x v w", "y")}, RoleBias, ActionCopy, "one element", "Conv", 2},
		{"no elements", [][]byte{weight("w", 0, 0), call("Add", "x w", "y")}, RoleBias, ActionCopy, "0 elements", "Add", 1},
		{"two elements", [][]byte{weight("w", 0, 2), call("Conv", "x v w", "y")}, RoleBias, ActionGenerate, "", "Conv", 2},
		{"integers", [][]byte{ints("w", 1, 2, 3), call("Add", "x w", "y")}, RoleConstant, ActionCopy, "int64 is not a type that weights have", "Add", 1},
		{"half precision", [][]byte{float16s, call("MatMul", "x w", "y")}, RoleWeight, ActionGenerate, "", "MatMul", 1},
		{"sparse", [][]byte{sparse, call("MatMul", "x w", "y")}, RoleWeight, ActionGenerate, "", "MatMul", 1},
		{"unused", [][]byte{weight("w", 0, 2), call("Relu", "x", "y")}, RoleConstant, ActionCopy, "nothing in the graph uses it", "", -1},
		{"only an output", [][]byte{weight("w", 0, 2), out("w"), call("Relu", "x", "y")}, RoleConstant, ActionCopy, "only an output", "", -1},
		{"an output and a weight", [][]byte{weight("w", 0, 2), out("w"), call("Add", "x w", "y")}, RoleBias, ActionGenerate, "", "Add", 1},
		{"Constant node", [][]byte{constant("w", 0, 2), call("Add", "x w", "y")}, RoleBias, ActionGenerate, "", "Add", 1},
		{"an operator of another domain", [][]byte{weight("w", 0, 2, 2), call("MatMul", "x w", "y", str(nodeDomain, "com.example"))}, RoleConstant, ActionCopy, "input 1 of com.example.MatMul is not a weight", "MatMul", 1},
		{"the long name of the standard domain", [][]byte{weight("w", 0, 2, 2), call("MatMul", "x w", "y", str(nodeDomain, "ai.onnx"))}, RoleWeight, ActionGenerate, "", "MatMul", 1},
		{"stored in a branch", [][]byte{call("If", "v", "y", branch("then_branch", weight("w", 0, 2, 2), call("MatMul", "x w", "r"), out("r")))}, RoleWeight, ActionGenerate, "", "MatMul", 1},
		{"used in a branch", [][]byte{weight("w", 0, 2, 2), call("If", "v", "y", branch("then_branch", call("MatMul", "x w", "r"), out("r")))}, RoleWeight, ActionGenerate, "", "MatMul", 1},
		{"hidden by a branch's own value", [][]byte{weight("w", 0, 2, 2), call("If", "v", "y", branch("then_branch", call("Relu", "x", "w"), call("MatMul", "x w", "r"), out("r")))}, RoleConstant, ActionCopy, "nothing in the graph uses it", "", -1},
		{"attribute of an operator", [][]byte{call("Custom", "x", "y", attr("value", kindTensor, sub(attrTensor, tensorOf("w", Float32, []int64{2}, packed(1, 2)))))}, RoleConstant, ActionCopy, `attribute "value" of node 0 (Custom)`, "", -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := open(t, modelBytes(append([][]byte{in("x"), in("v"), out("y")}, c.graph...)...))
			w := find(t, m, "w")
			if w.Role != c.role || w.Action != c.action || !strings.Contains(w.Reason, c.reason) || w.Op != c.op || w.Slot != c.slot {
				t.Errorf("role %q, %s because %q, input %d of %q", w.Role, w.Action, w.Reason, w.Slot, w.Op)
			}
			if (c.action == ActionGenerate) != (w.Reason == "") || (c.action == ActionGenerate) != (len(m.Weights()) == 1) {
				t.Errorf("%s, reason %q, %d weights", w.Action, w.Reason, len(m.Weights()))
			}
		})
	}
}

// functionOf is a local function of domain "d" with the given nodes.
func functionOf(name, inputs, output string, nodes ...[]byte) []byte {
	parts := [][]byte{str(functionName, name), str(functionDomain, "d"), str(functionOutput, output)}
	for _, s := range strings.Fields(inputs) {
		parts = append(parts, str(functionInput, s))
	}
	for _, n := range nodes { // a node of a function is that of a graph, in another field
		parts = append(parts, sub(functionNode, n[len(n)-bodySize(n):]))
	}
	return sub(modelFunctions, parts...)
}

// bodySize is the length of the message in a field of bytes.
func bodySize(f []byte) int {
	c := cursor{newWindow(strings.NewReader(string(f)), int64(len(f)), "field"), 0, int64(len(f))}
	var x field
	if _, err := c.next(&x); err != nil {
		panic("a field of bytes")
	}
	return int(x.body.size())
}

// calls is a node that calls a local function of domain "d".
func calls(name, inputs, outputs string) []byte {
	return call(name, inputs, outputs, str(nodeDomain, "d"))
}

// TestFunctions follows weights into local functions, through them, and finds
// those that are inside.
func TestFunctions(t *testing.T) {
	dense := functionOf("Dense", "a w b", "r", call("Transpose", "w", "t"), call("Gemm", "a t b", "r"))
	for _, c := range []struct {
		name      string
		graph     [][]byte
		functions [][]byte
		want      string // names, roles and slots of the weights in order
	}{
		{"given to a function", [][]byte{weight("b", 0, 2), weight("w", 0, 2, 2), calls("Dense", "x w b", "y")}, [][]byte{dense}, "w weight Gemm 1, b bias Gemm 2"},
		{"two calls, in the order of calls", [][]byte{weight("b2", 0, 2), weight("w2", 0, 2, 2), weight("b1", 0, 2), weight("w1", 0, 2, 2), calls("Dense", "h w2 b2", "y"), calls("Dense", "x w1 b1", "h")},
			[][]byte{dense}, "w1 weight Gemm 1, b1 bias Gemm 2, w2 weight Gemm 1, b2 bias Gemm 2"},
		{"a function that calls one", [][]byte{weight("b", 0, 2), weight("w", 0, 2, 2), calls("Block", "x w b", "y")},
			[][]byte{functionOf("Block", "a w b", "r", calls("Dense", "a w b", "s"), call("Relu", "s", "r")), dense}, "w weight Gemm 1, b bias Gemm 2"},
		{"through a function and back", [][]byte{weight("w", 0, 2, 2), calls("Turn", "w", "t"), call("MatMul", "x t", "y")},
			[][]byte{functionOf("Turn", "a", "r", call("Transpose", "a", "r"))}, "w weight MatMul 1"},
		{"through two functions and back", [][]byte{weight("w", 0, 2, 2), calls("Outer", "w", "t"), call("MatMul", "x t", "y")},
			[][]byte{functionOf("Outer", "a", "r", calls("Turn", "a", "r")), functionOf("Turn", "a", "r", call("Transpose", "a", "r"))}, "w weight MatMul 1"},
		{"inside a function", [][]byte{weight("v", 0, 2), call("Mul", "x v", "h"), calls("Scaled", "h", "y")},
			[][]byte{functionOf("Scaled", "a", "r", constant("k", 0, 2), call("Add", "a k", "r"))}, "v scale Mul 1, k bias Add 1"},
		{"inside two functions, in the order of calls", [][]byte{calls("B", "h", "y"), calls("A", "x", "h")},
			[][]byte{functionOf("B", "a", "r", constant("kb", 0, 2), call("Mul", "a kb", "r")), functionOf("A", "a", "r", constant("ka", 0, 2), call("Add", "a ka", "r"))}, "ka bias Add 1, kb scale Mul 1"},
		{"named like an operator", [][]byte{weight("w", 0, 2, 2), calls("MatMul", "x w", "y")}, [][]byte{functionOf("MatMul", "a b", "r", call("Pow", "a b", "r"))}, ""},
		{"to a loop", [][]byte{weight("h0", 0, 2), call("Loop", "- - h0", "y", attr("body", kindGraph, sub(attrGraph, in("i"), in("c"), in("s"), call("Identity", "c", "d"), call("Add", "x s", "r"), out("d"), out("r"))))}, nil, "h0 bias Add 1"},
		{"to a scan", [][]byte{weight("h0", 0, 2), call("Scan", "h0 x", "y", attr("body", kindGraph, sub(attrGraph, in("s"), in("e"), call("Mul", "e s", "r"), out("r"))))}, nil, "h0 scale Mul 1"},
		{"all of a Concat is stored", [][]byte{weight("a", 0, 2, 2), weight("b", 0, 2, 2), call("Transpose", "b", "t"), call("Concat", "a t", "w"), call("MatMul", "x w", "y")}, nil, "a weight MatMul 1, b weight MatMul 1"},
		{"part of a Concat is stored", [][]byte{weight("a", 0, 2, 2), call("Concat", "a x", "w"), call("MatMul", "x w", "y")}, nil, "a table Concat 0"},
		{"parts of one tensor", [][]byte{weight("w", 0, 2, 4), call("Split", "w", "p q"), call("MatMul", "x q", "h"), call("Add", "h p", "y")}, nil, "w weight MatMul 1"},
		{"quantized and back", [][]byte{weight("w", 0, 2, 2), call("QuantizeLinear", "w v", "q"), call("DequantizeLinear", "q v", "d"), call("MatMul", "x d", "y")}, nil, "w weight MatMul 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := modelBytes(append([][]byte{in("x"), in("v"), out("y")}, c.graph...)...)
			for i := range max(1, len(c.functions)) { // the order in the file plays no part
				m := open(t, join(data, bytes.Join(append(c.functions[min(i, len(c.functions)):], c.functions[:min(i, len(c.functions))]...), nil)))
				var got []string
				for _, w := range m.Weights() {
					got = append(got, fmt.Sprintf("%s %s %s %d", w.Name, w.Role, w.Op, w.Slot))
				}
				if strings.Join(got, ", ") != c.want {
					t.Errorf("weights %q, want %q", strings.Join(got, ", "), c.want)
				}
			}
		})
	}
}

// TestFunctionNames: the names of local functions and of their domain play no
// part in the signature, what they do does.
func TestFunctionNames(t *testing.T) {
	model := func(a, b, op string) *Model {
		fa, fb := functionOf(a, "a", "r", constant("k", 0, 2), call("Add", "a k", "r")), functionOf(b, "a", "r", call(op, "a", "r"))
		return open(t, join(modelBytes(in("x"), calls(a, "x", "h"), calls(b, "h", "y"), out("y")), opset("d", 1), fb, fa))
	}
	first := model("A", "B", "Relu")
	if d := first.Difference(model("Z", "C", "Relu")); d != "" {
		t.Errorf("other names make another graph: %s", d)
	}
	if d := first.Difference(model("A", "B", "Tanh")); !strings.Contains(d, "local function 1, node 0 is Relu, the other Tanh") {
		t.Errorf("difference %q", d)
	}
}

// TestOrder checks that weights come in the order of first use, by node and
// then by slot, whatever the order in the file.
func TestOrder(t *testing.T) {
	parts := [][]byte{
		weight("b2", 0, 2), weight("w2", 0, 2, 2), weight("w1", 0, 2, 2),
		call("Gemm", "h w2 b2", "y"), call("Relu", "g", "h"), call("Gemm", "x w1 b1", "g"), constant("b1", 0, 2),
		call("Add", "x dead", "unused"), weight("dead", 0, 2),
	}
	for i := range parts {
		turned := append(append([][]byte{in("x"), out("y")}, parts[i:]...), parts[:i]...)
		if got := weightNames(open(t, modelBytes(turned...))); got != "w1 b1 w2 b2 dead" {
			t.Errorf("turned by %d: %s", i, got)
		}
	}
}

// TestOrderOfBranches: the order in which a file has the branches plays no part.
func TestOrderOfBranches(t *testing.T) {
	then := branch("then_branch", weight("a", 0, 2), call("Add", "x a", "s"), call("Mul", "s c", "r"), out("r"))
	other := branch("else_branch", weight("b", 0, 2), call("Add", "x b", "s"), call("Sub", "s c", "r"), out("r"))
	first := open(t, modelBytes(in("x"), weight("c", 0, 2), call("If", "x", "y", then, other), out("y")))
	second := open(t, modelBytes(in("x"), weight("c", 0, 2), call("If", "x", "y", other, then), out("y")))
	if d := first.Difference(second); d != "" || weightNames(first) != weightNames(second) || find(t, first, "c").Role != find(t, second, "c").Role {
		t.Errorf("weights %q and %q, difference %q", weightNames(first), weightNames(second), d)
	}
}

// TestLongChain follows a weight through so many operators that recursion
// would be felt.
func TestLongChain(t *testing.T) {
	parts := [][]byte{in("x"), weight("w", 0, 2), call("Identity", "w", "v0")}
	const n = 50000
	for i := range n {
		parts = append(parts, call("Identity", fmt.Sprintf("v%d", i), fmt.Sprintf("v%d", i+1)))
	}
	m := open(t, modelBytes(append(parts, call("Add", fmt.Sprintf("x v%d", n), "y"), out("y"))...))
	if weightNames(m) != "w" || m.Weights()[0].Op != "Add" {
		t.Errorf("weights %q", weightNames(m))
	}
}

// TestQuantized explains tensors of quantized models.
func TestQuantized(t *testing.T) {
	ints8 := sub(graphInitializer, tensorOf("q", Int8, []int64{4}, appendBytes(nil, tensorRawData, []byte{1, 2, 3, 4})))
	zero := sub(graphInitializer, tensorOf("z", Int8, []int64{4}, appendBytes(nil, tensorRawData, make([]byte, 4))))
	small := sub(graphInitializer, tensorOf("q", 22, []int64{4}, appendBytes(nil, tensorRawData, []byte{1, 2})))
	float8 := sub(graphInitializer, tensorOf("q", 17, []int64{4}, appendBytes(nil, tensorRawData, []byte{1, 2, 3, 4})))
	scale := weight("s", 1, 4)
	for _, c := range []struct {
		name   string
		graph  [][]byte
		tensor string
		role   Role
		reason string
	}{
		{"integers", [][]byte{ints8, scale, zero, call("DequantizeLinear", "q s z", "w"), call("Conv", "x w", "y")}, "q", RoleWeight, "quantized to int8 for input 1 of Conv: its integers and their scale are copied together"},
		{"integers through Transpose", [][]byte{ints8, scale, call("Transpose", "q", "t"), call("DequantizeLinear", "t s", "w"), call("MatMul", "x w", "y")}, "q", RoleWeight, "quantized to int8 for input 1 of MatMul: its integers and their scale are copied together"},
		{"scale", [][]byte{ints8, scale, zero, call("DequantizeLinear", "q s z", "w"), call("Conv", "x w", "y")}, "s", RoleConstant, "input 1 of DequantizeLinear scales the integers of another tensor, which are copied"},
		{"zero point", [][]byte{ints8, scale, zero, call("DequantizeLinear", "q s z", "w"), call("Conv", "x w", "y")}, "z", RoleConstant, "input 2 of DequantizeLinear is the zero point of another tensor's integers"},
		{"int4", [][]byte{small, scale, call("DequantizeLinear", "q s", "w"), call("MatMul", "x w", "y")}, "q", RoleWeight, "quantized to int4 for input 1 of MatMul: its integers and their scale are copied together"},
		{"float8", [][]byte{float8, scale, call("DequantizeLinear", "q s", "w"), call("MatMul", "x w", "y")}, "q", RoleWeight, "quantized to float8e4m3fn for input 1 of MatMul: its integers and their scale are copied together"},
		{"QLinearConv", [][]byte{ints8, scale, call("QLinearConv", "x v v q s v v v", "y")}, "q", RoleConstant, "quantized to int8: input 3 of QLinearConv takes its integers, which are copied with their scale"},
		{"scale of QLinearConv", [][]byte{ints8, scale, call("QLinearConv", "x v v q s v v v", "y")}, "s", RoleConstant, "input 4 of QLinearConv is part of an encoding or a resizing, not a weight"},
		{"int8 of an operator", [][]byte{ints8, call("Add", "x q", "y")}, "q", RoleBias, "quantized to int8 for input 1 of Add: its integers and their scale are copied together"},
		{"int8 of no weight slot", [][]byte{ints8, call("Pow", "x q", "y")}, "q", RoleConstant, "int8 is not a type that weights have"},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := find(t, open(t, modelBytes(append([][]byte{in("x"), in("v"), out("y")}, c.graph...)...)), c.tensor)
			if q.Role != c.role || q.Action != ActionCopy || q.Reason != c.reason {
				t.Errorf("role %q, %s because %q", q.Role, q.Action, q.Reason)
			}
		})
	}
}
