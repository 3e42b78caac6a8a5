package tokenize

import (
	"fmt"
	"math"

	"rpg/onnxio"
)

// The two ways to compute a mean and a standard deviation over a zoo.
const (
	// StatsPooled is the mean and standard deviation over all values of all
	// models together.
	StatsPooled = "pooled"
	// StatsPaper is the published way: the mean over the models of each model's
	// own mean and of its own unbiased standard deviation. It also chooses
	// TransformPaperLog for variances.
	StatsPaper = "paper"
)

// Stats are the numbers that normalize each weight.
type Stats struct {
	Method  string        `json:"method"` // StatsPooled or StatsPaper
	Models  int           `json:"models"` // checkpoints they were computed over
	Weights []WeightStats `json:"weights"`
}

// WeightStats normalize one weight: a token holds (transform(w) - Mean) / Std.
// A constant weight has Std 0 and its value, exactly, in Mean.
type WeightStats struct {
	Mean   float64 `json:"mean"`
	Std    float64 `json:"std"`
	Center float64 `json:"center,omitempty"` // TransformPaperLog only, > 0
}

// check returns an error for the first number that breaks a rule, given the
// layout (already checked) that the statistics belong to.
func (s *Stats) check(l *Layout) error {
	if err := checkMethod(s.Method); err != nil {
		return fmt.Errorf("stats: %w", err)
	}
	if s.Models < 1 {
		return fmt.Errorf("stats: %d models, expected at least 1", s.Models)
	}
	if len(s.Weights) != len(l.Weights) {
		return fmt.Errorf("stats: %d weights, the layout has %d", len(s.Weights), len(l.Weights))
	}
	for j := range s.Weights {
		w := &l.Weights[j]
		if err := s.Weights[j].check(w.Transform); err != nil {
			return fmt.Errorf("stats: weight %d %q: %w", j, w.Name, err)
		}
		if w.Constant() && w.Role == onnxio.RoleVariance && s.Weights[j].Mean < 0 {
			return fmt.Errorf("stats: weight %d %q: variance %g, expected at least 0", j, w.Name, s.Weights[j].Mean)
		}
		if !w.Constant() && w.Transform != chooseTransform(w.Role, s.Method) {
			return fmt.Errorf("stats: weight %d %q: transform %q does not belong to method %q", j, w.Name, w.Transform, s.Method)
		}
	}
	return nil
}

func (w *WeightStats) check(transform string) error {
	if !finite(w.Mean) || !finite(w.Std) || !finite(w.Center) {
		return fmt.Errorf("mean %g, std %g, center %g, expected finite numbers", w.Mean, w.Std, w.Center)
	}
	if transform == TransformConstant {
		if w.Std != 0 || float64(float32(w.Mean)) != w.Mean {
			return fmt.Errorf("mean %g, std %g, expected a float32 and 0 for a constant", w.Mean, w.Std)
		}
	} else if w.Std <= 0 {
		return fmt.Errorf("std %g, expected a positive number", w.Std)
	}
	if usesCenter := transform == TransformPaperLog; usesCenter != (w.Center != 0) || w.Center < 0 {
		return fmt.Errorf("center %g for transform %q, expected a positive number for %q and none otherwise",
			w.Center, transform, TransformPaperLog)
	}
	return nil
}

func checkMethod(m string) error {
	if m != StatsPooled && m != StatsPaper {
		return fmt.Errorf("method %q, expected %q or %q", m, StatsPooled, StatsPaper)
	}
	return nil
}

// moments are the running count, mean and sum of squared deviations of a stream
// of values. The zero value has seen none.
type moments struct {
	n, mean, m2 float64
}

// add takes in a block of values. The block's own mean and deviations are
// computed in two passes and then merged, which loses nothing when the mean is
// large against the deviations.
func (a *moments) add(x []float64) {
	if len(x) == 0 {
		return
	}
	n := float64(len(x))
	sum := 0.0
	for _, v := range x {
		sum += v - x[0]
	}
	mean := x[0] + sum/n
	m2, rest := 0.0, 0.0
	for _, v := range x {
		d := v - mean
		m2 += d * d
		rest += d
	}
	a.merge(moments{n: n, mean: mean, m2: m2 - rest*rest/n})
}

// merge takes in what b has seen (Chan, Golub and LeVeque 1979).
func (a *moments) merge(b moments) {
	if b.n == 0 {
		return
	}
	n := a.n + b.n
	d := b.mean - a.mean
	a.mean += d * (b.n / n)
	a.m2 += b.m2 + d*d*(a.n*b.n/n)
	a.n = n
}

// std gives the standard deviation over the values seen, 0 for none.
func (a *moments) std() float64 {
	if a.n == 0 {
		return 0
	}
	return math.Sqrt(max(a.m2, 0) / a.n)
}

// unbiased gives the standard deviation with n-1 in place of n, 0 for less than
// two values.
func (a *moments) unbiased() float64 {
	if a.n < 2 {
		return 0
	}
	return math.Sqrt(max(a.m2, 0) / (a.n - 1))
}
