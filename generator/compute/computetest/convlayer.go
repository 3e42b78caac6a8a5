package computetest

import (
	"math"

	"rpg/generator/compute"
)

func convLayer() Operation {
	var cases []Case
	for _, c := range convLayerCases {
		cases = append(cases, Case{c.name, func(e *Env) {
			a, args := c.inputs(e)
			args.Y = e.Output("y", c.tokens*c.out*c.d)
			e.Device.ConvLayer(args)
			want := a.forward()
			e.Check("y", want, c.tolerance())

			args.Packed, args.Y, args.ELU = e.Device.PackConvLayer(args), e.Output("elu", len(want)), true
			e.Device.ConvLayer(args)
			for i, v := range want {
				if v < 0 {
					want[i] = math.Expm1(v)
				}
			}
			e.Check("elu", want, c.tolerance())
		}})
	}
	return Operation{"ConvLayer", cases}
}

func convLayerBackward() Operation {
	var cases []Case
	for _, c := range convLayerCases {
		run := func(e *Env, inputGradient bool) {
			a, args := c.inputs(e)
			dy := e.Random(c.tokens * c.out * c.d)
			dcond, dtime := e.Random(c.tokens*c.d), e.Random(c.tokens*c.d)
			dw, dbias := e.Random(c.out*c.in*c.k), e.Random(c.out)
			dx64, dcond64, dtime64, dw64, dbias64 := a.backward(wide(dy))
			if len(dy) < 1000 {
				loss := func() float64 { return dot(a.forward(), wide(dy)) }
				e.CheckGradient("x", loss, a.x, dx64)
				e.CheckGradient("cond", loss, a.cond, dcond64)
				e.CheckGradient("time", loss, a.time, dtime64)
				e.CheckGradient("w", loss, a.w, dw64)
				e.CheckGradient("bias", loss, a.bias, dbias64)
				if a.skip != nil {
					e.CheckGradient("skip", loss, a.skip, dx64)
				}
			}
			back := compute.ConvLayerBackward{
				ConvLayer: args,
				DY:        e.Buffer("dy", dy),
				DCond:     e.Matrix("dcond", dcond, c.tokens, c.d, c.d+c.gap),
				DTime:     e.Matrix("dtime", dtime, c.tokens, c.d, c.d+2*c.gap),
				DW:        e.Buffer("dw", dw), DBias: e.Buffer("dbias", dbias),
			}
			if inputGradient {
				back.DX = e.Output("dx", c.tokens*c.in*c.d)
			}
			e.Device.ConvLayerBackward(back)
			if inputGradient {
				e.Check("dx", dx64, 2*c.tolerance())
			}
			e.Check("dcond", plus(dcond, dcond64), 2*c.tolerance())
			e.Check("dtime", plus(dtime, dtime64), 2*c.tolerance())
			e.Check("dw", plus(dw, dw64), 2*c.tolerance())
			e.Check("dbias", plus(dbias, dbias64), 2*c.tolerance())
		}
		cases = append(cases,
			Case{c.name, func(e *Env) { run(e, true) }},
			Case{c.name + " without DX", func(e *Env) { run(e, false) }})
	}
	return Operation{"ConvLayerBackward", cases}
}

// convLayerCase holds sizes; rows of Cond and Time are gap values or more
// apart. oneRow repeats one row of each (stride 0).
type convLayerCase struct {
	name                       string
	tokens, in, out, k, d, gap int
	skip, oneRow               bool
}

var convLayerCases = []convLayerCase{
	{"one value", 1, 1, 1, 7, 1, 0, false, false},
	{"kernel of one", 2, 3, 2, 1, 5, 1, true, false},
	{"shorter than the kernel", 3, 2, 3, 7, 3, 0, true, true},
	{"odd sizes", 5, 3, 5, 7, 17, 3, true, false},
	{"first layer", 4, 1, 32, 7, 64, 0, false, true},
	{"last layer", 4, 32, 1, 7, 64, 5, true, true},
	{"one to one", 3, 1, 1, 7, 45, 2, false, false},
	{"middle", 3, 33, 40, 7, 70, 7, false, false},
	{"kernel of five", 2, 9, 31, 5, 33, 0, true, true},
	{"kernel of 35", 2, 1, 3, 35, 20, 1, false, false},
	{"many tokens", 70, 8, 9, 7, 31, 0, true, false},
	{"long signal", 2, 17, 12, 7, 1027, 0, false, false},
	{"token of 256", 5, 32, 40, 7, 256, 0, true, false},
	{"token of 200", 3, 9, 8, 7, 200, 3, false, true},
}

// tolerance is that of the outputs. Long signals of many channels may be
// convolved by minimal filtering, which rounds more.
func (c convLayerCase) tolerance() float64 {
	if c.d >= 192 && c.in >= 8 && c.out >= 8 {
		return 4e-5
	}
	return 5e-6
}

func (c convLayerCase) inputs(e *Env) (*convLayerInputs, compute.ConvLayer) {
	x, w, bias := e.Random(c.tokens*c.in*c.d), e.Random(c.out*c.in*c.k), e.Random(c.out)
	a := &convLayerInputs{tokens: c.tokens, in: c.in, out: c.out, k: c.k, d: c.d, x: wide(x), w: wide(w), bias: wide(bias)}
	args := compute.ConvLayer{
		Tokens: c.tokens, In: c.in, Out: c.out, K: c.k, D: c.d,
		X: e.Buffer("x", x), W: e.Buffer("w", w), Bias: e.Buffer("bias", bias),
	}
	if c.skip {
		skip := e.Random(c.tokens * c.in * c.d)
		a.skip, args.Skip = wide(skip), e.Buffer("skip", skip)
	}
	a.cond, args.Cond = c.rows(e, "cond")
	a.time, args.Time = c.rows(e, "time")
	return a, args
}

// rows returns a matrix [tokens, d] and its values, written out.
func (c convLayerCase) rows(e *Env, name string) ([]float64, compute.Matrix) {
	if !c.oneRow {
		v := e.Random(c.tokens * c.d)
		return wide(v), e.Matrix(name, v, c.tokens, c.d, c.d+c.gap)
	}
	v := e.Random(c.d)
	var all []float64
	for range c.tokens {
		all = append(all, wide(v)...)
	}
	return all, e.Matrix(name, v, c.tokens, c.d, 0)
}

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
