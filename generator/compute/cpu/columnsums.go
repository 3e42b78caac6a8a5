package cpu

import "rpg/generator/compute"

// columnGroup is the number of neighbouring columns that one worker sums.
const columnGroup = 64

// shortSum is the number of rows summed in float32 before the sum goes to float64.
const shortSum = 32

func (d *device) ColumnSums(dst compute.Buffer, x compute.Matrix) {
	data, stride := mat(x)
	sums := sized(dst, x.Cols)
	l := d.loops()
	d.parallel((x.Cols+columnGroup-1)/columnGroup, func(_, g int) {
		lo := g * columnGroup
		hi := min(x.Cols, lo+columnGroup)
		var total [columnGroup]float64
		for first := 0; first < x.Rows; first += shortSum {
			var part [columnGroup]float32
			for i := first; i < min(x.Rows, first+shortSum); i++ {
				l.add(part[:hi-lo], data[i*stride+lo:i*stride+hi])
			}
			for j, v := range part {
				total[j] += float64(v)
			}
		}
		for j := lo; j < hi; j++ {
			sums[j] = float32(float64(sums[j]) + total[j-lo])
		}
	})
}
