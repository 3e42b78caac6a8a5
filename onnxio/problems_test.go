package onnxio

import (
	"fmt"
	"strings"
	"testing"
)

func TestProblems(t *testing.T) {
	group := func(n int64) []byte { return attr("group", kindInt, num(attrInt, n)) }
	for _, c := range []struct {
		name  string
		graph [][]byte
		want  string // of the only problem, "" for none
	}{
		{"Conv", [][]byte{weight("w", 0, 8, 3, 3, 3), weight("b", 0, 8), call("Conv", "x w b", "y", group(2))}, ""},
		{"Conv, its bias", [][]byte{weight("w", 0, 8, 3, 3, 3), weight("b", 0, 3), call("Conv", "x w b", "y")}, `node 0 (Conv) "b": input 2: expected shape [8], found [3]`},
		{"Conv, its groups", [][]byte{weight("w", 0, 8, 3, 3, 3), call("Conv", "x w", "y", group(3))}, "output channels that 3 groups divide, found shape [8,3,3,3]"},
		{"Conv of two dimensions", [][]byte{weight("w", 0, 8, 3), call("Conv", "x w", "y")}, "expected 3 or more dimensions, found shape [8,3]"},
		{"ConvTranspose", [][]byte{weight("w", 0, 8, 3, 3, 3), weight("b", 0, 6), call("ConvTranspose", "x w b", "y", group(2))}, ""},
		{"ConvTranspose, its bias", [][]byte{weight("w", 0, 8, 3, 3, 3), weight("b", 0, 8), call("ConvTranspose", "x w b", "y", group(2))}, "expected shape [6], found [8]"},
		{"Gemm of a vector", [][]byte{weight("w", 0, 8), call("Gemm", "x w", "y")}, "expected 2 dimensions, found shape [8]"},
		{"BatchNormalization", [][]byte{weight("s", 1, 4), weight("b", 0, 4), weight("m", 0, 4), weight("v", 1, 4), call("BatchNormalization", "x s b m v", "y")}, ""},
		{"BatchNormalization, its variance", [][]byte{weight("s", 1, 4), weight("b", 0, 4), weight("m", 0, 4), weight("v", 1, 5), call("BatchNormalization", "x s b m v", "y")}, `"v": input 4: expected shape [4], found [5]`},
		{"LSTM", [][]byte{weight("w", 0, 2, 12, 5), weight("r", 0, 2, 12, 3), weight("b", 0, 2, 24), call("LSTM", "x w r b", "y")}, ""},
		{"LSTM, its gates", [][]byte{weight("w", 0, 1, 10, 5), call("LSTM", "x w", "y")}, "that 4 gates divide"},
		{"GRU, its recurrent weights", [][]byte{weight("w", 0, 1, 9, 5), weight("r", 0, 1, 9, 4), call("GRU", "x w r", "y")}, "expected shape [1,9,3], found [1,9,4]"},
		{"RNN, its bias", [][]byte{weight("w", 0, 1, 4, 5), weight("b", 0, 1, 4), call("RNN", "x w - b", "y")}, "expected shape [1,8], found [1,4]"},
		{"a domain without an operator set", [][]byte{call("F", "x", "y", str(nodeDomain, "d"))}, `expected an operator set for its domain "d", found none`},
		{"two nodes of it are one problem", [][]byte{call("F", "x", "a", str(nodeDomain, "d")), call("F", "a", "y", str(nodeDomain, "d"))}, `"d"`},
		{"an input without a type", [][]byte{sub(graphInput, str(portName, "z")), call("Relu", "x", "y")}, `input "z" "": expected a type`},
		{"a default", [][]byte{in("w", 2, -1), weight("w", 0, 2, 3), call("Mul", "x w", "y")}, ""},
		{"a default of another shape", [][]byte{in("w", 2, 4), weight("w", 0, 2, 3), call("Mul", "x w", "y")}, "expected the declared float32 [2,4], found a stored tensor of shape [2,3]"},
		{"a default of another type", [][]byte{in("n", 2), ints("n", 1, 2), call("Reshape", "x n", "y")}, "expected float32 as declared, found a stored tensor of int64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := open(t, modelBytes(append([][]byte{in("x"), out("y")}, c.graph...)...))
			var texts []string
			for _, p := range m.Problems() {
				texts = append(texts, fmt.Sprintf("%s %q: %s", p.Where, p.Tensor, p.What))
			}
			if c.want == "" && len(texts) != 0 || c.want != "" && (len(texts) != 1 || !strings.Contains(texts[0], c.want)) {
				t.Errorf("found %q, expected %q", texts, c.want)
			}
		})
	}
	if p := open(t, modelBytes(in("x"))).Problems(); len(p) != 1 || !strings.Contains(p[0].What, "expected at least one output") {
		t.Errorf("of a graph without outputs: %v", p)
	}
}
