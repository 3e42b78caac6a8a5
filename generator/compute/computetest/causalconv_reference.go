package computetest

// causalConvInputs holds the inputs of compute.CausalConv in float64, dense: x
// [n·l, c], w [c, k], bias [c].
type causalConvInputs struct {
	n, l, c, k int
	x, w, bias []float64
}

// linear returns the value before SiLU.
func (a *causalConvInputs) linear() []float64 {
	pre := make([]float64, a.n*a.l*a.c)
	for row := range a.n * a.l {
		for c := range a.c {
			v := a.bias[c]
			for k := range a.k {
				if back := a.k - 1 - k; row%a.l >= back {
					v += a.w[c*a.k+k] * a.x[(row-back)*a.c+c]
				}
			}
			pre[row*a.c+c] = v
		}
	}
	return pre
}

func (a *causalConvInputs) forward() (y []float64) {
	y = a.linear()
	for i, v := range y {
		y[i] = refSiLU(v)
	}
	return y
}

func (a *causalConvInputs) backward(dy []float64) (dx, dw, dbias []float64) {
	dx, dw, dbias = make([]float64, len(a.x)), make([]float64, len(a.w)), make([]float64, len(a.bias))
	for i, v := range a.linear() {
		row, c := i/a.c, i%a.c
		dv := dy[i] * refSiLUSlope(v)
		dbias[c] += dv
		for k := range a.k {
			if back := a.k - 1 - k; row%a.l >= back {
				dw[c*a.k+k] += dv * a.x[(row-back)*a.c+c]
				dx[(row-back)*a.c+c] += dv * a.w[c*a.k+k]
			}
		}
	}
	return dx, dw, dbias
}
