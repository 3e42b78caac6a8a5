package computetest

import (
	"math"

	"rpg/generator/compute"
)

// batchNorm holds a compute.BatchNorm in float64, of c channels of d values a
// token.
type batchNorm struct {
	c, d                    int
	eps, momentum           float64
	scale, bias             []float64
	mean, invStd            []float64
	runningMean, runningVar []float64
}

// newBatchNorm draws one. Its buffers are called name + field; with statistics
// they hold Mean and InvStd, which else are outputs.
func newBatchNorm(e *Env, name string, c, d int, statistics bool) (*batchNorm, *compute.BatchNorm) {
	n := &batchNorm{c: c, d: d, eps: 1e-3, momentum: 0.125}
	a := &compute.BatchNorm{Eps: float32(n.eps), Momentum: float32(n.momentum)}
	draw := func(field string, values []float32) ([]float64, compute.Buffer) {
		return wide(values), e.Buffer(name+field, values)
	}
	n.scale, a.Scale = draw("scale", e.Random(c))
	n.bias, a.Bias = draw("bias", e.Random(c))
	n.runningMean, a.RunningMean = draw("runningmean", e.Random(c))
	n.runningVar, a.RunningVar = draw("runningvar", e.Uniform(c, 0.5, 2))
	if statistics {
		n.mean, a.Mean = draw("mean", e.Random(c))
		n.invStd, a.InvStd = draw("invstd", e.Uniform(c, 0.5, 2))
	} else {
		a.Mean, a.InvStd = e.Output(name+"mean", c), e.Output(name+"invstd", c)
	}
	return n, a
}

// unit returns (y-Mean)·InvStd.
func (n *batchNorm) unit(y []float64) []float64 {
	out := make([]float64, len(y))
	for i, v := range y {
		c := i / n.d % n.c
		out[i] = (v - n.mean[c]) * n.invStd[c]
	}
	return out
}

// apply returns N(y), with the statistics as they are.
func (n *batchNorm) apply(y []float64) []float64 {
	out := n.unit(y)
	for i, v := range out {
		c := i / n.d % n.c
		if out[i] = n.scale[c]*v + n.bias[c]; out[i] < 0 {
			out[i] = math.Expm1(out[i])
		}
	}
	return out
}

// measure sets the statistics to those of y and moves the running values.
func (n *batchNorm) measure(y []float64) {
	n.mean, n.invStd = make([]float64, n.c), make([]float64, n.c)
	variance, count := make([]float64, n.c), float64(len(y)/n.c)
	for i, v := range y {
		n.mean[i/n.d%n.c] += v / count
	}
	for i, v := range y {
		c := i / n.d % n.c
		variance[c] += (v - n.mean[c]) * (v - n.mean[c]) / count
	}
	for c, v := range variance {
		n.invStd[c] = 1 / math.Sqrt(v+n.eps)
		n.runningMean[c] = (1-n.momentum)*n.runningMean[c] + n.momentum*n.mean[c]
		n.runningVar[c] = (1-n.momentum)*n.runningVar[c] + n.momentum*v*count/(count-1)
	}
}

// normGradients are those of a batchNorm: du, the gradient of u, and what
// Σ du·unit and Σ du are in each channel.
type normGradients struct{ du, dscale, dbias []float64 }

// inside takes dy, the gradient of N(y).
func (n *batchNorm) inside(dy, y []float64) normGradients {
	g := normGradients{make([]float64, len(y)), make([]float64, n.c), make([]float64, n.c)}
	unit := n.unit(y)
	for i, v := range n.apply(y) {
		c := i / n.d % n.c
		g.du[i] = dy[i]
		if v < 0 { // the slope of exp(u)-1 is exp(u) = N+1
			g.du[i] *= v + 1
		}
		g.dscale[c] += g.du[i] * unit[i]
		g.dbias[c] += g.du[i]
	}
	return g
}

// back returns the gradient of y when the statistics are those of y.
func (n *batchNorm) back(dy, y []float64) []float64 {
	g, unit, count := n.inside(dy, y), n.unit(y), float64(len(y)/n.c)
	out := make([]float64, len(y))
	for i, v := range unit {
		c := i / n.d % n.c
		out[i] = n.scale[c] * n.invStd[c] * (g.du[i] - g.dbias[c]/count - v*g.dscale[c]/count)
	}
	return out
}

// means returns sums divided by count.
func means(sums []float64, count int) []float64 {
	out := make([]float64, len(sums))
	for i, v := range sums {
		out[i] = v / float64(count)
	}
	return out
}

// narrow rounds x to float32.
func narrow(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}
