package cpu

import "rpg/generator/compute"

func (d *device) Diffuse(xt, target, x0, eps compute.Matrix, a, b compute.Buffer, p compute.Prediction) {
	n, cols := x0.Rows, x0.Cols
	xts, xtStride := matOf(xt, n, cols)
	targets, targetStride := matOf(target, n, cols)
	x0s, x0Stride := inputOf(x0, n, cols)
	noise, noiseStride := inputOf(eps, n, cols)
	as, bs := sized(a, n), sized(b, n)
	if p != compute.PredictEps && p != compute.PredictV && p != compute.PredictX0 {
		panic(errPrediction)
	}
	d.rows(n, cols, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			a, b := as[i], bs[i]
			out, goal := xts[i*xtStride:][:cols], targets[i*targetStride:][:cols]
			clean, noise := x0s[i*x0Stride:][:cols], noise[i*noiseStride:][:cols]
			for j, x := range clean {
				out[j] = a*x + b*noise[j]
			}
			switch p {
			case compute.PredictEps:
				copy(goal, noise)
			case compute.PredictV:
				for j, x := range clean {
					goal[j] = a*noise[j] - b*x
				}
			case compute.PredictX0:
				copy(goal, clean)
			}
		}
	})
}
