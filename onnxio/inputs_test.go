package onnxio

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// TestWithWeightsAsInputs expects the very bytes of the model without the
// weights and with the inputs.
func TestWithWeightsAsInputs(t *testing.T) {
	x, y, node := in("x", 1, 2), out("y", 1, 2), call("Gemm", "x w b", "h")
	for _, c := range []struct {
		name  string
		graph [][]byte
		want  [][]byte
		names string
	}{
		{"two initializers", [][]byte{x, node, weight("b", 0, 2), weight("w", 0, 2, 2), call("Relu", "h", "y"), y},
			[][]byte{x, node, call("Relu", "h", "y"), y, in("w", 2, 2), in("b", 2)}, "w b"},
		{"a Constant node", [][]byte{constant("b", 0, 2), x, weight("w", 0, 2, 2), node, call("Relu", "h", "y"), y},
			[][]byte{x, node, call("Relu", "h", "y"), y, in("w", 2, 2), in("b", 2)}, "w b"},
		{"inputs already", [][]byte{x, in("b", 2), in("w", 2, 2), weight("w", 0, 2, 2), weight("b", 0, 2), node, call("Relu", "h", "y"), y},
			[][]byte{x, in("b", 2), in("w", 2, 2), node, call("Relu", "h", "y"), y}, "w b"},
		{"what is copied stays", [][]byte{x, ints("s", 1, 2), weight("one", 0, 1), weight("w", 0, 2, 2), call("MatMul", "x w", "h"), call("Mul", "h one", "g"), call("Reshape", "g s", "y"), y},
			[][]byte{x, ints("s", 1, 2), weight("one", 0, 1), call("MatMul", "x w", "h"), call("Mul", "h one", "g"), call("Reshape", "g s", "y"), y, in("w", 2, 2)}, "w"},
		{"no weights", [][]byte{x, call("Relu", "x", "y"), y}, [][]byte{x, call("Relu", "x", "y"), y}, ""},
		{"a weight used in a branch", [][]byte{x, weight("w", 0, 2), call("If", "x", "y", branch("then_branch", call("Add", "x w", "r"), out("r"))), y},
			[][]byte{x, call("If", "x", "y", branch("then_branch", call("Add", "x w", "r"), out("r"))), y, in("w", 2)}, "w"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := open(t, modelBytes(c.graph...))
			got, names, err := m.WithWeightsAsInputs()
			if err != nil {
				t.Fatal(err)
			}
			if strings.Join(names, " ") != c.names {
				t.Errorf("names %q, want %q", names, c.names)
			}
			if want := modelBytes(c.want...); !bytes.Equal(got, want) {
				t.Errorf("%q\nwant\n%q", got, want)
			}
			inputs := map[string]string{}
			for _, p := range open(t, got).Info().Inputs {
				inputs[p.Name] = p.Type
			}
			for i, w := range m.Weights() {
				if want := "float32 " + shapeText(w.Shape); inputs[names[i]] != want {
					t.Errorf("input %q is %q, want %q", names[i], inputs[names[i]], want)
				}
			}
		})
	}
}

// TestInputsOfOtherPlaces expects the very bytes of models whose weights are not
// float32 tensors of the main graph.
func TestInputsOfOtherPlaces(t *testing.T) {
	x, y := in("x", 1, 2), out("y", 1, 2)
	cast := func(from, to string, d DType) []byte {
		return call("Cast", from, to, attr("to", kindInt, num(attrInt, int64(d))))
	}
	// The fields of a new node stand in another order than those of call, so lengths and graphs are compared.
	half := sub(graphInitializer, tensorOf("w", Float16, []int64{2}, varints(Float16, true, 1, 2)))
	double := sub(graphInitializer, tensorOf("w", Float64, []int64{2}, doubles(true, 1, 2)))
	inner := func(w []byte, use string) []byte {
		return call("If", "x", "y", branch("then_branch", w, call("Add", "x "+use, "r"), out("r")))
	}
	for _, c := range []struct {
		name        string
		graph, want [][]byte
		names       string
	}{
		{"float16", [][]byte{x, call("Add", "x w", "y"), half, y}, [][]byte{cast("rpg.weight.0", "w", Float16), x, call("Add", "x w", "y"), y, in("rpg.weight.0", 2)}, "rpg.weight.0"},
		{"float16, an input already", [][]byte{x, in("w", 2), call("Add", "x w", "y"), half, y}, [][]byte{cast("rpg.weight.0", "w", Float16), x, call("Add", "x w", "y"), y, in("rpg.weight.0", 2)}, "rpg.weight.0"},
		{"in a branch", [][]byte{x, inner(weight("w", 0, 2), "w"), y}, [][]byte{x, inner(nil, "rpg.weight.0"), y, in("rpg.weight.0", 2)}, "rpg.weight.0"},
		{"a Constant in a branch", [][]byte{x, inner(constant("w", 0, 2), "w"), y}, [][]byte{x, inner(nil, "rpg.weight.0"), y, in("rpg.weight.0", 2)}, "rpg.weight.0"},
		{"float64 in a branch", [][]byte{x, inner(double, "w"), y}, [][]byte{x, inner(cast("rpg.weight.0", "rpg.weight.0.cast", Float64), "rpg.weight.0.cast"), y, in("rpg.weight.0", 2)}, "rpg.weight.0"},
		{"one name in two branches", [][]byte{x, weight("w", 0, 2), call("Mul", "x w", "h"), call("If", "h", "y", branch("then_branch", weight("w", 0, 2), call("Add", "x w", "r"), out("r")), branch("else_branch", call("Sub", "x w", "r"), out("r"))), y},
			[][]byte{x, call("Mul", "x w", "h"), call("If", "h", "y", branch("then_branch", call("Add", "x rpg.weight.1", "r"), out("r")), branch("else_branch", call("Sub", "x w", "r"), out("r"))), y, in("w", 2), in("rpg.weight.1", 2)}, "w rpg.weight.1"},
		{"a weight that is its branch's output too", [][]byte{x, call("If", "x", "y z", branch("then_branch", weight("w", 0, 2), call("Add", "x w", "r"), out("r"), out("w"))), y},
			[][]byte{x, call("If", "x", "y z", branch("then_branch", call("Identity", "rpg.weight.0", "w"), call("Add", "x rpg.weight.0", "r"), out("r"), out("w"))), y, in("rpg.weight.0", 2)}, "rpg.weight.0"},
		{"a weight that is the output of a branch in its branch", [][]byte{x, call("If", "x", "y", branch("then_branch", weight("w", 0, 2), call("Add", "x w", "r"), call("If", "r", "q", branch("then_branch", out("w"))), out("q"))), y},
			[][]byte{x, call("If", "x", "y", branch("then_branch", call("Identity", "rpg.weight.0", "w"), call("Add", "x rpg.weight.0", "r"), call("If", "r", "q", branch("then_branch", out("w"))), out("q"))), y, in("rpg.weight.0", 2)}, "rpg.weight.0"},
		{"names that are taken", [][]byte{x, call("Relu", "x", "rpg.weight.7"), inner(weight("w", 0, 2), "w"), y}, [][]byte{x, call("Relu", "x", "rpg.weight.7"), inner(nil, "rpg.weight._0"), y, in("rpg.weight._0", 2)}, "rpg.weight._0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := open(t, modelBytes(c.graph...))
			got, names, err := m.WithWeightsAsInputs()
			if err != nil {
				t.Fatal(err)
			}
			if strings.Join(names, " ") != c.names {
				t.Errorf("names %q, want %q", names, c.names)
			}
			want := modelBytes(c.want...)
			if len(got) != len(want) {
				t.Errorf("%d bytes, want %d:\n%q\nwant\n%q", len(got), len(want), got, want)
			}
			if d := open(t, got).Difference(open(t, want)); d != "" {
				t.Errorf("%s:\n%q\nwant\n%q", d, got, want)
			}
		})
	}
}

// TestInputsRefused has the weights that cannot be inputs.
func TestInputsRefused(t *testing.T) {
	half := sub(graphInitializer, tensorOf("w", Float16, []int64{2}, varints(Float16, true, 1, 2)))
	sparse := sub(graphSparse, sub(sparseValues, tensorOf("w", Float32, []int64{2}, packed(1, 2))), sub(sparseIndices, tensorOf("", Int64, []int64{2}, num(tensorInt64Data, 2), num(tensorInt64Data, 3))), num(sparseDims, 2), num(sparseDims, 2))
	for _, c := range []struct {
		name, want string
		model      []byte
	}{
		{"a call with too many inputs", `too many inputs for the local function "F" at byte 23: expected at most 1, found 2`, join(modelBytes(in("x"), calls("F", "x x", "y"), out("y")), functionOf("F", "a", "r", constant("k", 0, 2), call("Add", "a k", "r")))},
		{"before ScatterND", `"w": a sparse weight in an operator set without ScatterND`, join(num(modelIRVersion, 5), sub(modelGraph, in("x"), sparse, call("MatMul", "x w", "y"), out("y")), opset("", 10))},
		{"before Cast took a number", `"w": a weight of type float16 in an operator set`, join(num(modelIRVersion, 3), sub(modelGraph, in("x"), half, call("Add", "x w", "y"), out("y")), opset("", 5))},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := open(t, c.model).WithWeightsAsInputs(); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// TestInputsTakeSideFilesIn: what is copied from a side file is in the result.
func TestInputsTakeSideFilesIn(t *testing.T) {
	table := sub(graphInitializer, tensorOf("c", Float32, []int64{2}, refers("location", "side.bin", "offset", "8")))
	model := func(c []byte, w ...[]byte) []byte {
		return modelBytes(append([][]byte{in("x", 2), call("Mul", "x w", "h"), call("Pow", "h c", "y"), c, out("y", 2)}, w...)...)
	}
	dir := put(t, map[string][]byte{"side.bin": floatBytes(1, 2, 3, 4),
		"m.onnx": model(table, sub(graphInitializer, tensorOf("w", Float32, []int64{2}, refers("location", "side.bin"))))})
	got, names, err := openFile(t, dir+"/m.onnx").WithWeightsAsInputs()
	want := model(sub(graphInitializer, tensorOf("c", Float32, []int64{2}, appendBytes(nil, tensorRawData, floatBytes(3, 4)))), in("w", 2))
	if err != nil || !bytes.Equal(got, want) || strings.Join(names, " ") != "w" {
		t.Errorf("%q %q %v\nwant\n%q", got, names, err, want)
	}
}
