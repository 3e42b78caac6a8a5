package cpu

import (
	"math"

	"rpg/generator/compute"
)

// TimeFeatures counts angles in quarter turns. A frequency is the sum of two
// float32 numbers, so that angles of thousands of turns lose nothing.
func (d *device) TimeFeatures(y compute.Matrix, t compute.Buffer) {
	if y.Cols%2 != 0 {
		panic(errShape)
	}
	l := d.newLines(y.Cols)
	l.y = output(y, y.Rows, y.Cols)
	l.a = sized(t, y.Rows)
	f := y.Cols / 2
	l.b = d.common(2 * f)
	for k := range f {
		v := math.Pow(10000, -float64(k)/float64(f)) * 2 / math.Pi
		l.b[k], l.b[f+k] = split(v)
	}
	d.rows(y.Rows, 4*y.Cols, l, func(a any, _, lo, hi int) {
		l := a.(*lines)
		f := l.cols / 2
		for i := lo; i < hi; i++ {
			row := l.y.row(i)
			l.circle(row[:f], row[f:], l.b[:f], l.b[f:], l.a[i])
		}
	})
	drop(l)
}

// split returns v as a sum of two numbers.
func split(v float64) (hi, lo float32) {
	hi = float32(v)
	return hi, float32(v - float64(hi))
}
