package generator

import (
	"fmt"
	"math"
	"testing"

	"rpg/generator/compute"
)

func testSchedule() schedule {
	return newSchedule(Config{DiffusionSteps: 1000, BetaMin: 1e-4, BetaMax: 0.02})
}

// TestSamplersGaussian: for data N(m, s²) the best prediction is an affine
// function of x_t, so mean and variance can be followed exactly through every
// step of a sampler, and must end at m and s. What is left over is the error of
// finite steps: it is about proportional to their size.
func TestSamplersGaussian(t *testing.T) {
	const m, s = 0.7, 0.3
	sched := testSchedule()
	cases := []struct {
		sampler   string
		steps     int
		eta       float64
		tolerance float64 // relative, of the standard deviation
	}{
		{"ddpm", 0, 0, 0.015},
		{"ddim", 1000, 0, 0.01},
		{"ddim", 60, 0, 0.08},
		{"ddim", 120, 0, 0.04},
		{"ddim", 600, 0, 0.01}, // does not divide T
		{"ddim", 60, 1, 0.15},
		{"ddim", 333, 0.5, 0.02},
	}
	for _, c := range cases {
		for _, p := range []compute.Prediction{compute.PredictEps, compute.PredictV, compute.PredictX0} {
			t.Run(fmt.Sprintf("%s-%d-eta%v-p%d", c.sampler, c.steps, c.eta, p), func(t *testing.T) {
				steps, err := sched.steps(c.sampler, c.steps, c.eta, p)
				if err != nil {
					t.Fatal(err)
				}
				if steps[0].T != 999 || steps[len(steps)-1].T != 0 {
					t.Fatalf("grid goes from %d to %d, want 999 to 0", steps[0].T, steps[len(steps)-1].T)
				}
				mean, variance := 0.0, 1.0
				for _, k := range steps {
					slope, offset := bestPrediction(p, m, s, sched.abar[k.T])
					gain := k.X + k.Pred*slope
					mean, variance = gain*mean+k.Pred*offset, gain*gain*variance+k.Noise*k.Noise
				}
				if !(math.Abs(mean-m) <= 0.01) {
					t.Errorf("mean is %v, want %v", mean, m)
				}
				if got := math.Sqrt(variance); !(math.Abs(got/s-1) <= c.tolerance) {
					t.Errorf("standard deviation is %v, want %v", got, s)
				}
			})
		}
	}
}

// bestPrediction is E[prediction | x_t] = slope·x_t + offset for data N(m, s²).
func bestPrediction(p compute.Prediction, m, s, abar float64) (slope, offset float64) {
	a, b := math.Sqrt(abar), math.Sqrt(1-abar)
	v := a*a*s*s + b*b // variance of x_t, whose mean is a·m
	x0slope, x0offset := a*s*s/v, m-a*s*s/v*a*m
	epsSlope, epsOffset := b/v, -b/v*a*m
	switch p {
	case compute.PredictEps:
		return epsSlope, epsOffset
	case compute.PredictV:
		return a*epsSlope - b*x0slope, a*epsOffset - b*x0offset
	default:
		return x0slope, x0offset
	}
}

// TestDDIMGrid: every point of the grid is used once, whatever the count.
func TestDDIMGrid(t *testing.T) {
	for _, n := range []int{1, 2, 7, 60, 300, 600, 999, 1000} {
		steps, err := testSchedule().steps("ddim", n, 0, compute.PredictEps)
		if err != nil {
			t.Fatal(err)
		}
		if len(steps) != n {
			t.Fatalf("%d steps, want %d", len(steps), n)
		}
		for i, s := range steps {
			want := 999
			if n > 1 {
				want = int(math.Round(999 * float64(n-1-i) / float64(n-1)))
			}
			if s.T != want || i > 0 && s.T >= steps[i-1].T {
				t.Fatalf("step %d of %d is at t=%d, want %d", i, n, s.T, want)
			}
		}
	}
}

// TestDDPMIsThePosterior holds the common form of steps against Ho et al. 2020,
// eq. 7, and the published step with eps: (x - beta/sqrt(1-abar)·eps)/sqrt(1-beta).
func TestDDPMIsThePosterior(t *testing.T) {
	sched := testSchedule()
	steps, err := sched.steps("ddpm", 0, 0, compute.PredictEps)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range steps {
		beta, abar, previous := sched.beta[s.T], sched.abar[s.T], 1.0
		if s.T > 0 {
			previous = sched.abar[s.T-1]
		}
		x, pred := 1/math.Sqrt(1-beta), -beta/math.Sqrt(1-abar)/math.Sqrt(1-beta)
		noise := math.Sqrt(beta * (1 - previous) / (1 - abar))
		for _, c := range []struct{ got, want float64 }{{s.X, x}, {s.Pred, pred}, {s.Noise, noise}} {
			if !(math.Abs(c.got-c.want) <= 1e-9) {
				t.Fatalf("t=%d: got %v, want %v", s.T, c.got, c.want)
			}
		}
	}
}

func TestSamplerRefusals(t *testing.T) {
	for _, c := range []struct {
		sampler string
		steps   int
		eta     float64
	}{{"ddim", 0, 0}, {"ddim", 1001, 0}, {"ddim", 10, -0.1}, {"ddim", 10, math.NaN()}, {"euler", 10, 0}} {
		if _, err := testSchedule().steps(c.sampler, c.steps, c.eta, compute.PredictV); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
}
