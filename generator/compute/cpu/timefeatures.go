package cpu

import (
	"math"

	"rpg/generator/compute"
)

func (d *device) TimeFeatures(y compute.Matrix, t compute.Buffer) {
	out, stride := matOf(y, y.Rows, y.Cols)
	times := sized(t, y.Rows)
	if y.Cols%2 != 0 {
		panic(errShape)
	}
	f := y.Cols / 2
	frequencies := make([]float64, f)
	for k := range frequencies {
		frequencies[k] = math.Pow(10000, -float64(k)/float64(f))
	}
	// A sine takes as long as dozens of plain values.
	d.rows(y.Rows, 16*y.Cols, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			row := out[i*stride:][:y.Cols]
			for k, frequency := range frequencies {
				sin, cos := math.Sincos(float64(times[i]) * frequency)
				row[k], row[f+k] = float32(cos), float32(sin)
			}
		}
	})
}
