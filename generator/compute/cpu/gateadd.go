package cpu

import "rpg/generator/compute"

func (d *device) GateAdd(y, h, u, r compute.Matrix) {
	n, cols := y.Rows, y.Cols
	out, outStride := matOf(y, n, cols)
	hs, hStride := inputOf(h, n, cols)
	us, uStride := inputOf(u, n, cols)
	rs, rStride := inputOf(r, n, cols)
	l := d.loops()
	d.rows(n, cols, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			l.mulAddTo(out[i*outStride:][:cols], hs[i*hStride:], us[i*uStride:], rs[i*rStride:])
		}
	})
}

func (d *device) GateAddBackward(du, dr, dy, u, r compute.Matrix) {
	n, cols := dy.Rows, dy.Cols
	dus, duStride := matOf(du, n, cols)
	drs, drStride := matOf(dr, n, cols)
	dys, dyStride := inputOf(dy, n, cols)
	us, uStride := inputOf(u, n, cols)
	rs, rStride := inputOf(r, n, cols)
	l := d.loops()
	d.rows(n, cols, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			l.mulBoth(dus[i*duStride:][:cols], drs[i*drStride:], dys[i*dyStride:], rs[i*rStride:], us[i*uStride:])
		}
	})
}
