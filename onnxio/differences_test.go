package onnxio

import (
	"slices"
	"strings"
	"testing"
)

func TestDifferencesAreSeveral(t *testing.T) {
	one := modelBytes(base()...)
	two := base()
	two[2], two[3] = weight("w", 0, 8, 4), weight("b", 0, 8)
	longer := append(base()[:9], call("Abs", "n", "m"), call("Exp", "m", "k"), call("Add", "a k", "y"))
	for _, c := range []struct {
		name  string
		model []byte
		limit int
		want  []string
	}{
		{"the same", one, 9, nil},
		{"two shapes", modelBytes(two...), 9, []string{"node 0: Gemm has weight shape [4,4], the other [8,4]", "node 0: Gemm has bias shape [4], the other [8]"}},
		{"an operator and an end", modelBytes(append(with(7, call("Tanh", "r", "a")), in("z"))...), 9, []string{"the other's input 1 is", "it has Relu, the other Tanh", "often: Relu 1 and 0, Tanh 0 and 1"}},
		{"a longer graph", modelBytes(longer...), 9, []string{"node 4 is Add, the other Abs", "between the first 4 and the last 1 nodes, which are the same operators, it has nothing, the other Abs, Exp", "Abs 0 and 1, Exp 0 and 1"}},
		{"another graph altogether", modelBytes(in("x"), call("Sign", "x", "y"), out("y")), 9, []string{"from the first node to the last it has "}},
		{"the same end", modelBytes(in("x"), call("Sign", "x", "a"), call("Add", "a x", "y"), out("y")), 9, []string{"before the last 1 nodes, which are the same operators, it has "}},
		{"the same beginning", modelBytes(in("x"), weight("w", 0, 4, 4), weight("b", 0, 4), call("Gemm", "x w b", "h"), call("Sign", "h", "y"), out("y")), 9, []string{"after the first 1 nodes, which are the same operators, it has "}},
		{"a limit", modelBytes(longer...), 2, []string{"node 4 is Add, the other Abs", "and 2 differences more"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := open(t, one), open(t, c.model)
			got := a.Differences(b, c.limit)
			for _, part := range c.want {
				if !slices.ContainsFunc(got, func(text string) bool { return strings.Contains(text, part) }) {
					t.Errorf("got %q, expected one with %q", got, part)
				}
			}
			if (len(got) == 0) != (len(c.want) == 0) || len(got) > c.limit {
				t.Errorf("%d sentences, limit %d: %q", len(got), c.limit, got)
			}
			if len(got) > 0 && got[0] != a.Difference(b) {
				t.Errorf("first %q, expected %q", got[0], a.Difference(b))
			}
		})
	}
}
