package cpu

import "rpg/generator/compute"

func (d *device) Diffuse(xt, target, x0, eps compute.Matrix, a, b compute.Buffer, p compute.Prediction) {
	n, cols := x0.Rows, x0.Cols
	l := d.newLines(cols)
	l.y, l.z = output(xt, n, cols), output(target, n, cols)
	l.x, l.u = input(x0, n, cols), input(eps, n, cols)
	l.a, l.b = sized(a, n), sized(b, n)
	if p != compute.PredictEps && p != compute.PredictV && p != compute.PredictX0 {
		panic(errPrediction)
	}
	l.prediction = p
	d.rows(n, cols, l, func(a any, _, lo, hi int) {
		l := a.(*lines)
		for i := lo; i < hi; i++ {
			clean, noise, goal := l.x.row(i), l.u.row(i), l.z.row(i)
			l.combine2(l.y.row(i), clean, noise, l.a[i], l.b[i])
			switch l.prediction {
			case compute.PredictEps:
				copy(goal, noise)
			case compute.PredictV:
				l.combine2(goal, noise, clean, l.a[i], -l.b[i])
			case compute.PredictX0:
				copy(goal, clean)
			}
		}
	})
	drop(l)
}
