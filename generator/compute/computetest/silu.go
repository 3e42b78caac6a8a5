package computetest

import "math"

func silu() Operation {
	forward := func(x []float64) []float64 {
		y := make([]float64, len(x))
		for i, v := range x {
			y[i] = refSiLU(v)
		}
		return y
	}
	var cases []Case
	for _, n := range elementSizes {
		cases = append(cases, Case{n.name, func(e *Env) {
			x := e.spread(n.n)
			e.Device.SiLU(e.Output("y", n.n), e.Buffer("x", x))
			e.Check("y", forward(wide(x)), 1e-6)
		}}, Case{n.name + " in place", func(e *Env) {
			x := e.spread(n.n)
			b := e.Buffer("x", x)
			e.Device.SiLU(b, b)
			e.Check("x", forward(wide(x)), 1e-6)
		}})
	}
	cases = append(cases, Case{"large arguments", func(e *Env) {
		x := []float32{-200, -104, -90, -88, 0, 88, 90, 104, 200, 1e30, -1e30}
		e.Device.SiLU(e.Output("y", len(x)), e.Buffer("x", x))
		e.Check("y", forward(wide(x)), 1e-6)
	}})
	return Operation{"SiLU", cases}
}

func siluBackward() Operation {
	var cases []Case
	for _, n := range elementSizes {
		run := func(e *Env, inPlace bool) {
			x, dy := e.spread(n.n), e.Random(n.n)
			x64, dy64 := wide(x), wide(dy)
			want := make([]float64, n.n)
			for i := range want {
				want[i] = dy64[i] * refSiLUSlope(x64[i])
			}
			e.CheckGradient("SiLU", func() float64 {
				var loss float64
				for i := range x64 {
					loss += dy64[i] * refSiLU(x64[i])
				}
				return loss
			}, x64, want)
			bx, bdy := e.Buffer("x", x), e.Buffer("dy", dy)
			if inPlace {
				e.Device.SiLUBackward(bdy, bdy, bx)
				e.Check("dy", want, 1e-6)
				return
			}
			e.Device.SiLUBackward(e.Output("dx", n.n), bdy, bx)
			e.Check("dx", want, 1e-6)
		}
		cases = append(cases,
			Case{n.name, func(e *Env) { run(e, false) }},
			Case{n.name + " in place", func(e *Env) { run(e, true) }})
	}
	return Operation{"SiLUBackward", cases}
}

func refSiLU(x float64) float64 { return x / (1 + math.Exp(-x)) }

func refSiLUSlope(x float64) float64 {
	s := 1 / (1 + math.Exp(-x))
	return s * (1 + x*(1-s))
}

// elementSizes are the lengths at which element-wise operations are tried.
var elementSizes = []struct {
	name string
	n    int
}{
	{"1 value", 1},
	{"17 values", 17},
	{"1003 values", 1003},
	{"40961 values", 40961}, // more than one piece of work
}

// spread returns n numbers from a wide range around 0.
func (e *Env) spread(n int) []float32 {
	x := e.Random(n)
	for i := range x {
		x[i] *= 4
	}
	return x
}
