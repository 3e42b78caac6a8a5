package computetest

import "math"

// CheckGradient compares an analytic gradient of a float64 reference with
// central differences: want[i] is the derivative of loss by x[i]. loss reads x,
// which is changed in place and restored. Of a long x, some values are taken.
// As it does not look at the device, it is done once for each case only.
func (e *Env) CheckGradient(name string, loss func() float64, x, want []float64) {
	e.T.Helper()
	if len(x) != len(want) {
		e.T.Fatalf("%s: %d derivatives for %d values", name, len(want), len(x))
	}
	if !e.gradients {
		return
	}
	most := 60
	if len(x) > 2000 {
		most = 12 // the loss takes long
	}
	step := max(1, len(x)/most) | 1 // odd, so that all columns have a turn
	scale := rms(want)
	for i := 0; i < len(x); i += step {
		const h = 1e-5
		old := x[i]
		x[i] = old + h
		up := loss()
		x[i] = old - h
		down := loss()
		x[i] = old
		got := (up - down) / (2 * h)
		// The rounding error of a difference is about 1e-16·|loss|/h.
		tol := 1e-6*(math.Abs(want[i])+scale) + 1e-10*(math.Abs(up)+1)
		if !(math.Abs(got-want[i]) <= tol) {
			e.T.Errorf("%s: derivative %d of the reference is %g, finite differences give %g", name, i, want[i], got)
			return
		}
	}
}

// wide returns x in float64.
func wide(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// dot is Σ a_i·b_i: with random b it makes a loss of any output a.
func dot(a, b []float64) float64 {
	var s float64
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}
