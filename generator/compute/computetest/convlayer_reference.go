package computetest

// convLayerInputs holds the inputs of compute.ConvLayer in float64, dense: x and skip
// [tokens, in, d] (skip may be nil), cond and time [tokens, d], w [out, in, k],
// bias [out].
type convLayerInputs struct {
	tokens, in, out, k, d int
	x, skip, cond, time   []float64
	w, bias               []float64

	xNorm, skipNorm, yNorm *batchNorm // or nil
	y                      []float64  // as stored, with a yNorm for the backward pass
}

// normalized returns what n, if there is one, makes of x.
func normalized(n *batchNorm, x []float64) []float64 {
	if n == nil || x == nil {
		return x
	}
	return n.apply(x)
}

// sums is x + skip + cond, [tokens, in, d], which the layer multiplies by time.
func (a *convLayerInputs) sums() []float64 {
	out, skip := append([]float64(nil), normalized(a.xNorm, a.x)...), normalized(a.skipNorm, a.skip)
	for i := range out {
		out[i] += a.cond[i/a.d/a.in*a.d+i%a.d]
		if skip != nil {
			out[i] += skip[i]
		}
	}
	return out
}

func (a *convLayerInputs) forward() (y []float64) {
	y = make([]float64, a.tokens*a.out*a.d)
	sums := a.sums()
	for i := range y {
		token, o, d := i/a.d/a.out, i/a.d%a.out, i%a.d
		y[i] = a.bias[o]
		for c := range a.in {
			for k := range a.k {
				if at := d + k - a.k/2; at >= 0 && at < a.d {
					y[i] += a.w[(o*a.in+c)*a.k+k] * sums[(token*a.in+c)*a.d+at] * a.time[token*a.d+at]
				}
			}
		}
	}
	return y
}

// backward takes the gradient of the output, normalized if it is.
func (a *convLayerInputs) backward(dy []float64) (dx, dcond, dtime, dw, dbias []float64) {
	if a.yNorm != nil {
		dy = a.yNorm.back(dy, a.y)
	}
	sums := a.sums()
	dg := make([]float64, len(a.x))
	dw, dbias = make([]float64, len(a.w)), make([]float64, len(a.bias))
	for i, v := range dy {
		token, o, d := i/a.d/a.out, i/a.d%a.out, i%a.d
		dbias[o] += v
		for c := range a.in {
			for k := range a.k {
				if at := d + k - a.k/2; at >= 0 && at < a.d {
					dw[(o*a.in+c)*a.k+k] += v * sums[(token*a.in+c)*a.d+at] * a.time[token*a.d+at]
					dg[(token*a.in+c)*a.d+at] += v * a.w[(o*a.in+c)*a.k+k]
				}
			}
		}
	}
	dx, dcond, dtime = make([]float64, len(a.x)), make([]float64, a.tokens*a.d), make([]float64, a.tokens*a.d)
	for i, v := range dg {
		token, d := i/a.d/a.in, i%a.d
		dx[i] = v * a.time[token*a.d+d]
		dcond[token*a.d+d] += dx[i]
		dtime[token*a.d+d] += v * sums[i]
	}
	return dx, dcond, dtime, dw, dbias
}
