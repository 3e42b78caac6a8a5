package computetest

import "math"

// batchNormELUInputs holds the inputs of compute.BatchNormELU in float64, dense: x
// [tokens, c, d]; scale, bias, runningMean and runningVar [c].
type batchNormELUInputs struct {
	tokens, c, d            int
	train                   bool
	eps, momentum           float64
	x, scale, bias          []float64
	runningMean, runningVar []float64
}

// statistics returns the mean and the biased variance of each channel.
func (a *batchNormELUInputs) statistics() (mean, variance []float64) {
	mean, variance = make([]float64, a.c), make([]float64, a.c)
	count := float64(a.tokens * a.d)
	for i, v := range a.x {
		mean[i/a.d%a.c] += v / count
	}
	for i, v := range a.x {
		variance[i/a.d%a.c] += (v - mean[i/a.d%a.c]) * (v - mean[i/a.d%a.c]) / count
	}
	return mean, variance
}

// batchNormResult holds all that compute.BatchNormELU writes.
type batchNormResult struct {
	y, mean, invStd, runningMean, runningVar []float64
}

func (a *batchNormELUInputs) forward() batchNormResult {
	mean, variance := a.runningMean, a.runningVar
	r := batchNormResult{runningMean: a.runningMean, runningVar: a.runningVar}
	if a.train {
		mean, variance = a.statistics()
		r.runningMean, r.runningVar = make([]float64, a.c), make([]float64, a.c)
		count := float64(a.tokens * a.d)
		for c := range a.c {
			r.runningMean[c] = (1-a.momentum)*a.runningMean[c] + a.momentum*mean[c]
			r.runningVar[c] = (1-a.momentum)*a.runningVar[c] + a.momentum*variance[c]*count/(count-1)
		}
	}
	r.mean = mean
	for c := range a.c {
		r.invStd = append(r.invStd, 1/math.Sqrt(variance[c]+a.eps))
	}
	for i, v := range a.x {
		c := i / a.d % a.c
		u := a.scale[c]*(v-mean[c])*r.invStd[c] + a.bias[c]
		if u < 0 {
			u = math.Expm1(u)
		}
		r.y = append(r.y, u)
	}
	return r
}

// backward returns the gradients of the training form.
func (a *batchNormELUInputs) backward(dy []float64) (dx, dscale, dbias []float64) {
	r := a.forward()
	dx, dscale, dbias = make([]float64, len(a.x)), make([]float64, a.c), make([]float64, a.c)
	du := make([]float64, len(a.x))
	for i, v := range a.x {
		c := i / a.d % a.c
		du[i] = dy[i]
		if r.y[i] < 0 { // the slope of exp(u)-1 is exp(u) = y+1
			du[i] *= r.y[i] + 1
		}
		dscale[c] += du[i] * (v - r.mean[c]) * r.invStd[c]
		dbias[c] += du[i]
	}
	count := float64(a.tokens * a.d)
	for i, v := range a.x {
		c := i / a.d % a.c
		unit := (v - r.mean[c]) * r.invStd[c]
		dx[i] = a.scale[c] * r.invStd[c] * (du[i] - dbias[c]/count - unit*dscale[c]/count)
	}
	return dx, dscale, dbias
}
