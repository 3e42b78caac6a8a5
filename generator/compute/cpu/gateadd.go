package cpu

import "rpg/generator/compute"

func (d *device) GateAdd(y, h, u, r compute.Matrix) {
	n, cols := y.Rows, y.Cols
	l := d.newLines(cols)
	l.y, l.x, l.u, l.v = output(y, n, cols), input(h, n, cols), input(u, n, cols), input(r, n, cols)
	d.rows(n, cols, l, func(a any, _, lo, hi int) {
		l := a.(*lines)
		for i := lo; i < hi; i++ {
			l.mulAddTo(l.y.row(i), l.x.row(i), l.u.row(i), l.v.row(i))
		}
	})
	drop(l)
}

func (d *device) GateAddBackward(du, dr, dy, u, r compute.Matrix) {
	n, cols := dy.Rows, dy.Cols
	l := d.newLines(cols)
	l.y, l.z = output(du, n, cols), output(dr, n, cols)
	l.x, l.u, l.v = input(dy, n, cols), input(u, n, cols), input(r, n, cols)
	d.rows(n, cols, l, func(a any, _, lo, hi int) {
		l := a.(*lines)
		for i := lo; i < hi; i++ {
			l.mulBoth(l.y.row(i), l.z.row(i), l.x.row(i), l.v.row(i), l.u.row(i))
		}
	})
	drop(l)
}
