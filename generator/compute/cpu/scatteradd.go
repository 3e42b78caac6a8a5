package cpu

import "rpg/generator/compute"

// ScatterAdd divides the work by columns, so that rows are added in their order.
func (d *device) ScatterAdd(dst, src compute.Matrix, rows compute.Ints) {
	l := d.newLines(src.Cols)
	l.x = input(src, src.Rows, src.Cols)
	l.y = output(dst, dst.Rows, src.Cols)
	l.numbers = rowNumbers(rows, src.Rows, dst.Rows)
	d.split(src.Cols, columnGroup, l, func(a any, _, lo, hi int) {
		l := a.(*lines)
		for i, r := range l.numbers {
			l.add(l.y.row(int(r))[lo:hi], l.x.row(i)[lo:hi])
		}
	})
	drop(l)
}
