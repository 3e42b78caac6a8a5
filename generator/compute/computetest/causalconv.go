package computetest

import (
	"slices"

	"rpg/generator/compute"
)

func causalConv() Operation {
	var cases []Case
	for _, c := range causalConvAll() {
		cases = append(cases, Case{c.name, func(e *Env) {
			a, args := c.inputs(e)
			args.Y = e.OutputMatrix("y", c.n*c.l, c.c, c.c+c.gap)
			e.Device.CausalConv(args)
			e.Check("y", a.forward(), 2e-6)
		}})
	}
	return Operation{"CausalConv", cases}
}

func causalConvBackward() Operation {
	var cases []Case
	for _, c := range causalConvAll() {
		cases = append(cases, Case{c.name, func(e *Env) {
			a, args := c.inputs(e)
			dy := e.Random(c.n * c.l * c.c)
			dw, dbias := e.Random(c.c*c.k), e.Random(c.c)
			dx64, dw64, dbias64, dbefore64 := a.backward(wide(dy))
			if len(dy) < 2000 {
				loss := func() float64 { return dot(a.forward(), wide(dy)) }
				e.CheckGradient("x", loss, a.x, dx64)
				e.CheckGradient("w", loss, a.w, dw64)
				e.CheckGradient("bias", loss, a.bias, dbias64)
				if c.piece {
					e.CheckGradient("before", loss, a.before, dbefore64)
				}
			}
			b := compute.CausalConvBackward{
				CausalConv: args,
				DY:         e.Matrix("dy", dy, c.n*c.l, c.c, c.c+2*c.gap),
				DX:         e.OutputMatrix("dx", c.n*c.l, c.c, c.c+c.gap),
				DW:         e.Buffer("dw", dw), DBias: e.Buffer("dbias", dbias),
			}
			if c.piece {
				b.DBefore = e.OutputMatrix("dbefore", c.n*(c.k-1), c.c, c.c+c.gap)
			}
			e.Device.CausalConvBackward(b)
			if c.piece {
				e.Check("dbefore", dbefore64, 5e-6)
			}
			e.Check("dx", dx64, 5e-6)
			e.Check("dw", plus(dw, dw64), 1e-5)
			e.Check("dbias", plus(dbias, dbias64), 1e-5)
		}})
	}
	return Operation{"CausalConvBackward", cases}
}

// causalConvCase holds sizes; the rows of X, Y and their gradients are gap
// values or more apart. A piece of a sequence has rows before its own.
type causalConvCase struct {
	name            string
	n, l, c, k, gap int
	piece           bool
}

func causalConvAll() []causalConvCase {
	all := slices.Clone(causalConvCases)
	for _, c := range causalConvCases {
		if c.k > 1 {
			c.name, c.piece = "a piece, "+c.name, true
			all = append(all, c)
		}
	}
	return all
}

var causalConvCases = []causalConvCase{
	{"one value", 1, 1, 1, 4, 0, false},
	{"shorter than the kernel", 3, 2, 5, 4, 3, false},
	{"kernel of one", 2, 5, 3, 1, 0, false},
	{"kernel of three", 2, 9, 17, 3, 1, false},
	{"kernel of seven", 2, 40, 5, 7, 2, false},
	{"columns of a wider matrix", 2, 33, 37, 4, 71, false},
	{"many sequences", 9, 48, 96, 4, 40, false},
	{"long", 1, 700, 33, 4, 0, false},
}

func (c causalConvCase) inputs(e *Env) (*causalConvInputs, compute.CausalConv) {
	x, w, bias := e.Random(c.n*c.l*c.c), e.Random(c.c*c.k), e.Random(c.c)
	a := &causalConvInputs{n: c.n, l: c.l, c: c.c, k: c.k, x: wide(x), w: wide(w), bias: wide(bias)}
	args := compute.CausalConv{
		N: c.n, L: c.l, K: c.k,
		X: e.Matrix("x", x, c.n*c.l, c.c, c.c+c.gap),
		W: e.Buffer("w", w), Bias: e.Buffer("bias", bias),
	}
	if c.piece {
		before := e.Random(c.n * (c.k - 1) * c.c)
		a.before = wide(before)
		args.Before = e.Matrix("before", before, c.n*(c.k-1), c.c, c.c+2*c.gap)
	}
	return a, args
}

// plus is old + sum, what an accumulated gradient must hold.
func plus(old []float32, sum []float64) []float64 {
	out := wide(old)
	for i, v := range sum {
		out[i] += v
	}
	return out
}

// causalConvInputs holds the inputs of compute.CausalConv in float64, dense: x
// [n·l, c], w [c, k], bias [c], before [n·(k-1), c] or nil.
type causalConvInputs struct {
	n, l, c, k         int
	x, w, bias, before []float64
}

// source returns the values of the row that lies back rows before the given one: of
// x, else of before, which may be nil as what it returns then is.
func (a *causalConvInputs) source(row, back int, x, before []float64) []float64 {
	switch l := row%a.l - back; {
	case l >= 0:
		return x[(row-back)*a.c:][:a.c]
	case before != nil:
		return before[(row/a.l*(a.k-1)+a.k-1+l)*a.c:][:a.c]
	}
	return nil
}

// linear returns the value before SiLU.
func (a *causalConvInputs) linear() []float64 {
	pre := make([]float64, a.n*a.l*a.c)
	for row := range a.n * a.l {
		for c := range a.c {
			v := a.bias[c]
			for k := range a.k {
				if from := a.source(row, a.k-1-k, a.x, a.before); from != nil {
					v += a.w[c*a.k+k] * from[c]
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

func (a *causalConvInputs) backward(dy []float64) (dx, dw, dbias, dbefore []float64) {
	dx, dw, dbias = make([]float64, len(a.x)), make([]float64, len(a.w)), make([]float64, len(a.bias))
	if a.before != nil {
		dbefore = make([]float64, len(a.before))
	}
	for i, v := range a.linear() {
		row, c := i/a.c, i%a.c
		dv := dy[i] * refSiLUSlope(v)
		dbias[c] += dv
		for k := range a.k {
			back := a.k - 1 - k
			if from := a.source(row, back, a.x, a.before); from != nil {
				dw[c*a.k+k] += dv * from[c]
				a.source(row, back, dx, dbefore)[c] += dv * a.w[c*a.k+k]
			}
		}
	}
	return dx, dw, dbias, dbefore
}
