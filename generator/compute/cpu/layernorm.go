package cpu

import (
	"math"

	"rpg/generator/compute"
)

func (d *device) LayerNorm(y, x, shift, scale compute.Matrix, eps float32) {
	n, cols := x.Rows, x.Cols
	out, outStride := matOf(y, n, cols)
	xs, xStride := inputOf(x, n, cols)
	modulated := !absent(scale)
	if modulated == absent(shift) {
		panic(errShape)
	}
	var shifts, scales []float32
	var shiftStride, scaleStride int
	if modulated {
		shifts, shiftStride = inputOf(shift, n, cols)
		scales, scaleStride = inputOf(scale, n, cols)
	}
	l := d.loops()
	d.rows(n, cols, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			in, o := xs[i*xStride:][:cols], out[i*outStride:][:cols]
			mean, inverse := l.moments(in, eps)
			if modulated {
				l.normShift(o, in, shifts[i*shiftStride:], scales[i*scaleStride:], mean, inverse)
			} else {
				l.norm(o, in, mean, inverse)
			}
		}
	})
}

// With n the normalized row, g = dy·(1+scale) and means over the row,
// dx += (g - mean(g) - n·mean(g·n)) / sqrt(var+eps).
func (d *device) LayerNormBackward(dx, dshift, dscale, dy, x, scale compute.Matrix, eps float32) {
	n, cols := x.Rows, x.Cols
	dxs, dxStride := matOf(dx, n, cols)
	dys, dyStride := inputOf(dy, n, cols)
	xs, xStride := inputOf(x, n, cols)
	modulated := !absent(scale)
	if modulated == absent(dshift) || modulated == absent(dscale) {
		panic(errShape)
	}
	var scales, dshifts, dscales []float32
	var scaleStride, dshiftStride, dscaleStride int
	if modulated {
		scales, scaleStride = inputOf(scale, n, cols)
		dshifts, dshiftStride = matOf(dshift, n, cols)
		dscales, dscaleStride = matOf(dscale, n, cols)
	}
	l := d.loops()
	d.rows(n, cols, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			in, up, down := xs[i*xStride:][:cols], dys[i*dyStride:][:cols], dxs[i*dxStride:][:cols]
			mean, inverse := l.moments(in, eps)
			if !modulated {
				sum, product := l.normSums(up, in, mean, inverse)
				l.normAdd(down, up, in, mean, inverse, float32(sum/float64(cols)), float32(product/float64(cols)))
				continue
			}
			scale := scales[i*scaleStride:]
			sum, product := l.normShiftSums(dshifts[i*dshiftStride:], dscales[i*dscaleStride:], up, in, scale, mean, inverse)
			l.normShiftAdd(down, up, in, scale, mean, inverse, float32(sum/float64(cols)), float32(product/float64(cols)))
		}
	})
}

// moments returns the mean of x and 1/sqrt(var+eps), summed in float64.
func (l loops) moments(x []float32, eps float32) (mean, inverse float32) {
	mean = float32(l.sum(x) / float64(len(x)))
	variance := l.squares(x, mean) / float64(len(x))
	return mean, float32(1 / math.Sqrt(variance+float64(eps)))
}
