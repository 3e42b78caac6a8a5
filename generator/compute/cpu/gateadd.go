package cpu

import "rpg/generator/compute"

func (d *device) GateAdd(y, h, u, r compute.Matrix) {
	n, cols := y.Rows, y.Cols
	out, outStride := matOf(y, n, cols)
	hs, hStride := inputOf(h, n, cols)
	us, uStride := inputOf(u, n, cols)
	rs, rStride := inputOf(r, n, cols)
	d.rows(n, cols, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			o, hr := out[i*outStride:][:cols], hs[i*hStride:][:cols]
			ur, rr := us[i*uStride:][:cols], rs[i*rStride:][:cols]
			for j, v := range hr {
				o[j] = v + rr[j]*ur[j]
			}
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
	d.rows(n, cols, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			dur, drr := dus[i*duStride:][:cols], drs[i*drStride:][:cols]
			ur, rr := us[i*uStride:][:cols], rs[i*rStride:][:cols]
			for j, v := range dys[i*dyStride:][:cols] {
				dur[j], drr[j] = rr[j]*v, ur[j]*v
			}
		}
	})
}
