package cpu

import "rpg/generator/compute"

// columnGroup is the number of neighbouring columns that one worker sums.
const columnGroup = 64

// shortSum is the number of rows summed in float32 before the sum goes to float64.
const shortSum = 32

func (d *device) ColumnSums(dst compute.Buffer, x compute.Matrix) {
	e := d.newElements()
	data, stride := mat(x)
	e.x, e.stride, e.count = data, stride, x.Rows
	e.dst = sized(dst, x.Cols)
	d.split(x.Cols, columnGroup, e, func(a any, worker, lo, hi int) {
		e := a.(*elements)
		var total [columnGroup]float64
		part := e.device.scratch(worker, columnGroup)[:hi-lo]
		for first := 0; first < e.count; first += shortSum {
			clear(part)
			for i := first; i < min(e.count, first+shortSum); i++ {
				e.add(part, e.x[i*e.stride+lo:i*e.stride+hi])
			}
			for j, v := range part {
				total[j] += float64(v)
			}
		}
		for j := lo; j < hi; j++ {
			e.dst[j] = float32(float64(e.dst[j]) + total[j-lo])
		}
	})
	drop(e)
}
