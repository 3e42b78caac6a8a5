package computetest

// convLayerInputs holds the inputs of compute.ConvLayer in float64, dense: x and skip
// [tokens, in, d] (skip may be nil), cond and time [tokens, d], w [out, in, k],
// bias [out].
type convLayerInputs struct {
	tokens, in, out, k, d int
	x, skip, cond, time   []float64
	w, bias               []float64
}

// sum is x + skip + cond, which the layer multiplies by time.
func (a *convLayerInputs) sum(token, c, d int) float64 {
	i := (token*a.in+c)*a.d + d
	v := a.x[i] + a.cond[token*a.d+d]
	if a.skip != nil {
		v += a.skip[i]
	}
	return v
}

func (a *convLayerInputs) forward() (y []float64) {
	y = make([]float64, a.tokens*a.out*a.d)
	for i := range y {
		token, o, d := i/a.d/a.out, i/a.d%a.out, i%a.d
		y[i] = a.bias[o]
		for c := range a.in {
			for k := range a.k {
				if at := d + k - a.k/2; at >= 0 && at < a.d {
					y[i] += a.w[(o*a.in+c)*a.k+k] * a.sum(token, c, at) * a.time[token*a.d+at]
				}
			}
		}
	}
	return y
}

func (a *convLayerInputs) backward(dy []float64) (dx, dcond, dtime, dw, dbias []float64) {
	dg := make([]float64, len(a.x))
	dw, dbias = make([]float64, len(a.w)), make([]float64, len(a.bias))
	for i, v := range dy {
		token, o, d := i/a.d/a.out, i/a.d%a.out, i%a.d
		dbias[o] += v
		for c := range a.in {
			for k := range a.k {
				if at := d + k - a.k/2; at >= 0 && at < a.d {
					dw[(o*a.in+c)*a.k+k] += v * a.sum(token, c, at) * a.time[token*a.d+at]
					dg[(token*a.in+c)*a.d+at] += v * a.w[(o*a.in+c)*a.k+k]
				}
			}
		}
	}
	dx, dcond, dtime = make([]float64, len(a.x)), make([]float64, a.tokens*a.d), make([]float64, a.tokens*a.d)
	for i, v := range dg {
		token, c, d := i/a.d/a.in, i/a.d%a.in, i%a.d
		dx[i] = v * a.time[token*a.d+d]
		dcond[token*a.d+d] += dx[i]
		dtime[token*a.d+d] += v * a.sum(token, c, d)
	}
	return dx, dcond, dtime, dw, dbias
}
