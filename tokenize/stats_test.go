package tokenize

import (
	"math"
	"math/rand/v2"
	"testing"

	"rpg/onnxio"
)

func abs(x float64) float64 { return math.Abs(x) }

func TestMomentsKeepSmallDeviationsFromALargeMean(t *testing.T) {
	// 1e6 plus and minus 0.0625: a sum of squares in float64 would lose it in
	// the long run; the exact answers are known.
	var m moments
	const blocks, size = 300, 1000
	for range blocks {
		x := make([]float64, size)
		for e := range x {
			x[e] = 1e6 + 0.0625*float64(1-2*(e%2))
		}
		m.add(x)
	}
	if !(abs(m.mean-1e6) <= 1e-9) {
		t.Errorf("mean %.12g, expected 1e6", m.mean)
	}
	if !(abs(m.std()-0.0625) <= 1e-12) {
		t.Errorf("std %.15g, expected 0.0625", m.std())
	}
	n := float64(blocks * size)
	if want := 0.0625 * math.Sqrt(n/(n-1)); !(abs(m.unbiased()-want) <= 1e-12) {
		t.Errorf("unbiased %.15g, expected %.15g", m.unbiased(), want)
	}
}

func TestMomentsDoNotDependOnTheBlocks(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float64, 5000)
	sum := 0.0
	for e := range x {
		x[e] = rng.NormFloat64()*3 - 2
		sum += x[e]
	}
	mean := sum / float64(len(x))
	squares := 0.0
	for _, v := range x {
		squares += (v - mean) * (v - mean)
	}
	want := math.Sqrt(squares / float64(len(x)))
	for _, size := range []int{1, 2, 7, 4999, 5000} {
		var m moments
		for e := 0; e < len(x); e += size {
			m.add(x[e:min(e+size, len(x))])
		}
		if !(abs(m.mean-mean) <= 1e-13) || !(abs(m.std()-want) <= 1e-13) {
			t.Errorf("blocks of %d: mean %.16g std %.16g, expected %.16g %.16g", size, m.mean, m.std(), mean, want)
		}
	}
}

func TestMomentsOfFewValues(t *testing.T) {
	var m moments
	m.add(nil)
	if m.std() != 0 || m.unbiased() != 0 {
		t.Errorf("of nothing: %g, %g, expected 0", m.std(), m.unbiased())
	}
	m.add([]float64{3})
	if m.mean != 3 || m.std() != 0 || m.unbiased() != 0 {
		t.Errorf("of 3: mean %g, %g, %g, expected 3, 0, 0", m.mean, m.std(), m.unbiased())
	}
}

func TestStatsByHand(t *testing.T) {
	a, b := memory{{0, 2, 4}}, memory{{10, 14, 18}}
	// Pooled: mean of the six is 8, squared deviations 64+36+16+4+36+100 = 256.
	// Paper: mean of 2 and 14, mean of the unbiased deviations 2 and 4.
	for _, c := range []struct {
		name      string
		options   Options
		mean, std float64
	}{
		{"pooled", pooled(4), 8, math.Sqrt(256. / 6)},
		{"paper", paper(4), 8, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			tok := mustBuild(t, c.options, onnxio.RoleWeight, a, b)
			s := tok.Stats.Weights[0]
			if !(abs(s.Mean-c.mean) <= 1e-14) || !(abs(s.Std-c.std) <= 1e-14) {
				t.Errorf("mean %.16g std %.16g, expected %.16g %.16g", s.Mean, s.Std, c.mean, c.std)
			}
			if tok.Stats.Models != 2 || tok.Stats.Method != c.options.Stats {
				t.Errorf("stats of %d models by %q, expected 2 by %q", tok.Stats.Models, tok.Stats.Method, c.options.Stats)
			}
		})
	}
}

func TestPaperStatsOfModelsThatAreConstantEach(t *testing.T) {
	// No model has a deviation of its own; the pooled one keeps tokens finite.
	tok := mustBuild(t, paper(4), onnxio.RoleScale, memory{{1, 1}}, memory{{3, 3}})
	if s := tok.Stats.Weights[0]; s.Mean != 2 || s.Std != 1 {
		t.Errorf("mean %g std %g, expected 2 and 1", s.Mean, s.Std)
	}
}

func TestVarianceTransforms(t *testing.T) {
	// Means 2 and 4: centres 1.9 and 3.8, stored as their mean 2.85. The
	// statistics use each model's own centre, as published.
	a, b := memory{{1, 3}}, memory{{2, 6}}
	tok := mustBuild(t, paper(2), onnxio.RoleVariance, a, b)
	y := [2]float64{math.Log(1/1.9 + 0.05), math.Log(3/1.9 + 0.05)} // the same for b
	mean, std := (y[0]+y[1])/2, abs(y[1]-y[0])/math.Sqrt2
	s := tok.Stats.Weights[0]
	if !(abs(s.Center-2.85) <= 1e-14) || !(abs(s.Mean-mean) <= 1e-14) || !(abs(s.Std-std) <= 1e-14) {
		t.Errorf("paper: %+v, expected center 2.85 mean %.16g std %.16g", s, mean, std)
	}
	tok = mustBuild(t, pooled(2), onnxio.RoleVariance, memory{{1, 3}})
	y = [2]float64{math.Log(1 + 1e-8), math.Log(3 + 1e-8)}
	mean, std = (y[0]+y[1])/2, (y[1]-y[0])/2
	s = tok.Stats.Weights[0]
	if s.Center != 0 || !(abs(s.Mean-mean) <= 1e-14) || !(abs(s.Std-std) <= 1e-14) {
		t.Errorf("ours: %+v, expected no center, mean %.16g std %.16g", s, mean, std)
	}
	if got := tok.Layout.Weights[0].Transform; got != TransformLog {
		t.Errorf("transform %q, expected %q", got, TransformLog)
	}
}

func TestDecodedVariancesArePositive(t *testing.T) {
	zoo := memory{{0, 0x1p-149, 1e-30, 1e-9, 1e-3, 5}}
	for _, o := range []Options{pooled(6), paper(6)} {
		t.Run(o.Stats, func(t *testing.T) {
			tok := mustBuild(t, o, onnxio.RoleVariance, zoo)
			for _, token := range []float32{-1e30, -1000, -30, -3, -1, 0, 1, 3} {
				values := tok.Decode([]float32{token, token, token, token, token, token})
				got := make([]float32, 6)
				if err := values.ReadValues(0, got, 0); err != nil {
					t.Fatal(err)
				}
				if !(got[0] > 0) {
					t.Errorf("token %g gives variance %g, expected a positive one", token, got[0])
				}
			}
		})
	}
}

func TestOurVarianceTransformIsInverted(t *testing.T) {
	zoo := memory{{0, 0x1p-149, 1e-30, 1e-9, 1e-3, 0.25, 0.5, 0.75}}
	tok := mustBuild(t, pooled(8), onnxio.RoleVariance, zoo)
	tokens := make([]float32, 8)
	if err := tok.Encode(zoo, tokens); err != nil {
		t.Fatal(err)
	}
	got := make([]float32, 8)
	if err := tok.Decode(tokens).ReadValues(0, got, 0); err != nil {
		t.Fatal(err)
	}
	const std = 0.28 // of the eight values, about
	for e, want := range zoo[0] {
		if !(abs(float64(got[e])-float64(want)) <= 1e-6*std) {
			t.Errorf("element %d is %g, expected %g", e, got[e], want)
		}
	}
}

func TestVariancesTooSmallForTheirLogarithmsAreConstant(t *testing.T) {
	tok := mustBuild(t, pooled(2), onnxio.RoleVariance, memory{{0x1p-149, 0x1p-148}, {1, 2}})
	if w := tok.Layout.Weights[0]; !w.Constant() {
		t.Errorf("transform %q, expected a constant", w.Transform)
	}
	if s := tok.Stats.Weights[0]; s.Mean != 0x1p-149 {
		t.Errorf("constant %g, expected the smallest value", s.Mean)
	}
}
