package align

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"rpg/onnxio"
)

// describe writes the groups of m as "8: a/0 b/1; 4: ...".
func describe(m *onnxio.Model, s *Symmetry) string {
	var groups []string
	for _, g := range s.Groups {
		text := fmt.Sprintf("%d:", g.Size)
		for _, a := range g.Axes {
			text += fmt.Sprintf(" %s/%d", m.Weights()[a.Weight].Name, a.Axis)
		}
		groups = append(groups, text)
	}
	return strings.Join(groups, "; ")
}

// conv adds a convolution with weight w and bias b.
func conv(g *graph, x, y, w, b string, out, in int, more ...[]byte) *graph {
	return g.weight(w, out, in, 3, 3).weight(b, out).node("Conv", x+" "+w+" "+b, y, append(more, list("pads", 1, 1, 1, 1))...)
}

// dense adds x·w + b.
func dense(g *graph, x, y, w, b string, in, out int) *graph {
	return g.weight(w, in, out).weight(b, out).node("Gemm", x+" "+w+" "+b, y)
}

// Each case is a graph with the groups that it has. All are permuted at random,
// and ONNX Runtime must give the same outputs.
func TestOperators(t *testing.T) {
	openRuntime(t)
	image := func() *graph { return newGraph().in("x", -1, 3, 8, 8) }
	flat := func() *graph { return newGraph().in("x", -1, 5) }
	for _, c := range []struct {
		name   string
		g      *graph
		opset  uint64
		groups string
	}{
		{"Gemm", dense(dense(flat(), "x", "h", "a", "ab", 5, 6).node("Relu", "h", "r"), "r", "y", "b", "bb", 6, 4).out("y"), 17,
			"6: a/1 ab/0 b/0"},
		{"Gemm transposed", flat().weight("a", 6, 5).weight("b", 4, 6).node("Gemm", "x a", "h", whole("transB", 1)).
			node("Transpose", "h", "ht").node("Gemm", "ht b", "y", whole("transA", 1), whole("transB", 1)).out("y"), 17,
			"6: a/0 b/1"},
		{"MatMul and Add", flat().weight("a", 5, 6).weight("ab", 6).weight("b", 6, 4).
			node("MatMul", "x a", "h").node("Add", "ab h", "s").node("Tanh", "s", "r").node("MatMul", "r b", "y").out("y"), 17,
			"6: a/1 ab/0 b/0"},
		{"MatMul, weight on the left", newGraph().in("x", 5, -1).weight("a", 6, 5).weight("b", 4, 6).
			node("MatMul", "a x", "h").node("Sigmoid", "h", "r").node("MatMul", "b r", "y").out("y"), 17,
			"6: a/0 b/1"},
		{"MatMul of matrices in a batch", newGraph().in("x", -1, 7, 5).weight("a", 5, 6).weight("b", 6, 4).
			node("MatMul", "x a", "h").node("Erf", "h", "r").node("MatMul", "r b", "y").out("y"), 17, "6: a/1 b/0"},
		{"Einsum", newGraph().in("x", -1, 7, 5).weight("a", 5, 6).weight("b", 6, 4).
			node("Einsum", "x a", "h", text("equation", "bsd,df->bsf")).node("Einsum", "h b", "y", text("equation", "bsf, fe -> bse")).out("y"), 17, "6: a/1 b/0"},
		{"one weight for two layers", flat().weight("a", 5, 6).weight("s", 6, 6).weight("b", 6, 4).
			node("MatMul", "x a", "h").node("Tanh", "h", "r").node("MatMul", "r s", "h2").node("Tanh", "h2", "r2").
			node("MatMul", "r2 s", "h3").node("MatMul", "h3 b", "y").out("y"), 17, "6: a/1 s/0 s/1 b/0"},
		{"Conv, Flatten, Gemm", dense(conv(image(), "x", "h", "a", "ab", 6, 3).node("Relu", "h", "r").
			node("MaxPool", "r", "p", list("kernel_shape", 2, 2), list("strides", 2, 2)).node("Flatten", "p", "f"), "f", "y", "b", "bb", 96, 4).out("y"), 17,
			"6: a/0 ab/0 b/0"},
		{"image of unknown size", dense(conv(newGraph().in("x", -1, 3, 0, 0), "x", "h", "a", "ab", 6, 3).
			node("Flatten", "h", "f"), "f", "y", "b", "bb", 24, 4).out("y"), 17, "6: a/0 ab/0 b/0"},
		{"unknown batch in a Reshape", dense(conv(image(), "x", "h", "a", "ab", 6, 3).ints("to", -1, 384).
			node("Reshape", "h to", "f"), "f", "y", "b", "bb", 384, 4).out("y"), 17, "6: a/0 ab/0 b/0"},
		{"Reshape to a computed shape", dense(conv(image(), "x", "h", "a", "ab", 6, 3).number("zero", 0).ints("at", 0).ints("rest", -1).
			node("Shape", "h", "s").node("Gather", "s zero", "n", whole("axis", 0)).node("Unsqueeze", "n at", "n1").
			node("Concat", "n1 rest", "to", whole("axis", 0)).node("Reshape", "h to", "f"), "f", "y", "b", "bb", 384, 4).out("y"), 17,
			"6: a/0 ab/0 b/0"},
		{"ConvTranspose", conv(conv(image(), "x", "h", "a", "ab", 6, 3).weight("t", 6, 4, 2, 2).weight("tb", 4).
			node("ConvTranspose", "h t tb", "u", list("strides", 2, 2)), "u", "y", "b", "bb", 2, 4).out("y"), 17,
			"6: a/0 ab/0 t/0; 4: t/1 tb/0 b/1"},
		{"ConvTranspose in groups", conv(conv(image(), "x", "h", "a", "ab", 6, 3).weight("t", 6, 4, 2, 2).weight("tb", 8).
			node("ConvTranspose", "h t tb", "u", list("strides", 2, 2), whole("group", 2)), "u", "y", "b", "bb", 2, 8).out("y"), 17,
			"2: a/0 ab/0 t/0 tb/0 b/1; 3: a/0 ab/0 t/0; 4: t/1 tb/0 b/1"},
		{"depthwise", conv(conv(conv(image(), "x", "h", "a", "ab", 6, 3), "h", "d", "k", "kb", 6, 1, whole("group", 6)).
			node("Clip", "d", "r"), "r", "y", "b", "bb", 2, 6).out("y"), 17, "6: a/0 ab/0 k/0 kb/0 b/1"},
		{"depthwise with two outputs a channel", conv(conv(conv(image(), "x", "h", "a", "ab", 6, 3), "h", "d", "k", "kb", 12, 1, whole("group", 6)),
			"d", "y", "b", "bb", 2, 12).out("y"), 17, "6: a/0 ab/0 k/0 kb/0 b/1; 2: k/0 kb/0 b/1"},
		{"depthwise on the input", conv(conv(image(), "x", "d", "k", "kb", 6, 1, whole("group", 3)), "d", "y", "b", "bb", 2, 6).out("y"), 17,
			"2: k/0 kb/0 b/1"},
		{"Conv in groups", conv(conv(conv(image(), "x", "h", "a", "ab", 6, 3), "h", "d", "k", "kb", 8, 3, whole("group", 2)),
			"d", "y", "b", "bb", 2, 8).out("y"), 17, "2: a/0 ab/0 k/0 kb/0 b/1; 3: a/0 ab/0 k/1; 4: k/0 kb/0 b/1"},
		{"FusedConv", conv(conv(image(), "x", "h", "a", "ab", 6, 3).weight("k", 6, 6, 1, 1).weight("kb", 6).
			node("com.microsoft:FusedConv", "h k kb h", "d", text("activation", "Relu")), "d", "y", "b", "bb", 2, 6).out("y"), 17, "6: a/0 ab/0 k/0 k/1 kb/0 b/1"},
		{"BatchNormalization", conv(conv(image(), "x", "h", "a", "ab", 6, 3).weight("s", 6).weight("t", 6).weight("m", 6).positive("v", 6).
			node("BatchNormalization", "h s t m v", "n"), "n", "y", "b", "bb", 2, 6).out("y"), 17, "6: a/0 ab/0 s/0 t/0 m/0 v/0 b/1"},
		{"InstanceNormalization", conv(conv(image(), "x", "h", "a", "ab", 6, 3).weight("s", 6).weight("t", 6).
			node("InstanceNormalization", "h s t", "n"), "n", "y", "b", "bb", 2, 6).out("y"), 17, "6: a/0 ab/0 s/0 t/0 b/1"},
		{"LayerNormalization", dense(flat().weight("a", 5, 6).weight("s", 6).weight("t", 6).node("MatMul", "x a", "h").
			node("LayerNormalization", "h s t", "n"), "n", "y", "b", "bb", 6, 4).out("y"), 17, "6: a/1 s/0 t/0 b/0"},
		{"LayerNormalization over an image", conv(conv(image(), "x", "h", "a", "ab", 6, 3).weight("s", 6, 1, 1).weight("t", 6, 1, 1).
			node("LayerNormalization", "h s t", "n", whole("axis", 1)), "n", "y", "b", "bb", 2, 6).out("y"), 17, "6: a/0 ab/0 s/0 t/0 b/1"},
		{"SkipLayerNormalization", dense(newGraph().in("x", -1, 7, 5).weight("a", 5, 6).weight("e", 5, 6).weight("s", 6).weight("t", 6).weight("o", 6).
			node("MatMul", "x a", "h").node("MatMul", "x e", "k").node("com.microsoft:SkipLayerNormalization", "h k s t o", "n - - z").
			node("Add", "n z", "q").ints("to", -1, 6).node("Reshape", "q to", "f"), "f", "y", "b", "bb", 6, 4).out("y"), 17, "6: a/1 e/1 s/0 t/0 o/0 b/0"},
		{"GroupNormalization by channel", conv(conv(image(), "x", "h", "a", "ab", 6, 3).weight("s", 6).weight("t", 6).
			node("GroupNormalization", "h s t", "n", whole("num_groups", 2)), "n", "y", "b", "bb", 2, 6).out("y"), 21,
			"2: a/0 ab/0 s/0 t/0 b/1; 3: a/0 ab/0 s/0 t/0 b/1"},
		{"GroupNorm written out", conv(conv(image(), "x", "h", "a", "ab", 6, 3).weight("i", 2).weight("j", 2).weight("s", 6, 1, 1).weight("t", 6, 1, 1).
			ints("to", 0, 2, -1).node("Reshape", "h to", "g").node("InstanceNormalization", "g i j", "n").node("Shape", "h", "back").
			node("Reshape", "n back", "q").node("Mul", "q s", "q2").node("Add", "q2 t", "q3"), "q3", "y", "b", "bb", 2, 6).out("y"), 17,
			"2: a/0 ab/0 i/0 j/0 s/0 t/0 b/1; 3: a/0 ab/0 s/0 t/0 b/1"},
		{"residual sum", conv(conv(conv(image(), "x", "h", "a", "ab", 6, 3), "h", "d", "k", "kb", 6, 6).node("Relu", "d", "r").
			node("Add", "r h", "s"), "s", "y", "b", "bb", 2, 6).out("y"), 17, "6: a/0 ab/0 k/0 k/1 kb/0 b/1"},
		{"residual sum with the input", conv(conv(image(), "x", "h", "a", "ab", 3, 3).node("Add", "h x", "s"), "s", "y", "b", "bb", 2, 3).out("y"), 17, ""},
		{"scale, slope and squeeze-excitation", conv(conv(image(), "x", "h", "a", "ab", 6, 3).weight("s", 1, 6, 1, 1).weight("p", 6, 1, 1).
			node("Mul", "h s", "m").node("PRelu", "m p", "r").node("GlobalAveragePool", "r", "q").weight("w1", 4, 6, 1, 1).node("Conv", "q w1", "q1").
			node("HardSwish", "q1", "q2").weight("w2", 6, 4, 1, 1).node("Conv", "q2 w2", "q3").node("HardSigmoid", "q3", "q4").node("Mul", "q4 r", "z"),
			"z", "y", "b", "bb", 2, 6).out("y"), 17, "6: a/0 ab/0 s/1 p/0 w1/1 w2/0 b/1; 4: w1/0 w2/1"},
		{"ReduceMean to a vector", dense(conv(image(), "x", "h", "a", "ab", 6, 3).node("ReduceMean", "h", "q", list("axes", -1, 2), whole("keepdims", 0)),
			"q", "y", "b", "bb", 6, 4).out("y"), 17, "6: a/0 ab/0 b/0"},
		{"ReduceSum over channels", conv(image(), "x", "h", "a", "ab", 6, 3).ints("axes", 1).node("ReduceSum", "h axes", "y").out("y"), 17, "6: a/0 ab/0"},
		{"Concat", conv(conv(conv(image(), "x", "h", "a", "ab", 6, 3), "x", "i", "c", "cb", 4, 3).node("Concat", "h i", "j", whole("axis", 1)),
			"j", "y", "b", "bb", 2, 10).out("y"), 17, "6: a/0 ab/0 b/1; 4: c/0 cb/0 b/1"},
		{"Concat with the input, normalized and flattened", dense(conv(image(), "x", "h", "a", "ab", 6, 3).node("Concat", "x h", "j", whole("axis", -3)).
			weight("s", 9).weight("t", 9).weight("m", 9).positive("v", 9).node("BatchNormalization", "j s t m v", "n").node("Flatten", "n", "f"),
			"f", "y", "b", "bb", 576, 4).out("y"), 17, "6: a/0 ab/0 s/0 t/0 m/0 v/0 b/0"},
		{"Concat twice of one", conv(conv(image(), "x", "h", "a", "ab", 6, 3).node("Concat", "h h", "j", whole("axis", 1)), "j", "y", "b", "bb", 2, 12).out("y"), 17,
			"6: a/0 ab/0 b/1"},
		{"Split", conv(conv(conv(image(), "x", "h", "a", "ab", 6, 3).ints("parts", 4, 2).node("Split", "h parts", "u v", whole("axis", 1)),
			"u", "y", "b", "bb", 2, 4), "v", "z", "c", "cb", 2, 2).out("y", "z"), 17, "4: a/0 ab/0 b/1; 2: a/0 ab/0 c/1"},
		{"Split in halves, gated", conv(conv(image(), "x", "h", "a", "ab", 6, 3).node("Split", "h", "u v", whole("axis", 1)).
			node("Sigmoid", "v", "w").node("Mul", "u w", "m"), "m", "y", "b", "bb", 2, 3).out("y"), 17, "3: a/0 ab/0 b/1"},
		{"Slice", conv(conv(image(), "x", "h", "a", "ab", 6, 3).ints("from", 1).ints("to", -2).ints("along", 1).node("Slice", "h from to along", "m"),
			"m", "y", "b", "bb", 2, 3).out("y"), 17, "3: a/0 ab/0 b/1; 2: a/0 ab/0"},
		{"Slice at steps", conv(conv(image(), "x", "h", "a", "ab", 6, 3).ints("from", 0).ints("to", 6).ints("along", 1).ints("step", 2).
			node("Slice", "h from to along step", "m"), "m", "y", "b", "bb", 2, 3).out("y"), 17, ""},
		{"shortcut padded with zeros", conv(conv(conv(image(), "x", "h", "a", "ab", 4, 3), "h", "d", "k", "kb", 8, 4).
			ints("pads", 0, 2, 0, 0, 0, 2, 0, 0).node("Pad", "h pads", "p").node("Add", "d p", "s"), "s", "y", "b", "bb", 2, 8).out("y"), 17,
			"4: a/0 ab/0 k/0 k/1 kb/0 b/1; 2: k/0 kb/0 b/1; 2: k/0 kb/0 b/1"},
		{"Pad by reflection", conv(conv(image(), "x", "h", "a", "ab", 4, 3).ints("pads", 0, 0, 1, 1, 0, 0, 1, 1).
			node("Pad", "h pads", "p", text("mode", "reflect")), "p", "y", "b", "bb", 2, 4).out("y"), 17, "4: a/0 ab/0 b/1"},
		{"channels last", dense(conv(image(), "x", "h", "a", "ab", 6, 3).node("Transpose", "h", "t", list("perm", 0, 2, 3, 1)).weight("s", 6).weight("w", 6, 7).
			node("Mul", "t s", "m").node("MatMul", "m w", "n").node("Flatten", "n", "f"), "f", "y", "b", "bb", 448, 4).out("y"), 17,
			"6: a/0 ab/0 s/0 w/0; 7: w/1 b/0"},
		{"Squeeze and Unsqueeze", dense(conv(image(), "x", "h", "a", "ab", 6, 3).node("GlobalMaxPool", "h", "p").ints("last", 2, 3).node("Squeeze", "p last", "q").
			ints("first", 0).node("Unsqueeze", "q first", "q1").node("Squeeze", "q1 first", "q2"), "q2", "y", "b", "bb", 6, 4).out("y"), 17, "6: a/0 ab/0 b/0"},
		{"channel shuffle", conv(conv(image(), "x", "h", "a", "ab", 6, 3).ints("to", -1, 2, 3, 8, 8).ints("back", -1, 6, 8, 8).
			node("Reshape", "h to", "p").node("Transpose", "p", "q", list("perm", 0, 2, 1, 3, 4)).node("Reshape", "q back", "r"), "r", "y", "b", "bb", 2, 6).out("y"), 17,
			"2: a/0 ab/0 b/1; 3: a/0 ab/0 b/1"},
		{"shuffle of joined channels", conv(conv(conv(image(), "x", "h", "a", "ab", 3, 3), "x", "i", "c", "cb", 3, 3).node("Concat", "h i", "j", whole("axis", 1)).
			ints("to", -1, 2, 3, 8, 8).ints("back", -1, 6, 8, 8).node("Reshape", "j to", "p").node("Transpose", "p", "q", list("perm", 0, 2, 1, 3, 4)).
			node("Reshape", "q back", "r"), "r", "y", "b", "bb", 2, 6).out("y"), 17, "3: a/0 ab/0 c/0 cb/0 b/1"},
		{"DepthToSpace", conv(conv(image(), "x", "h", "a", "ab", 12, 3).node("DepthToSpace", "h", "p", whole("blocksize", 2)), "p", "y", "b", "bb", 2, 3).out("y"), 17,
			"3: a/0 ab/0 b/1"},
		{"DepthToSpace, channels outermost", conv(conv(image(), "x", "h", "a", "ab", 12, 3).node("DepthToSpace", "h", "p", whole("blocksize", 2), text("mode", "CRD")),
			"p", "y", "b", "bb", 2, 3).out("y"), 17, "3: a/0 ab/0 b/1"},
		{"SpaceToDepth", conv(conv(image(), "x", "h", "a", "ab", 3, 3).node("SpaceToDepth", "h", "p", whole("blocksize", 2)), "p", "y", "b", "bb", 2, 12).out("y"), 17,
			"3: a/0 ab/0 b/1"},
		{"Tile", conv(conv(image(), "x", "h", "a", "ab", 4, 3).ints("twice", 1, 2, 1, 1).node("Tile", "h twice", "p"), "p", "y", "b", "bb", 2, 8).out("y"), 17,
			"4: a/0 ab/0 b/1"},
		{"Concat with constants of a shape", conv(conv(image(), "x", "h", "a", "ab", 4, 3).ints("to", 2, 3, 8, 8).node("ConstantOfShape", "to", "z").
			node("Concat", "z h", "p", whole("axis", 1)), "p", "y", "b", "bb", 2, 7).out("y"), 17, "4: a/0 ab/0 b/1"},
		{"FusedMatMul", flat().weight("a", 6, 5).weight("b", 6, 4).node("com.microsoft:FusedMatMul", "x a", "h", whole("transB", 1), whole("transBatchA", 0)).
			node("com.microsoft:Gelu", "h", "r").node("MatMul", "r b", "y").out("y"), 17, "6: a/0 b/0"},
		{"Upsample", conv(conv(image(), "x", "h", "a", "ab", 6, 3).floats("scales", 1, 1, 2, 2).node("Upsample", "h scales", "p"), "p", "y", "b", "bb", 2, 6).out("y"), 9,
			"6: a/0 ab/0 b/1"},
		{"Resize", conv(conv(image(), "x", "h", "a", "ab", 6, 3).floats("scales", 1, 1, 2, 2).node("Resize", "h - scales", "p", text("mode", "linear")),
			"p", "y", "b", "bb", 2, 6).out("y"), 17, "6: a/0 ab/0 b/1"},
		{"Softmax over channels", conv(conv(image(), "x", "h", "a", "ab", 6, 3).node("Softmax", "h", "p", whole("axis", 1)), "p", "y", "b", "bb", 2, 6).out("y"), 17,
			"6: a/0 ab/0 b/1"},
		{"LRN", conv(conv(image(), "x", "h", "a", "ab", 6, 3).node("LRN", "h", "p", whole("size", 3)), "p", "y", "b", "bb", 2, 6).out("y"), 17, ""},
		{"an operator that is not followed", conv(conv(conv(image(), "x", "h", "a", "ab", 6, 3), "h", "i", "c", "cb", 6, 6).number("axis", 1).
			node("CumSum", "i axis", "p"), "p", "y", "b", "bb", 2, 6).out("y"), 17, "6: a/0 ab/0 c/1"},
		{"a class token and positions", func() *graph {
			g := newGraph().in("x", -1, 5, 4).weight("e", 4, 6).weight("cls", 1, 1, 6).weight("pos", 1, 6, 6).weight("o", 6, 3)
			g.node("MatMul", "x e", "h").ints("zero", 0).node("Shape", "x", "s").node("Gather", "s zero", "n").ints("rest", -1, -1).
				node("Concat", "n rest", "to", whole("axis", 0)).ints("minus", -1).node("Equal", "to minus", "is").ints("ones", 1, 1, 1).
				node("Where", "is ones to", "shape").node("Expand", "cls shape", "c")
			return g.node("Concat", "c h", "j", whole("axis", 1)).node("Add", "j pos", "k").number("first", 0).
				node("Gather", "k first", "t", whole("axis", 1)).node("MatMul", "t o", "y").out("y")
		}(), 17, "6: e/1 cls/2 pos/2 o/0"},
		{"attention of two heads", attention(), 17, "6: e/1 n/0 nb/0 q/0 k/0 v/0 o/1; 2: q/1 qb/0 k/1 v/1 o/0; 4: q/1 qb/0 k/1; 4: v/1 o/0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := parse(t, c.name, c.g.model(c.opset))
			s := Find(m)
			if got := describe(m, s); got != c.groups {
				t.Errorf("groups\n%s, expected\n%s\n%v", got, c.groups, s.Pinned)
			}
			before := outputs(t, m, m)
			for seed := range uint64(3) {
				p := s.Random(rand.New(rand.NewPCG(seed, 5)))
				sameOutputs(t, before, outputs(t, m, s.Apply(p, m)))
			}
		})
	}
}

// Networks as several versions of PyTorch export them.
func TestExporters(t *testing.T) {
	openRuntime(t)
	files, err := filepath.Glob("../../onnxio/testdata/exporters/*.onnx")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			m, err := onnxio.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			s := Find(m)
			if len(s.Groups) == 0 {
				t.Errorf("nothing may be permuted: %v", s.Pinned)
			}
			p := s.Random(rand.New(rand.NewPCG(1, 5)))
			sameOutputs(t, outputs(t, m, m), outputs(t, m, s.Apply(p, m)))
		})
	}
}

// attention is a pre-norm attention block of two heads of width 4 with a residual
// sum, written out as exporters do.
func attention() *graph {
	g := newGraph().in("x", -1, 5, 3).weight("e", 3, 6).node("MatMul", "x e", "h").
		weight("n", 6).weight("nb", 6).node("LayerNormalization", "h n nb", "u").
		weight("q", 6, 8).weight("qb", 8).weight("k", 6, 8).weight("v", 6, 8).weight("o", 8, 6).
		node("MatMul", "u q", "q1").node("Add", "q1 qb", "q2").node("MatMul", "u k", "k2").node("MatMul", "u v", "v2").
		ints("heads", 0, 5, 2, 4).ints("back", 0, 5, 8)
	for _, s := range []string{"q", "k", "v"} {
		g.node("Reshape", s+"2 heads", s+"3")
	}
	return g.node("Transpose", "q3", "q4", list("perm", 0, 2, 1, 3)).node("Transpose", "k3", "k4", list("perm", 0, 2, 3, 1)).
		node("Transpose", "v3", "v4", list("perm", 0, 2, 1, 3)).node("MatMul", "q4 k4", "s").node("Softmax", "s", "w", whole("axis", -1)).
		node("MatMul", "w v4", "z").node("Transpose", "z", "z1", list("perm", 0, 2, 1, 3)).node("Reshape", "z1 back", "z2").
		node("MatMul", "z2 o", "z3").node("Add", "z3 h", "r").node("ReduceMax", "r", "y", list("axes", 2)).out("y")
}
