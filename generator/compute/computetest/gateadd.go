package computetest

func refGateAdd(h, u, r []float64) []float64 {
	y := make([]float64, len(h))
	for i := range y {
		y[i] = h[i] + r[i]*u[i]
	}
	return y
}

func gateAdd() Operation {
	op := Operation{Name: "GateAdd"}
	for _, s := range matrixSizes {
		for _, inPlace := range []bool{false, true} {
			name := s.name
			if inPlace {
				name += " in place"
			}
			op.Cases = append(op.Cases, Case{name, func(e *Env) {
				n := s.rows * s.cols
				h, u, r := e.Random(n), e.Random(n), e.Random(n)
				hm := e.Matrix("h", h, s.rows, s.cols, s.cols+s.gap)
				y, out := hm, "h"
				if !inPlace {
					y, out = e.OutputMatrix("y", s.rows, s.cols, s.cols+3*s.gap), "y"
				}
				e.Device.GateAdd(y, hm, e.Matrix("u", u, s.rows, s.cols, s.cols+2*s.gap), e.Matrix("r", r, s.rows, s.cols, s.cols+s.gap))
				e.Check(out, refGateAdd(wide(h), wide(u), wide(r)), 2e-7)
			}})
		}
	}
	return op
}

func gateAddBackward() Operation {
	op := Operation{Name: "GateAddBackward"}
	for _, s := range matrixSizes {
		op.Cases = append(op.Cases, Case{s.name, func(e *Env) {
			n := s.rows * s.cols
			dy, u, r := e.Random(n), e.Random(n), e.Random(n)
			dy64, h64, u64, r64 := wide(dy), wide(e.Random(n)), wide(u), wide(r)
			du, dr := make([]float64, n), make([]float64, n)
			for i := range du {
				du[i], dr[i] = r64[i]*dy64[i], u64[i]*dy64[i]
			}
			loss := func() float64 { return dot(refGateAdd(h64, u64, r64), dy64) }
			e.CheckGradient("u", loss, u64, du)
			e.CheckGradient("r", loss, r64, dr)
			e.CheckGradient("h", loss, h64, dy64)
			e.Device.GateAddBackward(
				e.OutputMatrix("du", s.rows, s.cols, s.cols+s.gap), e.OutputMatrix("dr", s.rows, s.cols, s.cols+2*s.gap),
				e.Matrix("dy", dy, s.rows, s.cols, s.cols+s.gap),
				e.Matrix("u", u, s.rows, s.cols, s.cols+2*s.gap), e.Matrix("r", r, s.rows, s.cols, s.cols+3*s.gap))
			e.Check("du", du, 1e-7)
			e.Check("dr", dr, 1e-7)
		}})
	}
	return op
}
