package cpu

import "rpg/generator/compute"

// ScatterAdd divides the work by columns, so that rows are added in their order.
func (d *device) ScatterAdd(dst, src compute.Matrix, rows compute.Ints) {
	from, fromStride := mat(src)
	to, toStride := matOf(dst, dst.Rows, src.Cols)
	at := rowNumbers(rows, src.Rows, dst.Rows)
	l := d.loops()
	d.parallel((src.Cols+columnGroup-1)/columnGroup, func(_, g int) {
		lo := g * columnGroup
		hi := min(src.Cols, lo+columnGroup)
		for i, r := range at {
			l.add(to[int(r)*toStride+lo:int(r)*toStride+hi], from[i*fromStride+lo:i*fromStride+hi])
		}
	})
}
