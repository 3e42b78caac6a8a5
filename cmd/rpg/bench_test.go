package main

import (
	"slices"
	"strings"
	"testing"

	"rpg/internal/shareddata"
	"rpg/onnxio"
	"rpg/tokenize"
)

func TestSelectCases(t *testing.T) {
	all := []benchCase{{name: "gemm/512"}, {name: "gemm/512/bf16"}, {name: "gemm/1024"}, {name: "ops/copy"}, {name: "io"}}
	for _, c := range []struct{ name, arguments, want string }{
		{"everything", "", "gemm/512 gemm/512/bf16 gemm/1024 ops/copy io"},
		{"a part", "gemm", "gemm/512 gemm/512/bf16 gemm/1024"},
		{"exactly one row", "gemm/512", "gemm/512"},
		{"in the order of the list", "io gemm/1024", "gemm/1024 io"},
		{"one twice", "io io", "io"},
		{"the beginning of a word", "gem", ""},
		{"unknown", "gemm/513", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := selectCases(strings.Fields(c.arguments), all)
			var names []string
			for _, k := range got {
				names = append(names, k.name)
			}
			if text := strings.Join(names, " "); text != c.want || (err != nil) != (c.want == "") {
				t.Errorf("got %q, %v, want %q", text, err, c.want)
			}
		})
	}
}

func TestNamesOfCasesDiffer(t *testing.T) {
	var names []string
	for _, k := range benchCases() {
		part, _, _ := strings.Cut(k.name, "/")
		if slices.Contains(names, k.name) || !slices.Contains(benchNames, part) {
			t.Errorf("case %q comes twice or belongs to no part of %v", k.name, benchNames)
		}
		names = append(names, k.name)
	}
}

func TestCompared(t *testing.T) {
	for _, c := range []struct {
		name                string
		ours, theirs, ratio float64
		less                bool
	}{
		{"a rate twice as high", 20, 10, 2, false},
		{"half the seconds", 1, 2, 2, true},
		{"twice the memory", 2, 1, 0.5, true},
	} {
		if r := compared(benchRow{}, c.ours, c.theirs, c.less); *r.Ratio != c.ratio || r.Value != c.ours || *r.Peer != c.theirs {
			t.Errorf("%s: got %v against %v, ratio %v, want %v", c.name, r.Value, *r.Peer, *r.Ratio, c.ratio)
		}
	}
}

// TestResNet20 holds the weights that bench trains on against those of real
// checkpoints.
func TestResNet20(t *testing.T) {
	m, err := onnxio.Open(shareddata.Models(t, "zoo/cifar10-resnet20")[0])
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	weights, values := resnet20()
	shapes := func(n int, at func(i int) (onnxio.Role, int)) (count map[onnxio.Role]map[int]int) {
		count = map[onnxio.Role]map[int]int{}
		for i := range n {
			role, elements := at(i)
			if count[role] == nil {
				count[role] = map[int]int{}
			}
			count[role][elements]++
		}
		return count
	}
	ours := shapes(len(weights), func(i int) (onnxio.Role, int) { return weights[i].Role, weights[i].Elements })
	real := shapes(len(m.Weights()), func(i int) (onnxio.Role, int) { return m.Weights()[i].Role, m.Weights()[i].Elements })
	for role, sizes := range real {
		for elements, n := range sizes {
			if ours[role][elements] != n {
				t.Errorf("%d weights of role %s with %d values, want %d", ours[role][elements], role, elements, n)
			}
		}
	}
	if len(weights) != len(m.Weights()) || values != 271098 {
		t.Errorf("%d weights with %d values, want %d with 271,098", len(weights), values, len(m.Weights()))
	}
	for _, preset := range []string{"fast", "paper"} {
		b := &bench{shrink: 1}
		trial, err := b.benchZoo("resnet20", preset)
		if err != nil {
			t.Fatal(err)
		}
		zoo, c := trial.Zoo, trial.Config
		real, err := tokenize.Build([]*onnxio.Model{m}, tokenize.Options{TokenDim: c.TokenDim, Stats: c.Stats, Granularity: "tensor"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := zoo.Tokenizer.Marshal(); err != nil {
			t.Errorf("%s: %v", preset, err)
		}
		if got, want := zoo.Tokenizer.Layout.Tokens(), real.Layout.Tokens(); got != want {
			t.Errorf("%s: %d tokens, want %d", preset, got, want)
		}
	}
}
