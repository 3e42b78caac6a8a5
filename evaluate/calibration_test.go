package evaluate

import (
	"math"
	"math/rand/v2"
	"testing"

	"rpg/onnxio"
)

func TestConfidence(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		name   string
		logits []float32
		best   int
		want   float64
	}{
		{"two equal", []float32{2, 2}, 0, 0.5},
		{"log 3", []float32{float32(math.Log(3)), 0}, 0, 0.75},
		{"large", []float32{1000, 999}, 0, 1 / (1 + math.Exp(-1))},
		{"infinite", []float32{inf, 3, 0}, 0, 1},
		{"infinite twice", []float32{inf, inf, 0}, 0, 0.5},
		{"all minus infinite", []float32{-inf, -inf}, 0, 0.5},
		{"probabilities", []float32{0.1, 0.7, 0.2}, 1, 0.7},
		{"logits that sum up to 1", []float32{-1, 2}, 1, 1 / (1 + math.Exp(-3))},
	} {
		if got := confidence(c.logits, c.best); !(math.Abs(got-c.want) < 1e-7) {
			t.Errorf("%s: %.9f, expected %.9f", c.name, got, c.want)
		}
	}
}

// referenceECE is the definition, bin by bin over all images.
func referenceECE(confidence []float64, right []bool) float64 {
	ece := 0.0
	for m := range 15 {
		n, hits, sum := 0.0, 0.0, 0.0
		for i, c := range confidence {
			if c > float64(m)/15 && c <= float64(m+1)/15 {
				n++
				sum += c
				if right[i] {
					hits++
				}
			}
		}
		if n > 0 {
			ece += n / float64(len(confidence)) * math.Abs(hits/n-sum/n)
		}
	}
	return ece
}

func TestECE(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const n = 20000
	for _, c := range []struct {
		name      string
		chance    func(confidence float64) float64 // to be right
		low, high float64
	}{
		{"calibrated", func(c float64) float64 { return c }, 0, 0.02},
		{"overconfident", func(c float64) float64 { return c - 0.2 }, 0.18, 0.22},
		{"underconfident", func(c float64) float64 { return min(1, c+0.1) }, 0.07, 0.1},
		{"always right", func(float64) float64 { return 1 }, 0.33, 0.37},
	} {
		var counted Calibration
		var all []float64
		var right []bool
		for range n {
			p := 0.3 + 0.7*r.Float64()
			all, right = append(all, p), append(right, r.Float64() < c.chance(p))
			counted.add(p, right[len(right)-1])
		}
		got, want := counted.ECE(), referenceECE(all, right)
		if !(math.Abs(got-want) < 1e-8) || !(got >= c.low && got <= c.high) {
			t.Errorf("%s: %.9f, expected %.9f, of %g to %g", c.name, got, want, c.low, c.high)
		}
	}
	var c Calibration
	if c.ECE() != 0 {
		t.Error("no images: not 0")
	}
	c.add(1, true)
	c.add(1.0/15, false) // a bin's upper end belongs to it
	if c[14].Images != 1 || c[0].Images != 1 || !(math.Abs(c.ECE()-1.0/30) < 1e-9) {
		t.Errorf("%+v: %g", c, c.ECE())
	}
}

// TestCalibrationOfModels scores networks that are sure of everything, unsure of
// everything, and trained.
func TestCalibrationOfModels(t *testing.T) {
	r := openTestRuntime(t)
	d := testImages(t, 300)
	m := testZoo(t, 1)[0]
	flat := withValues(t, "flat.onnx", m, constant{})
	sure := withValues(t, "sure.onnx", m, times{m, 30}) // wrong with full confidence
	result, err := Evaluate(t.Context(), Options{Runtime: r, Data: d, Models: []*onnxio.Model{m, flat, sure}})
	if err != nil {
		t.Fatal(err)
	}
	trained, unsure, overconfident := result.Models[0], result.Models[1], result.Models[2]
	if want := math.Abs(unsure.Top1 - 0.1); !(math.Abs(unsure.ECE-want) < 1e-7) {
		t.Errorf("equal logits: %g, expected %g", unsure.ECE, want)
	}
	if want := 1 - overconfident.Top1; !(math.Abs(overconfident.ECE-want) < 0.01) {
		t.Errorf("full confidence: %g, expected about %g", overconfident.ECE, want)
	}
	if !(trained.ECE > 0.005 && trained.ECE < 0.2) {
		t.Errorf("trained: %g", trained.ECE)
	}
	if want := (trained.ECE + unsure.ECE + overconfident.ECE) / 3; !(math.Abs(result.Groups[0].ECE.Mean-want) < 1e-12) {
		t.Errorf("group: %g, expected %g", result.Groups[0].ECE.Mean, want)
	}
}

// times are the weights of another model, the last two tensors, of the
// classifier, times a factor.
type times struct {
	*onnxio.Model
	factor float32
}

func (s times) ReadValues(i int, dst []float32, off int) error {
	if err := s.Model.ReadValues(i, dst, off); err != nil {
		return err
	}
	if i >= len(s.Weights())-2 {
		for e := range dst {
			dst[e] *= s.factor
		}
	}
	return nil
}

// TestShiftCostsAccuracy scores a network on its images and on noisy ones.
func TestShiftCostsAccuracy(t *testing.T) {
	r := openTestRuntime(t)
	m := testZoo(t, 1)[0]
	d := testImages(t, 300)
	clean := score(t, r, d, ScorerOptions{}, m, m)[0]
	noisy := shifted(t, d, "noise:0.2")
	first := score(t, r, noisy, ScorerOptions{}, m, m)[0]
	if !(first.Correct < clean.Correct-30) {
		t.Errorf("%d right of 300 with noise, %d without", first.Correct, clean.Correct)
	}
	// Every model sees the same pictures, in whatever way it is scored.
	again := score(t, r, noisy, ScorerOptions{Threads: 3, Batch: 7, Sessions: SessionsShared}, m, m, m)
	for i, s := range again {
		if s.Correct != first.Correct {
			t.Errorf("model %d: %d right, expected %d", i, s.Correct, first.Correct)
		}
	}
}
