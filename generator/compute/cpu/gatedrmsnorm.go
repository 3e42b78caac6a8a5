package cpu

import (
	"math"

	"rpg/generator/compute"
)

// GatedRMSNorm keeps g in the row of y until the row's mean square is known.
func (d *device) GatedRMSNorm(y, x, z compute.Matrix, w compute.Buffer, eps float32) {
	n, cols := x.Rows, x.Cols
	l := d.newLines(cols)
	l.x, l.z, l.y = input(x, n, cols), input(z, n, cols), output(y, n, cols)
	l.a, l.eps = sized(w, cols), eps
	d.rows(n, cols, l, func(a any, _, lo, hi int) {
		l := a.(*lines)
		for i := lo; i < hi; i++ {
			g := l.y.row(i)
			inv := inverseRoot(l.gate(g, l.x.row(i), l.z.row(i)), l.cols, l.eps)
			l.weigh(g, g, l.a, inv)
		}
	})
	drop(l)
}

// inverseRoot is 1/sqrt(squares/n + eps).
func inverseRoot(squares float64, n int, eps float32) float32 {
	return float32(1 / math.Sqrt(squares/float64(n)+float64(eps)))
}

func (d *device) GatedRMSNormBackward(dx, dz compute.Matrix, dw compute.Buffer, dy, x, z compute.Matrix, w compute.Buffer, eps float32) {
	n, cols := x.Rows, x.Cols
	l := d.newLines(cols)
	l.x, l.z, l.u = input(x, n, cols), input(z, n, cols), input(dy, n, cols)
	l.y, l.v = output(dx, n, cols), output(dz, n, cols)
	l.a, l.eps = sized(w, cols), eps
	sums := sized(dw, cols)
	// dw is summed in groups of rows and then group by group.
	group := rowGroup(cols)
	groups := (n + group - 1) / group
	l.b = d.common(groups * cols)
	d.rows(n, cols, l, func(a any, worker, lo, hi int) {
		l := a.(*lines)
		part := l.b[lo/rowGroup(l.cols)*l.cols:][:l.cols]
		clear(part)
		g := l.device.scratch(worker, l.cols)
		for i := lo; i < hi; i++ {
			l.gatedBack(part, g, i)
		}
	})
	for i := range groups {
		l.add(sums, l.b[i*cols:(i+1)*cols])
	}
	drop(l)
}

// gatedBack handles one row, with g as working memory. With r = 1/sqrt(mean(g²)+eps):
//
//	dg = r·dy·w - g·r³·mean(dy·w·g)
func (l *lines) gatedBack(dw, g []float32, i int) {
	x, z, dy := l.x.row(i), l.z.row(i), l.u.row(i)
	inv := inverseRoot(l.gate(g, x, z), l.cols, l.eps)
	dot := l.weighBack(dw, dy, l.a, g, inv)
	mean := float32(dot / float64(l.cols) * float64(inv) * float64(inv) * float64(inv))
	l.gateBack(l.y.row(i), l.v.row(i), dy, l.a, g, x, z, inv, mean)
}
