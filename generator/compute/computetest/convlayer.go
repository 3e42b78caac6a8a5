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
			args.Y = e.OutputMatrix("y", c.tokens, c.out*c.d, c.out*c.d+c.gap)
			if c.norms {
				a.yNorm, args.YNorm = newBatchNorm(e, "ynorm", c.out, c.d, false)
			}
			e.Device.ConvLayer(args)
			want := a.forward()
			e.Check("y", want, c.tolerance())
			if c.norms {
				a.yNorm.measure(want)
				e.Check("ynormmean", a.yNorm.mean, c.tolerance())
				e.Check("ynorminvstd", a.yNorm.invStd, c.tolerance())
				e.Check("ynormrunningmean", a.yNorm.runningMean, c.tolerance())
				e.Check("ynormrunningvar", a.yNorm.runningVar, c.tolerance())
				return
			}

			args.Packed, args.Y, args.ELU = e.Device.PackConvLayer(args), e.OutputMatrix("elu", c.tokens, c.out*c.d, c.out*c.d+1), true
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
		cases = append(cases,
			Case{c.name, func(e *Env) { c.backward(e, overwriteDX) }},
			Case{c.name + " added", func(e *Env) { c.backward(e, addDX) }},
			Case{c.name + " DX alone", func(e *Env) { c.backward(e, onlyDX) }})
		if c.norms {
			cases = append(cases, Case{c.name + " in place", func(e *Env) { c.backward(e, placeDX) }},
				Case{c.name + " of a part", func(e *Env) { c.backward(e, partDX) }})
		} else {
			cases = append(cases, Case{c.name + " without DX", func(e *Env) { c.backward(e, noDX) }})
		}
	}
	return Operation{"ConvLayerBackward", cases}
}

// What a case does with DX: in place means where Y was. That of a part, for which
// there are no sums over the whole, takes the place of Skip, as Raw does of Y.
const (
	noDX = iota
	overwriteDX
	addDX
	placeDX
	partDX
	onlyDX
)

func (c convLayerCase) backward(e *Env, mode int) {
	a, args := c.inputs(e)
	dy, dx := e.Random(c.tokens*c.out*c.d), e.Random(c.tokens*c.in*c.d)
	dcond, dtime := e.Random(c.tokens*c.d), e.Random(c.tokens*c.d)
	dw, dbias := e.Random(c.out*c.in*c.k), e.Random(c.out)
	count := c.tokens * c.d
	var raw []float64
	if c.norms {
		// What the passes before leave, rounded as they leave it.
		y := wide(narrow(a.forward()))
		a.yNorm, args.YNorm = newBatchNorm(e, "ynorm", c.out, c.d, false)
		a.yNorm.measure(y)
		g := a.yNorm.inside(wide(dy), y)
		raw = a.yNorm.back(wide(dy), y)
		args.Y = e.Matrix("y", narrow(y), c.tokens, c.out*c.d, c.out*c.d+c.gap)
		args.YNorm.Mean, args.YNorm.InvStd = e.Buffer("ynormmean of y", narrow(a.yNorm.mean)), e.Buffer("ynorminvstd of y", narrow(a.yNorm.invStd))
		args.YNorm.Along, args.YNorm.Level = e.Buffer("ynormalong", narrow(means(g.dscale, count))), e.Buffer("ynormlevel", narrow(means(g.dbias, count)))
	}
	dx64, dcond64, dtime64, dw64, dbias64 := a.backward(wide(dy))
	if len(dy) < 1000 && mode <= placeDX { // the reference is the same in the others
		loss := func() float64 {
			y := a.forward()
			if a.yNorm != nil {
				a.yNorm.measure(y)
				y = a.yNorm.apply(y)
			}
			return dot(y, wide(dy))
		}
		inside := dx64
		if a.xNorm != nil { // through N with the statistics as they are
			inside = a.xNorm.inside(dx64, a.x).du
			for i := range inside {
				inside[i] *= a.xNorm.scale[i/c.d%c.in] * a.xNorm.invStd[i/c.d%c.in]
			}
		}
		e.CheckGradient("x", loss, a.x, inside)
		e.CheckGradient("cond", loss, a.cond, dcond64)
		e.CheckGradient("time", loss, a.time, dtime64)
		e.CheckGradient("w", loss, a.w, dw64)
		if !c.norms { // else the mean takes it out again
			e.CheckGradient("bias", loss, a.bias, dbias64)
		}
		if a.skip != nil && !c.norms {
			e.CheckGradient("skip", loss, a.skip, dx64)
		}
	}
	back := compute.ConvLayerBackward{
		ConvLayer: args, AddDX: mode == addDX,
		DY:    e.Matrix("dy", dy, c.tokens, c.out*c.d, c.out*c.d+2*c.gap),
		DCond: e.Matrix("dcond", dcond, c.tokens, c.d, c.d+c.gap),
		DTime: e.Matrix("dtime", dtime, c.tokens, c.d, c.d+2*c.gap),
		DW:    e.Buffer("dw", dw), DBias: e.Buffer("dbias", dbias),
	}
	dxName, dxWant, gap := "dx", dx64, c.gap
	switch mode {
	case overwriteDX, onlyDX:
		back.DX = e.OutputMatrix("dx", c.tokens, c.in*c.d, c.in*c.d+gap)
	case addDX:
		back.DX = e.Matrix("dx", dx, c.tokens, c.in*c.d, c.in*c.d+gap)
		dx64 = plus(dx, dx64)
		dxWant = dx64
	case placeDX:
		back.DX, back.Y, dxWant = c.inPlace(e, a.forward(), dx64)
	case partDX:
		back.Raw = back.Y
		if c.skip {
			dxName, back.DX = "skip", back.Skip
		} else {
			back.DX = e.OutputMatrix("dx", c.tokens, c.in*c.d, c.in*c.d+gap)
		}
	}
	if mode == onlyDX {
		back.DW, back.DBias, back.Skip, back.Cond, back.DCond, back.DTime = nil, nil, compute.Matrix{}, compute.Matrix{}, compute.Matrix{}, compute.Matrix{}
	}
	var xScale, xBias []float32
	if c.norms {
		xScale, xBias = e.Random(c.in), e.Random(c.in)
		args.XNorm.DScale, args.XNorm.DBias = e.Buffer("xdscale", xScale), e.Buffer("xdbias", xBias)
		args.XNorm.Along, args.XNorm.Level = e.Output("xalong", c.in), e.Output("xlevel", c.in)
	}
	if mode == partDX {
		args.XNorm.DScale = nil
	}
	e.Device.ConvLayerBackward(back)
	if mode != noDX {
		e.Check(dxName, dxWant, 2*c.tolerance())
	}
	if mode == partDX {
		e.Check("y", raw, 2*c.tolerance())
	}
	if c.norms && mode != partDX {
		g := a.xNorm.inside(dx64, a.x)
		e.Check("xdscale", plus(xScale, g.dscale), 2*c.tolerance())
		e.Check("xdbias", plus(xBias, g.dbias), 2*c.tolerance())
		e.Check("xalong", means(g.dscale, count), 2*c.tolerance())
		e.Check("xlevel", means(g.dbias, count), 2*c.tolerance())
	}
	if mode == onlyDX {
		return
	}
	e.Check("dcond", plus(dcond, dcond64), 2*c.tolerance())
	e.Check("dtime", plus(dtime, dtime64), 2*c.tolerance())
	e.Check("dw", plus(dw, dw64), 2*c.tolerance())
	e.Check("dbias", plus(dbias, dbias64), 2*c.tolerance())
}

// inPlace returns matrices dx and y whose rows begin at the same values, and what
// these are when dx has been written.
func (c convLayerCase) inPlace(e *Env, y, dx []float64) (mdx, my compute.Matrix, want []float64) {
	in, out := c.in*c.d, c.out*c.d
	cols := max(in, out)
	values := unset(c.tokens * cols)
	want = make([]float64, len(values))
	for i := range c.tokens {
		copy(values[i*cols:], narrow(y[i*out:(i+1)*out]))
		copy(want[i*cols:], y[i*out:(i+1)*out])
		copy(want[i*cols:], dx[i*in:(i+1)*in])
	}
	m := e.Matrix("dx", values, c.tokens, cols, cols)
	return m.Columns(0, in), m.Columns(0, out), want
}

// convLayerCase holds sizes; rows of Cond and Time are gap values or more
// apart. oneRow repeats one row of each (stride 0). norms normalizes the inputs
// and the output.
type convLayerCase struct {
	name                       string
	tokens, in, out, k, d, gap int
	skip, oneRow, norms        bool
}

var convLayerCases = []convLayerCase{
	{"one value", 1, 1, 1, 7, 1, 0, false, false, false},
	{"kernel of one", 2, 3, 2, 1, 5, 1, true, false, false},
	{"shorter than the kernel", 3, 2, 3, 7, 3, 0, true, true, false},
	{"odd sizes", 5, 3, 5, 7, 17, 3, true, false, false},
	{"first layer", 4, 1, 32, 7, 64, 0, false, true, false},
	{"last layer", 4, 32, 1, 7, 64, 5, true, true, false},
	{"one to one", 3, 1, 1, 7, 45, 2, false, false, false},
	{"middle", 3, 33, 40, 7, 70, 7, false, false, false},
	{"kernel of five", 2, 9, 31, 5, 33, 0, true, true, false},
	{"kernel of 35", 2, 1, 3, 35, 20, 1, false, false, false},
	{"many tokens", 70, 8, 9, 7, 31, 0, true, false, false},
	{"long signal", 2, 17, 12, 7, 1027, 0, false, false, false},
	{"token of 256", 5, 32, 40, 7, 256, 0, true, false, false},
	{"to one channel", 3, 32, 1, 7, 256, 0, true, false, true},
	{"to one channel", 3, 32, 1, 7, 256, 0, true, false, true},
	{"token of 200", 3, 9, 8, 7, 200, 3, false, true, false},
	{"normalized", 3, 3, 5, 7, 17, 3, false, false, true},
	{"normalized with skip", 4, 5, 3, 5, 13, 0, true, true, true},
	{"normalized, one token", 1, 2, 3, 3, 9, 0, true, false, true},
	{"normalized, one position", 9, 3, 2, 7, 1, 0, false, false, true},
	{"normalized, middle", 37, 33, 40, 7, 70, 7, true, false, true},
	{"normalized, last layer", 40, 32, 1, 7, 64, 0, true, false, true},
	{"normalized, token of 256", 5, 32, 40, 7, 256, 0, true, false, true},
}

// tolerance is that of the outputs. Long signals of many channels may be
// convolved by minimal filtering, which rounds more.
func (c convLayerCase) tolerance() float64 {
	if c.d >= 192 && c.in >= 8 {
		return 4e-5
	}
	return 5e-6
}

func (c convLayerCase) inputs(e *Env) (*convLayerInputs, compute.ConvLayer) {
	x, w, bias := e.Random(c.tokens*c.in*c.d), e.Random(c.out*c.in*c.k), e.Random(c.out)
	a := &convLayerInputs{tokens: c.tokens, in: c.in, out: c.out, k: c.k, d: c.d, x: wide(x), w: wide(w), bias: wide(bias)}
	args := compute.ConvLayer{
		Tokens: c.tokens, In: c.in, Out: c.out, K: c.k, D: c.d,
		X: e.Matrix("x", x, c.tokens, c.in*c.d, c.in*c.d+2*c.gap), W: e.Buffer("w", w), Bias: e.Buffer("bias", bias),
	}
	if c.skip {
		skip := e.Random(c.tokens * c.in * c.d)
		a.skip, args.Skip = wide(skip), e.Matrix("skip", skip, c.tokens, c.in*c.d, c.in*c.d+c.gap)
	}
	if c.norms {
		a.xNorm, args.XNorm = newBatchNorm(e, "xnorm", c.in, c.d, true)
		if c.skip {
			a.skipNorm, args.SkipNorm = newBatchNorm(e, "skipnorm", c.in, c.d, true)
		}
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

	xNorm, skipNorm, yNorm *batchNorm // or nil
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
		dy = a.yNorm.back(dy, a.forward())
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
