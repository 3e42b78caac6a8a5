package computetest

import (
	"math"

	"rpg/generator/compute"
)

func batchNormELU() Operation {
	var cases []Case
	for _, c := range batchNormELUCases {
		cases = append(cases, Case{c.name, func(e *Env) {
			a, args := c.inputs(e, true)
			args.Y = e.Output("y", len(a.x))
			args.Mean, args.InvStd = e.Output("mean", c.c), e.Output("invstd", c.c)
			e.Device.BatchNormELU(args)
			want := a.forward()
			e.Check("y", want.y, 5e-6)
			e.Check("mean", want.mean, 2e-6)
			e.Check("invstd", want.invStd, 2e-6)
			e.Check("runningmean", want.runningMean, 2e-6)
			e.Check("runningvar", want.runningVar, 2e-6)
		}}, Case{c.name + " without training", func(e *Env) {
			a, args := c.inputs(e, false)
			args.Y = e.Output("y", len(a.x))
			e.Device.BatchNormELU(args)
			e.Check("y", a.forward().y, 5e-6)
		}}, Case{c.name + " without training in place", func(e *Env) {
			a, args := c.inputs(e, false)
			args.Y = args.X
			e.Device.BatchNormELU(args)
			e.Check("x", a.forward().y, 5e-6)
		}})
	}
	return Operation{"BatchNormELU", cases}
}

func batchNormELUBackward() Operation {
	var cases []Case
	for _, c := range batchNormELUCases {
		if c.tol() > 0.01 {
			continue // Mean in float32 says too little
		}
		run := func(e *Env, inPlace bool) {
			a, args := c.inputs(e, true)
			dy, dscale, dbias := e.Random(len(a.x)), e.Random(c.c), e.Random(c.c)
			dx64, dscale64, dbias64 := a.backward(wide(dy))
			if len(dy) < 2000 && c.offset == 0 {
				loss := func() float64 { return dot(a.forward().y, wide(dy)) }
				e.CheckGradient("x", loss, a.x, dx64)
				e.CheckGradient("scale", loss, a.scale, dscale64)
				e.CheckGradient("bias", loss, a.bias, dbias64)
			}
			result := a.forward()
			args.Mean, args.InvStd = e.Buffer("mean", narrow(result.mean)), e.Buffer("invstd", narrow(result.invStd))
			back := compute.BatchNormELUBackward{
				BatchNormELU: args,
				DY:           e.Buffer("dy", dy),
				DScale:       e.Buffer("dscale", dscale), DBias: e.Buffer("dbias", dbias),
			}
			name := "dx"
			if inPlace {
				back.DX, name = back.DY, "dy"
			} else {
				back.DX = e.Output("dx", len(dy))
			}
			e.Device.BatchNormELUBackward(back)
			e.Check(name, dx64, c.tol())
			e.Check("dscale", plus(dscale, dscale64), c.tol())
			e.Check("dbias", plus(dbias, dbias64), c.tol())
		}
		cases = append(cases,
			Case{c.name, func(e *Env) { run(e, false) }},
			Case{c.name + " in place", func(e *Env) { run(e, true) }})
	}
	return Operation{"BatchNormELUBackward", cases}
}

// batchNormELUCase holds sizes; X has the mean offset and the deviation spread.
// Two values need a large eps: without one they are always normalized to 1 and
// -1, and their gradient is 0.
type batchNormELUCase struct {
	name                string
	tokens, c, d        int
	offset, spread, eps float32
}

var batchNormELUCases = []batchNormELUCase{
	{"two values", 2, 1, 1, 0, 1, 0.5},
	{"one token", 1, 3, 17, 0, 1, 1e-5},
	{"one position", 19, 5, 1, 0, 2, 1e-5},
	{"odd sizes", 7, 5, 33, 0, 1, 1e-5},
	{"several groups", 130, 3, 31, 0, 3, 1e-5},
	{"far from zero", 9, 4, 40, 100, 0.5, 1e-5},
	{"very far from zero", 9, 4, 40, 1e5, 0.25, 1e-5},
	{"wide", 6, 32, 256, 0, 1, 1e-5},
}

// tol allows for the rounding of x-mean where the mean is far from zero.
func (c batchNormELUCase) tol() float64 {
	return 1e-5 * float64(1+c.offset/c.spread)
}

func (c batchNormELUCase) inputs(e *Env, train bool) (*batchNormELUInputs, compute.BatchNormELU) {
	x := e.Random(c.tokens * c.c * c.d)
	for i := range x {
		x[i] = c.offset + c.spread*x[i]
	}
	scale, bias := e.Random(c.c), e.Random(c.c)
	mean, variance := e.Uniform(c.c, -1, 1), e.Uniform(c.c, 0.5, 2)
	const momentum = 0.125
	a := &batchNormELUInputs{
		tokens: c.tokens, c: c.c, d: c.d, train: train, eps: float64(c.eps), momentum: momentum,
		x: wide(x), scale: wide(scale), bias: wide(bias), runningMean: wide(mean), runningVar: wide(variance),
	}
	return a, compute.BatchNormELU{
		Tokens: c.tokens, C: c.c, D: c.d, Train: train, Eps: c.eps, Momentum: momentum,
		X: e.Buffer("x", x), Scale: e.Buffer("scale", scale), Bias: e.Buffer("bias", bias),
		RunningMean: e.Buffer("runningmean", mean), RunningVar: e.Buffer("runningvar", variance),
	}
}

// narrow rounds x to float32.
func narrow(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

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
