package tokenize

import (
	"slices"
	"testing"

	"rpg/onnxio"
)

func TestTokensAtTheBoundaries(t *testing.T) {
	const D = 8
	for _, c := range []struct {
		name     string
		elements int
		valid    []int32
	}{
		{"2", 2, []int32{2}},
		{"D-1", D - 1, []int32{D - 1}},
		{"D", D, []int32{D}},
		{"D+1", D + 1, []int32{D, 1}},
		{"2D-1", 2*D - 1, []int32{D, D - 1}},
		{"2D", 2 * D, []int32{D, D}},
		{"2D+1", 2*D + 1, []int32{D, D, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			// A weight before and one behind, so that First matters.
			m := memory{ramp(3), ramp(c.elements), ramp(D)}
			tok := mustBuild(t, pooled(D), onnxio.RoleWeight, m)
			want := append(append([]int32{3}, c.valid...), D)
			if got := tok.Layout.Valid(); !slices.Equal(got, want) {
				t.Errorf("Valid %v, expected %v", got, want)
			}
			if got := tok.Layout.Tokens(); got != len(want) {
				t.Errorf("Tokens %d, expected %d", got, len(want))
			}
			w := tok.Layout.Weights[1]
			if w.First != 1 || w.Tokens != len(c.valid) {
				t.Errorf("tokens %d from %d, expected %d from 1", w.Tokens, w.First, len(c.valid))
			}
			dst := slices.Repeat([]float32{99}, len(want)*D) // what padding must overwrite
			if err := tok.Encode(m, dst); err != nil {
				t.Fatal(err)
			}
			for l, n := range want {
				for e := int(n); e < D; e++ {
					if dst[l*D+e] != 0 {
						t.Errorf("token %d value %d is %g, expected padding of 0", l, e, dst[l*D+e])
					}
				}
			}
			values := tok.Decode(dst)
			for i := range m {
				got := make([]float32, len(m[i]))
				if err := values.ReadValues(i, got, 0); err != nil {
					t.Fatal(err)
				}
				for e := range got {
					if diff := abs(float64(got[e]) - float64(m[i][e])); !(diff <= 1e-6*tok.Stats.Weights[i].Std) {
						t.Errorf("weight %d element %d is %g, expected %g", i, e, got[e], m[i][e])
					}
				}
			}
		})
	}
}

func TestConstantWeightsTakeNoTokens(t *testing.T) {
	a := memory{{0.1, 0.1, 0.1}, {1, 2, 3}, {-7, -7}}
	b := memory{{0.1, 0.1, 0.1}, {4, 5, 6}, {-7, -7}}
	for _, o := range []Options{pooled(2), paper(2)} {
		t.Run(o.Stats, func(t *testing.T) {
			tok := mustBuild(t, o, onnxio.RoleScale, a, b)
			if got := tok.Layout.Valid(); !slices.Equal(got, []int32{2, 1}) {
				t.Errorf("Valid %v, expected [2 1]", got)
			}
			for i, want := range []bool{true, false, true} {
				if got := tok.Layout.Weights[i].Constant(); got != want {
					t.Errorf("weight %d: constant %v, expected %v", i, got, want)
				}
			}
			// Whatever the tokens are, a constant is exactly what it was.
			values := tok.Decode([]float32{9, 9, 9, 9})
			for i, want := range map[int]float32{0: 0.1, 2: -7} {
				got := make([]float32, tok.Layout.Weights[i].Elements)
				if err := values.ReadValues(i, got, 0); err != nil {
					t.Fatal(err)
				}
				for e := range got {
					if got[e] != want {
						t.Errorf("weight %d element %d is %g, expected exactly %g", i, e, got[e], want)
					}
				}
			}
		})
	}
}

func TestPositions(t *testing.T) {
	// Two tokens of weight 0, none of the constant weight 1, two of weight 2.
	m := memory{ramp(5), {1, 1}, ramp(6)}
	tok := mustBuild(t, pooled(3), onnxio.RoleWeight, m)
	const M = 8
	got := tok.Layout.Positions(M)
	// math.sin and math.cos of Python for n and n/100.
	zero := []float64{0, 1, 0, 1}
	one := []float64{0.8414709848078965, 0.5403023058681398, 0.009999833334166664, 0.9999500004166653}
	two := []float64{0.9092974268256817, -0.4161468365471424, 0.01999866669333308, 0.9998000066665778}
	want := slices.Concat(zero, zero, one, zero, zero, two, one, two)
	if len(got) != len(want) {
		t.Fatalf("%d values, expected %d", len(got), len(want))
	}
	for i := range want {
		if !(abs(float64(got[i])-want[i]) <= 1e-7) {
			t.Errorf("row %d value %d is %g, expected %g", i/M, i%M, got[i], want[i])
		}
	}
}

func TestPositionsRefuseAWidthThatCannotBeSplit(t *testing.T) {
	tok := mustBuild(t, pooled(3), onnxio.RoleWeight, memory{ramp(5)})
	for _, M := range []int{-4, 0, 2, 6, 9} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("M = %d: no panic", M)
				}
			}()
			tok.Layout.Positions(M)
		}()
	}
}
