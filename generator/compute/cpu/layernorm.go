package cpu

import (
	"math"

	"rpg/generator/compute"
)

func (d *device) LayerNorm(y, x, shift, scale compute.Matrix, eps float32) {
	n, cols := x.Rows, x.Cols
	l := d.newLines(cols)
	l.y, l.x, l.eps = output(y, n, cols), input(x, n, cols), eps
	if l.modulated = !absent(scale); l.modulated == absent(shift) {
		panic(errShape)
	}
	if l.modulated {
		l.u, l.v = input(shift, n, cols), input(scale, n, cols)
	}
	d.rows(n, cols, l, func(a any, _, lo, hi int) {
		l := a.(*lines)
		for i := lo; i < hi; i++ {
			in, out := l.x.row(i), l.y.row(i)
			mean, inverse := l.moments(in, l.eps)
			if l.modulated {
				l.normShift(out, in, l.u.row(i), l.v.row(i), mean, inverse)
			} else {
				l.norm(out, in, mean, inverse)
			}
		}
	})
	drop(l)
}

// With n the normalized row, g = dy·(1+scale) and means over the row,
// dx += (g - mean(g) - n·mean(g·n)) / sqrt(var+eps).
func (d *device) LayerNormBackward(dx, dshift, dscale, dy, x, scale compute.Matrix, eps float32) {
	n, cols := x.Rows, x.Cols
	l := d.newLines(cols)
	l.y, l.x, l.z, l.eps = output(dx, n, cols), input(x, n, cols), input(dy, n, cols), eps
	if l.modulated = !absent(scale); l.modulated == absent(dshift) || l.modulated == absent(dscale) {
		panic(errShape)
	}
	if l.modulated {
		l.v, l.dshift, l.dscale = input(scale, n, cols), output(dshift, n, cols), output(dscale, n, cols)
	}
	d.rows(n, cols, l, func(a any, _, lo, hi int) {
		l := a.(*lines)
		for i := lo; i < hi; i++ {
			in, up, down := l.x.row(i), l.z.row(i), l.y.row(i)
			mean, inverse := l.moments(in, l.eps)
			if !l.modulated {
				sum, product := l.normSums(up, in, mean, inverse)
				l.normAdd(down, up, in, mean, inverse, l.mean(sum), l.mean(product))
				continue
			}
			scale := l.v.row(i)
			sum, product := l.normShiftSums(l.dshift.row(i), l.dscale.row(i), up, in, scale, mean, inverse)
			l.normShiftAdd(down, up, in, scale, mean, inverse, l.mean(sum), l.mean(product))
		}
	})
	drop(l)
}

// mean is that of the values of a row with the given sum.
func (l *lines) mean(sum float64) float32 { return float32(sum / float64(l.cols)) }

// moments returns the mean of x and 1/sqrt(var+eps), summed in float64.
func (l loops) moments(x []float32, eps float32) (mean, inverse float32) {
	mean = float32(l.sum(x) / float64(len(x)))
	variance := l.squares(x, mean) / float64(len(x))
	return mean, float32(1 / math.Sqrt(variance+float64(eps)))
}
