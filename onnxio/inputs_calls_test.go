package onnxio

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestInputsOfFunctions expects the very graphs of models whose weights are in
// local functions: each is given to the function by all that call it.
func TestInputsOfFunctions(t *testing.T) {
	x, y := in("x", 2), out("y", 2)
	cast := func(from, to string, d DType) []byte {
		return call("Cast", from, to, attr("to", kindInt, num(attrInt, int64(d))))
	}
	double := call("Constant", "", "k", attr("value", kindTensor, sub(attrTensor, tensorOf("", Float64, []int64{2}, doubles(true, 1, 2)))))
	const w, v = "rpg.weight.0", "rpg.weight.1"
	versions := func(functions ...[]byte) []byte {
		for i, fn := range functions { // Cast depends on the function's own operator set
			c := cursorOf(fn)
			functions[i] = sub(modelFunctions, c, sub(functionOpset, num(opsetVersion, 17)))
		}
		return join(functions...)
	}
	for _, c := range []struct {
		name        string
		graph, want [][]byte
		functions   [2][]byte // before and after
		names       string
	}{
		{"called twice", [][]byte{x, calls("F", "x", "h"), calls("F", "h", "y"), y}, [][]byte{x, calls("F", "x "+w, "h"), calls("F", "h "+w, "y"), y, in(w, 2)},
			[2][]byte{functionOf("F", "a", "r", constant("k", 0, 2), call("Add", "a k", "r")), functionOf("F", "a "+w, "r", call("Add", "a "+w, "r"))}, w},
		{"called by a function, and in a branch", [][]byte{x, calls("G", "x", "h"), call("If", "h", "y", branch("then_branch", calls("F", "h", "t"), out("t"))), y},
			[][]byte{x, calls("G", "x "+w, "h"), call("If", "h", "y", branch("then_branch", calls("F", "h "+w, "t"), out("t"))), y, in(w, 2)},
			[2][]byte{join(functionOf("F", "a", "r", constant("k", 0, 2), call("Add", "a k", "r")), functionOf("G", "a", "r", calls("F", "a", "r"))),
				join(functionOf("F", "a "+w, "r", call("Add", "a "+w, "r")), functionOf("G", "a "+w, "r", calls("F", "a "+w, "r")))}, w},
		{"two, and one in a branch inside", [][]byte{x, calls("F", "x", "y"), y}, [][]byte{x, calls("F", "x "+w+" "+v, "y"), y, in(w, 2), in(v, 2)},
			[2][]byte{functionOf("F", "a", "r", constant("k", 0, 2), call("Add", "a k", "h"), call("If", "h", "r", branch("then_branch", weight("l", 0, 2), call("Mul", "h l", "t"), out("t")))),
				functionOf("F", "a "+w+" "+v, "r", call("Add", "a "+w, "h"), call("If", "h", "r", branch("then_branch", call("Mul", "h "+v, "t"), out("t"))))}, w + " " + v},
		{"of another type", [][]byte{x, calls("F", "x", "y"), y}, [][]byte{x, calls("F", "x "+w, "y"), y, in(w, 2)},
			[2][]byte{versions(functionOf("F", "a", "r", double, call("Add", "a k", "r"))), versions(functionOf("F", "a "+w, "r", cast(w, w+".cast", Float64), call("Add", "a "+w+".cast", "r")))}, w},
		{"that comes out too", [][]byte{x, calls("F", "x", "y"), y}, [][]byte{x, calls("F", "x "+w, "y"), y, in(w, 2)},
			[2][]byte{join(functionOf("F", "a", "k", constant("k", 0, 2), call("Add", "a k", "r"))), join(functionOf("F", "a "+w, "k", call("Identity", w, "k"), call("Add", "a "+w, "r")))}, w},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, names, err := open(t, join(modelBytes(c.graph...), c.functions[0])).WithWeightsAsInputs()
			if err != nil || strings.Join(names, " ") != c.names {
				t.Fatalf("names %q, want %q: %v", names, c.names, err)
			}
			want := join(modelBytes(c.want...), c.functions[1])
			if len(got) != len(want) {
				t.Errorf("%d bytes, want %d:\n%q\nwant\n%q", len(got), len(want), got, want)
			}
			if d := open(t, got).Difference(open(t, want)); d != "" {
				t.Errorf("%s:\n%q\nwant\n%q", d, got, want)
			}
		})
	}
}

// TestInputsOfShortCalls: where a call leaves inputs out, the weight comes after
// empty ones.
func TestInputsOfShortCalls(t *testing.T) {
	model := join(modelBytes(in("x"), calls("F", "x", "y"), out("y")), functionOf("F", "a b c", "r", constant("k", 0, 2), call("Add", "a k", "r")))
	got, _, err := open(t, model).WithWeightsAsInputs()
	if err != nil {
		t.Fatal(err)
	}
	m := open(t, got)
	if inputs := m.main.nodes[0].inputs; !slices.Equal(inputs, []string{"x", "", "", "rpg.weight.0"}) {
		t.Errorf("the call has inputs %q", inputs)
	}
}

// TestInputsThatMultiply: many calls of a function with many weights are refused
// before they take memory.
func TestInputsThatMultiply(t *testing.T) {
	const weights, sites = 4000, 40_000
	var nodes, graph [][]byte
	for i := range weights {
		nodes = append(nodes, constant(fmt.Sprint("k", i), 0, 2), call("Add", fmt.Sprintf("a k%d", i), fmt.Sprint("h", i)))
	}
	for i := range sites {
		graph = append(graph, calls("F", "x", fmt.Sprint("y", i)))
	}
	m := open(t, join(modelBytes(append(graph, in("x"), out("y0"))...), functionOf("F", "a", "h0", nodes...)))
	if len(m.Weights()) != weights {
		t.Fatalf("%d weights", len(m.Weights()))
	}
	if _, _, err := m.WithWeightsAsInputs(); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "the model without its weights is too large") {
		t.Errorf("error %v", err)
	}
}

// TestInputsOfSparseWeights expects the nodes that put the values into their
// places, whichever way those are stored, also in a side file.
func TestInputsOfSparseWeights(t *testing.T) {
	sparseOf := func(d DType, data []byte, places []byte) []byte {
		return sub(graphSparse, sub(sparseValues, tensorOf("w", d, []int64{2}, data)), sub(sparseIndices, places), num(sparseDims, 3), num(sparseDims, 4))
	}
	list := tensorOf("", Int64, []int64{2}, num(tensorInt64Data, 1), num(tensorInt64Data, 8))
	coordinates := tensorOf("", Int64, []int64{2, 2}, num(tensorInt64Data, 0), num(tensorInt64Data, 1), num(tensorInt64Data, 2), num(tensorInt64Data, 0))
	aside := tensorOf("", Int64, []int64{2}, refers("location", "side.bin"))
	want := func(output string, more ...[]byte) []byte {
		tensor := func(dims []int64, values ...int64) []byte {
			return attr("value", kindTensor, sub(attrTensor, tensorOf("", Int64, dims, appendBytes(nil, tensorRawData, int64Bytes(values...)))))
		}
		p := "rpg.weight.0"
		parts := [][]byte{call("Constant", "", p+".shape", tensor([]int64{2}, 3, 4)), call("ConstantOfShape", p+".shape", p+".zeros"),
			call("Constant", "", p+".places", tensor([]int64{2, 2}, 0, 1, 2, 0)), call("ScatterND", p+".zeros "+p+".places "+p, output)}
		return modelBytes(append(append(parts, more...), in("x"), call("MatMul", "x w", "y"), out("y"), in(p, 2))...)
	}
	for _, c := range []struct {
		name   string
		sparse []byte
		want   []byte
	}{
		{"a list of places", sparseOf(Float32, packed(1, 2), list), want("w")},
		{"coordinates", sparseOf(Float32, packed(1, 2), coordinates), want("w")},
		{"places in a side file", sparseOf(Float32, packed(1, 2), aside), want("w")},
		{"float16", sparseOf(Float16, varints(Float16, true, 1, 2), list), want("rpg.weight.0.dense", call("Cast", "rpg.weight.0.dense", "w", attr("to", kindInt, num(attrInt, int64(Float16)))))},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := put(t, map[string][]byte{"side.bin": int64Bytes(1, 8), "m.onnx": modelBytes(in("x"), c.sparse, call("MatMul", "x w", "y"), out("y"))})
			got, names, err := openFile(t, dir+"/m.onnx").WithWeightsAsInputs()
			if err != nil || strings.Join(names, " ") != "rpg.weight.0" {
				t.Fatalf("names %q: %v", names, err)
			}
			if d := open(t, got).Difference(open(t, c.want)); d != "" {
				t.Errorf("%s:\n%q\nwant\n%q", d, got, c.want)
			}
		})
	}
}
