package computetest

import (
	"math"

	"rpg/generator/compute"
)

func diffuse() Operation {
	op := Operation{Name: "Diffuse"}
	for _, p := range []struct {
		name string
		kind compute.Prediction
	}{{"eps", compute.PredictEps}, {"v", compute.PredictV}, {"x0", compute.PredictX0}} {
		for _, s := range matrixSizes {
			op.Cases = append(op.Cases, Case{p.name + " " + s.name, func(e *Env) {
				n := s.rows * s.cols
				x0, eps := e.Random(n), e.Random(n)
				a := e.Uniform(s.rows, 0, 1)
				b := make([]float32, s.rows)
				for i, v := range a {
					b[i] = float32(math.Sqrt(1 - float64(v)*float64(v)))
				}
				xt, target := make([]float64, n), make([]float64, n)
				for i := range xt {
					a, b := float64(a[i/s.cols]), float64(b[i/s.cols])
					x, noise := float64(x0[i]), float64(eps[i])
					xt[i] = a*x + b*noise
					switch p.kind {
					case compute.PredictEps:
						target[i] = noise
					case compute.PredictV:
						target[i] = a*noise - b*x
					case compute.PredictX0:
						target[i] = x
					}
				}
				e.Device.Diffuse(
					e.OutputMatrix("xt", s.rows, s.cols, s.cols+s.gap), e.OutputMatrix("target", s.rows, s.cols, s.cols+2*s.gap),
					e.Matrix("x0", x0, s.rows, s.cols, s.cols+s.gap), e.Matrix("eps", eps, s.rows, s.cols, s.cols+3*s.gap),
					e.Buffer("a", a), e.Buffer("b", b), p.kind)
				e.Check("xt", xt, 2e-7)
				e.Check("target", target, 2e-7)
			}})
		}
	}
	return op
}
