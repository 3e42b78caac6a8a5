package computetest

import (
	"math"

	"rpg/generator/compute"
)

func convLayer(list []convLayerCase) Operation {
	var cases []Case
	for _, c := range list {
		cases = append(cases, Case{c.name, func(e *Env) {
			a, args := c.inputs(e)
			args.Y = c.signals(e, "y", unset(c.tokens*c.out*c.d), c.out, c.gap)
			if c.norms {
				a.yNorm, args.YNorm = newBatchNorm(e, "ynorm", c.out, c.d, false)
			}
			e.Device.ConvLayer(args)
			want := a.forward()
			e.Check("y", want, c.stored(e))
			if c.norms {
				if c.rounded {
					want = wide(e.values(args.Y))
				}
				a.yNorm.measure(want)
				e.Check("ynormmean", a.yNorm.mean, c.tolerance())
				e.Check("ynorminvstd", a.yNorm.invStd, c.tolerance())
				e.Check("ynormrunningmean", a.yNorm.runningMean, c.tolerance())
				e.Check("ynormrunningvar", a.yNorm.runningVar, c.tolerance())
				return
			}

			args.Packed, args.Y, args.ELU = e.Device.PackConvLayer(args), c.signals(e, "elu", unset(c.tokens*c.out*c.d), c.out, 1), true
			e.Device.ConvLayer(args)
			for i, v := range want {
				if v < 0 {
					want[i] = math.Expm1(v)
				}
			}
			e.Check("elu", want, c.stored(e))
		}})
	}
	return Operation{"ConvLayer", cases}
}

func convLayerBackward(list []convLayerCase) Operation {
	var cases []Case
	for _, c := range list {
		add := func(what string, mode int) {
			cases = append(cases, Case{c.name + what, func(e *Env) { c.backward(e, mode) }})
		}
		add("", overwriteDX)
		add(" added", addDX)
		add(" DX alone", onlyDX)
		if c.norms {
			if !c.rounded || c.out > 1 { // else DX and Y are not in buffers of a kind
				add(" in place", placeDX)
			}
			add(" of a part", partDX)
		} else {
			add(" without DX", noDX)
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
	mdy, count := c.signals(e, "dy", dy, c.out, 2*c.gap), c.tokens*c.d
	var raw []float64
	if c.norms {
		// What the passes before leave, rounded as they leave it.
		kept := narrow(a.forward())
		args.Y = c.signals(e, "y", kept, c.out, c.gap)
		y := wide(kept)
		a.y = y
		a.yNorm, args.YNorm = newBatchNorm(e, "ynorm", c.out, c.d, false)
		a.yNorm.measure(y)
		g := a.yNorm.inside(wide(dy), y)
		raw = a.yNorm.back(wide(dy), y)
		args.YNorm.Mean, args.YNorm.InvStd = e.Buffer("ynormmean of y", narrow(a.yNorm.mean)), e.Buffer("ynorminvstd of y", narrow(a.yNorm.invStd))
		args.YNorm.Along, args.YNorm.Level = e.Buffer("ynormalong", narrow(means(g.dscale, count))), e.Buffer("ynormlevel", narrow(means(g.dbias, count)))
	}
	dx64, dcond64, dtime64, dw64, dbias64 := a.backward(wide(dy))
	if len(dy) < 1000 && mode <= placeDX && !c.rounded { // the reference is the same in the others
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
		DY:    mdy,
		DCond: e.Matrix("dcond", dcond, c.tokens, c.d, c.d+c.gap),
		DTime: e.Matrix("dtime", dtime, c.tokens, c.d, c.d+2*c.gap),
		DW:    e.Buffer("dw", dw), DBias: e.Buffer("dbias", dbias),
	}
	dxName, dxWant, gap := "dx", dx64, c.gap
	switch mode {
	case overwriteDX, onlyDX:
		back.DX = c.signals(e, "dx", unset(len(dx)), c.in, gap)
	case addDX:
		back.DX = c.signals(e, "dx", dx, c.in, gap)
		dx64 = plus(dx, dx64)
		dxWant = dx64
	case placeDX:
		back.DX, back.Y, dxWant = c.inPlace(e, a.forward(), dx64)
	case partDX:
		back.Raw = back.Y
		if c.skip {
			dxName, back.DX = "skip", back.Skip
		} else {
			back.DX = c.signals(e, "dx", unset(len(dx)), c.in, gap)
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
		e.Check(dxName, dxWant, 2*c.stored(e))
	}
	if mode == partDX {
		e.Check("y", raw, 2*c.stored(e))
	}
	if c.norms && mode != partDX {
		if c.rounded {
			dx64 = wide(e.values(back.DX))
		}
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
	m := c.matrix(e)("dx", values, c.tokens, cols, cols)
	return m.Columns(0, in), m.Columns(0, out), want
}

// convLayerCase holds sizes; rows of Cond and Time are gap values or more
// apart. oneRow repeats one row of each (stride 0). norms normalizes the inputs
// and the output. rounded: signals of more than one channel are in rounded buffers.
type convLayerCase struct {
	name                       string
	tokens, in, out, k, d, gap int
	skip, oneRow, norms        bool
	rounded                    bool
}

var convLayerCases = []convLayerCase{
	{"one value", 1, 1, 1, 7, 1, 0, false, false, false, false},
	{"kernel of one", 2, 3, 2, 1, 5, 1, true, false, false, false},
	{"shorter than the kernel", 3, 2, 3, 7, 3, 0, true, true, false, false},
	{"odd sizes", 5, 3, 5, 7, 17, 3, true, false, false, false},
	{"first layer", 4, 1, 32, 7, 64, 0, false, true, false, false},
	{"last layer", 4, 32, 1, 7, 64, 5, true, true, false, false},
	{"one to one", 3, 1, 1, 7, 45, 2, false, false, false, false},
	{"middle", 3, 33, 40, 7, 70, 7, false, false, false, false},
	{"kernel of five", 2, 9, 31, 5, 33, 0, true, true, false, false},
	{"kernel of 35", 2, 1, 3, 35, 20, 1, false, false, false, false},
	{"many tokens", 70, 8, 9, 7, 31, 0, true, false, false, false},
	{"long signal", 2, 17, 12, 7, 1027, 0, false, false, false, false},
	{"token of 256", 5, 32, 40, 7, 256, 0, true, false, false, false},
	{"to one channel", 3, 32, 1, 7, 256, 0, true, false, true, false},
	{"to one channel", 3, 32, 1, 7, 256, 0, true, false, true, false},
	{"token of 200", 3, 9, 8, 7, 200, 3, false, true, false, false},
	{"normalized", 3, 3, 5, 7, 17, 3, false, false, true, false},
	{"normalized with skip", 4, 5, 3, 5, 13, 0, true, true, true, false},
	{"normalized, one token", 1, 2, 3, 3, 9, 0, true, false, true, false},
	{"normalized, one position", 9, 3, 2, 7, 1, 0, false, false, true, false},
	{"normalized, middle", 37, 33, 40, 7, 70, 7, true, false, true, false},
	{"normalized, last layer", 40, 32, 1, 7, 64, 0, true, false, true, false},
	{"normalized, token of 256", 5, 32, 40, 7, 256, 0, true, false, true, false},
}

var roundedConvLayerCases = []convLayerCase{
	{"rounded, first layer", 3, 1, 32, 7, 64, 0, false, true, false, true},
	{"rounded, odd sizes", 5, 3, 5, 7, 17, 3, true, false, false, true},
	{"rounded and normalized", 4, 5, 3, 5, 13, 2, true, true, true, true},
	{"rounded, last layer", 6, 32, 1, 7, 64, 0, true, false, true, true},
}

// stored is the tolerance of signals.
func (c convLayerCase) stored(e *Env) float64 {
	if c.rounded && e.Device.Info().BF16 {
		return 0x1.01p-8
	}
	return c.tolerance()
}

// matrix makes signals of more than one channel.
func (c convLayerCase) matrix(e *Env) func(name string, values []float32, rows, cols, stride int) compute.Matrix {
	if c.rounded {
		return e.Rounded
	}
	return e.Matrix
}

// signals returns signals of so many channels, rows of them gap values apart, and
// sets values to what they then are.
func (c convLayerCase) signals(e *Env, name string, values []float32, channels, gap int) compute.Matrix {
	e.T.Helper()
	if cols := channels * c.d; channels > 1 {
		return c.matrix(e)(name, values, c.tokens, cols, cols+gap)
	}
	return e.Matrix(name, values, c.tokens, c.d, c.d+gap)
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
	mx := c.signals(e, "x", x, c.in, 2*c.gap)
	a := &convLayerInputs{tokens: c.tokens, in: c.in, out: c.out, k: c.k, d: c.d, x: wide(x), w: wide(w), bias: wide(bias)}
	args := compute.ConvLayer{
		Tokens: c.tokens, In: c.in, Out: c.out, K: c.k, D: c.d,
		X: mx, W: e.Buffer("w", w), Bias: e.Buffer("bias", bias),
	}
	if c.skip {
		skip := e.Random(c.tokens * c.in * c.d)
		args.Skip = c.signals(e, "skip", skip, c.in, c.gap)
		a.skip = wide(skip)
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
