package onnxio

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// picked is a model with weights fc/w and fc/b, a float constant c at a slot
// that is no weight slot, and integers.
func picked(c float32) []byte {
	return modelBytes(in("x", -1, 4), out("y", -1, 4), weight("fc/w", 0, 4, 4), weight("fc/b", 0, 4),
		sub(graphInitializer, tensorOf("c", Float32, []int64{4}, sub(tensorRawData, floatBytes(c, c, c, c)))),
		sub(graphInitializer, tensorOf("unused", Float32, []int64{2}, sub(tensorRawData, floatBytes(1, 2)))), ints("shape", -1, 4),
		call("Gemm", "x fc/w fc/b", "g"), call("Reshape", "g shape", "r"), call("Pow", "r c", "y"))
}

func TestSelect(t *testing.T) {
	for _, c := range []struct {
		name    string
		s       Selection
		weights string
		err     string
	}{
		{"nothing", Selection{}, "fc/w fc/b", ""},
		{"exclude one", Selection{Exclude: []string{"fc/b"}}, "fc/w", ""},
		{"a star crosses slashes", Selection{Exclude: []string{"*b"}}, "fc/w", ""},
		{"exclude what is copied already", Selection{Exclude: []string{"c"}}, "fc/w fc/b", ""},
		{"include one", Selection{Include: []string{"c"}}, "fc/w fc/b c", ""},
		{"include all that can be", Selection{Include: []string{"*"}}, "fc/w fc/b c", ""},
		{"exclude wins", Selection{Include: []string{"c", "fc*"}, Exclude: []string{"fc*"}}, "c", ""},
		{"no such name", Selection{Exclude: []string{"fd*"}}, "", `pattern "fd*": expected the name of a tensor, found no match`},
		{"no pattern", Selection{Include: []string{"[c"}}, "", "syntax error"},
		{"integers", Selection{Include: []string{"shape"}}, "", `found "shape", but int64 is not a type that weights have`},
		{"unused", Selection{Include: []string{"unused"}}, "", "nothing in the graph uses it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := open(t, picked(2))
			before := m.Signature()
			err := m.Select(c.s)
			if c.err != "" {
				if err == nil || !errors.Is(err, ErrSelection) || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, expected %q", err, c.err)
				}
				if got := weightNames(m); got != "fc/w fc/b" || m.Signature() != before {
					t.Errorf("weights %q after a refusal", got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := weightNames(m); got != c.weights {
				t.Errorf("weights %q, expected %q", got, c.weights)
			}
			if same := m.Signature() == before; same != (c.weights == "fc/w fc/b") {
				t.Errorf("signature the same: %v", same)
			}
			// The same selection can be taken back.
			if err := m.Select(Selection{}); err != nil || m.Signature() != before || weightNames(m) != "fc/w fc/b" {
				t.Errorf("after taking it back: %v, %q", err, weightNames(m))
			}
		})
	}
}

// TestSelectedValuesDoNotCount: the values of a weight that is left out, and
// of a constant that is taken in, are no part of the signature.
func TestSelectedValuesDoNotCount(t *testing.T) {
	other := bytes.Replace(picked(3), floatBytes(1.75, 1.875), floatBytes(7, 8), 1) // the end of fc/w
	a, b := open(t, picked(2)), open(t, other)
	if a.Difference(b) == "" {
		t.Fatal("a constant differs, but not the graph")
	}
	s := Selection{Include: []string{"c"}, Exclude: []string{"fc/w"}}
	for _, m := range []*Model{a, b} {
		if err := m.Select(s); err != nil {
			t.Fatal(err)
		}
	}
	if d := a.Difference(b); d != "" {
		t.Errorf("difference %q, expected none", d)
	}
	// Values go where the selection says.
	var out bytes.Buffer
	if err := WriteTo(&out, a, b, nil); err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 4)
	written := open(t, out.Bytes())
	if err := written.Select(s); err != nil {
		t.Fatal(err)
	}
	if err := written.ReadValues(1, got, 0); err != nil || got[0] != 3 {
		t.Errorf("c is %v, %v, expected 3", got, err)
	}
	if !bytes.Contains(out.Bytes(), floatBytes(1.75, 1.875)) {
		t.Error("the weight that is left out was changed")
	}
}
