package computetest

import (
	"rpg/generator/compute"
)

func causalConv() Operation {
	var cases []Case
	for _, c := range causalConvCases {
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
	for _, c := range causalConvCases {
		cases = append(cases, Case{c.name, func(e *Env) {
			a, args := c.inputs(e)
			dy := e.Random(c.n * c.l * c.c)
			dw, dbias := e.Random(c.c*c.k), e.Random(c.c)
			dx64, dw64, dbias64 := a.backward(wide(dy))
			if len(dy) < 2000 {
				loss := func() float64 { return dot(a.forward(), wide(dy)) }
				e.CheckGradient("x", loss, a.x, dx64)
				e.CheckGradient("w", loss, a.w, dw64)
				e.CheckGradient("bias", loss, a.bias, dbias64)
			}
			e.Device.CausalConvBackward(compute.CausalConvBackward{
				CausalConv: args,
				DY:         e.Matrix("dy", dy, c.n*c.l, c.c, c.c+2*c.gap),
				DX:         e.OutputMatrix("dx", c.n*c.l, c.c, c.c+c.gap),
				DW:         e.Buffer("dw", dw), DBias: e.Buffer("dbias", dbias),
			})
			e.Check("dx", dx64, 5e-6)
			e.Check("dw", plus(dw, dw64), 1e-5)
			e.Check("dbias", plus(dbias, dbias64), 1e-5)
		}})
	}
	return Operation{"CausalConvBackward", cases}
}

// causalConvCase holds sizes; the rows of X, Y and their gradients are gap
// values or more apart.
type causalConvCase struct {
	name            string
	n, l, c, k, gap int
}

var causalConvCases = []causalConvCase{
	{"one value", 1, 1, 1, 4, 0},
	{"shorter than the kernel", 3, 2, 5, 4, 3},
	{"kernel of one", 2, 5, 3, 1, 0},
	{"kernel of three", 2, 9, 17, 3, 1},
	{"kernel of seven", 2, 40, 5, 7, 2},
	{"columns of a wider matrix", 2, 33, 37, 4, 71},
	{"many sequences", 9, 48, 96, 4, 40},
	{"long", 1, 700, 33, 4, 0},
}

func (c causalConvCase) inputs(e *Env) (*causalConvInputs, compute.CausalConv) {
	x, w, bias := e.Random(c.n*c.l*c.c), e.Random(c.c*c.k), e.Random(c.c)
	a := &causalConvInputs{n: c.n, l: c.l, c: c.c, k: c.k, x: wide(x), w: wide(w), bias: wide(bias)}
	return a, compute.CausalConv{
		N: c.n, L: c.l, K: c.k,
		X: e.Matrix("x", x, c.n*c.l, c.c, c.c+c.gap),
		W: e.Buffer("w", w), Bias: e.Buffer("bias", bias),
	}
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
