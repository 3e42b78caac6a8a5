package onnxio

import (
	"bytes"
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
