package tokenize

import (
	"math"
	"testing"

	"gorgonia.org/tensor"

	"rpg/onnxio"
)

func TestBuildRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	good := memory{ramp(6)}
	for _, c := range []struct {
		name    string
		options Options
		role    onnxio.Role
		zoo     []memory
		parts   []string
	}{
		{"NaN", pooled(4), onnxio.RoleWeight, []memory{good, {{1, 2, 3, 4, nan, 6}}}, []string{"m1", `"a"`, "NaN", "element 4, index [4]"}},
		{"Inf", pooled(4), onnxio.RoleWeight, []memory{{{inf, 2, 3, 4, 5, 6}}}, []string{"m0", `"a"`, "Inf", "element 0"}},
		{"negative variance", pooled(4), onnxio.RoleVariance, []memory{{{1, 2, -0.5}}}, []string{"m0", `"a"`, "variance", "-0.5", "element 2"}},
		{"negative variance, paper", paper(4), onnxio.RoleVariance, []memory{{{1, 2, -0.5}}}, []string{"m0", `"a"`, "variance", "-0.5", "element 2"}},
		{"all variances 0, paper", paper(4), onnxio.RoleVariance, []memory{{{1, 2}}, {{0, 0}}}, []string{"m1", `"a"`, "mean 0"}},
		{"another size", pooled(4), onnxio.RoleWeight, []memory{good, {ramp(7)}}, []string{"m1", `"a"`, "7 elements, expected 6"}},
		{"another number of weights", pooled(4), onnxio.RoleWeight, []memory{good, {ramp(6), ramp(6)}}, []string{"m1", "2 weights, expected 1"}},
		{"all constant", pooled(4), onnxio.RoleWeight, []memory{{{1, 1}}, {{1, 1}}}, []string{"m0", "constant in all 2 models"}},
		{"no weights", pooled(4), onnxio.RoleWeight, []memory{{}}, []string{"m0", "no weight"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := build(c.options, c.role, c.zoo...)
			wantError(t, err, append(c.parts, "tokenize: ")...)
		})
	}
}

func TestBuildRefusesOptions(t *testing.T) {
	for _, c := range []struct {
		name    string
		options Options
		part    string
	}{
		{"no width", Options{TokenDim: 0, Stats: StatsPooled, Granularity: GranularityTensor}, "token width 0, expected 1 to"},
		{"negative width", Options{TokenDim: -1, Stats: StatsPooled, Granularity: GranularityTensor}, "token width -1"},
		{"width too large", Options{TokenDim: MaxTokenDim + 1, Stats: StatsPooled, Granularity: GranularityTensor}, "token width 1048577"},
		{"no method", Options{TokenDim: 4, Stats: "", Granularity: GranularityTensor}, `method "", expected "pooled" or "paper"`},
		{"flat", Options{TokenDim: 4, Stats: StatsPooled, Granularity: "flat"}, `granularity "flat", expected "tensor"`},
		{"channel", Options{TokenDim: 4, Stats: StatsPooled, Granularity: "channel"}, `granularity "channel", expected "tensor"`},
		{"no models", pooled(4), "no models"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Build(nil, c.options)
			wantError(t, err, "tokenize: ", c.part)
		})
	}
}

func TestWhereNamesTheIndex(t *testing.T) {
	if got, want := where(23, []int{2, 3, 4}), "element 23, index [1 2 3]"; got != want {
		t.Errorf("%q, expected %q", got, want)
	}
}

func TestEncodeRefuses(t *testing.T) {
	tok := mustBuild(t, pooled(4), onnxio.RoleWeight, memory{{1, 2, 3}})
	variance := mustBuild(t, pooled(4), onnxio.RoleVariance, memory{{1, 2, 3}})
	narrow := mustBuild(t, pooled(4), onnxio.RoleWeight, memory{{0, 1e-30, 2e-30}})
	for _, c := range []struct {
		name  string
		tok   *Tokenizer
		m     memory
		parts []string
	}{
		{"NaN", tok, memory{{1, float32(math.NaN()), 3}}, []string{`"a"`, "NaN", "element 1"}},
		{"Inf", tok, memory{{1, 2, float32(math.Inf(-1))}}, []string{`"a"`, "-Inf", "element 2"}},
		{"negative variance", variance, memory{{1, -2, 3}}, []string{`"a"`, "-2", "element 1"}},
		{"too far out", narrow, memory{{1e10, 0, 0}}, []string{`"a"`, "standard deviations", "element 0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantError(t, c.tok.Encode(c.m, make([]float32, 4)), append(c.parts, "tokenize: ")...)
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	tok := mustBuild(t, pooled(4), onnxio.RoleWeight, memory{{1, 2, 3}, {5, 5}})
	nan := float32(math.NaN())
	for _, c := range []struct {
		name   string
		tokens []float32
		i, off int
		n      int
		part   string
	}{
		{"NaN", []float32{0, nan, 0, 0}, 0, 0, 3, "element 1"},
		{"NaN behind an offset", []float32{0, 0, nan, 0}, 0, 1, 2, "element 2"},
		{"Inf", []float32{float32(math.Inf(1)), 0, 0, 0}, 0, 0, 3, "element 0"},
		{"no such weight", make([]float32, 4), 2, 0, 1, "weight 2, expected 0 to 1"},
		{"negative weight", make([]float32, 4), -1, 0, 1, "weight -1"},
		{"negative offset", make([]float32, 4), 0, -1, 1, "elements -1 to 0"},
		{"behind the end", make([]float32, 4), 0, 2, 2, "elements 2 to 4, expected some of 3"},
		{"offset that overflows", make([]float32, 4), 0, math.MaxInt, 1, "expected some of 3"},
		{"constant behind the end", make([]float32, 4), 1, 0, 3, "elements 0 to 3, expected some of 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := tok.Decode(c.tokens).ReadValues(c.i, make([]float32, c.n), c.off)
			wantError(t, err, "tokenize: ", c.part)
		})
	}
	// NaN in padding is not a weight.
	if err := tok.Decode([]float32{0, 0, 0, nan}).ReadValues(0, make([]float32, 3), 0); err != nil {
		t.Errorf("padding of NaN: %v, expected it to be ignored", err)
	}
}

func TestWrongLengthsPanic(t *testing.T) {
	tok := mustBuild(t, pooled(4), onnxio.RoleWeight, memory{{1, 2, 3}})
	for name, f := range map[string]func(){
		"Encode": func() { _ = tok.Encode(memory{{1, 2, 3}}, make([]float32, 3)) },
		"Decode": func() { tok.Decode(make([]float32, 5)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic for a wrong length", name)
				}
			}()
			f()
		}()
	}
}

func TestDense(t *testing.T) {
	m := memory{ramp(5), ramp(3)}
	tok := mustBuild(t, pooled(4), onnxio.RoleWeight, m)
	tokens, err := tok.Tokens(m)
	if err != nil {
		t.Fatal(err)
	}
	if !tokens.Shape().Eq(tensor.Shape{3, 4}) {
		t.Fatalf("shape %v, expected (3, 4)", tokens.Shape())
	}
	values, err := tok.Values(tokens)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 3)
	if err := values.ReadValues(1, got, 0); err != nil {
		t.Fatal(err)
	}
	for e, want := range m[1] {
		if !(abs(float64(got[e]-want)) <= 1e-5) {
			t.Errorf("element %d is %g, expected %g", e, got[e], want)
		}
	}
	if _, err := tok.Tokens(memory{{1, float32(math.NaN()), 1, 1, 1}, ramp(3)}); err == nil {
		t.Error("Tokens of NaN: no error")
	}

	transposed := tensor.New(tensor.WithShape(4, 3), tensor.Of(tensor.Float32))
	if err := transposed.T(); err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]*tensor.Dense{
		"shape":     tensor.New(tensor.WithShape(4, 3), tensor.Of(tensor.Float32)),
		"vector":    tensor.New(tensor.WithShape(12), tensor.Of(tensor.Float32)),
		"float64":   tensor.New(tensor.WithShape(3, 4), tensor.Of(tensor.Float64)),
		"transpose": transposed,
	} {
		_, err := tok.Values(wrong)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
