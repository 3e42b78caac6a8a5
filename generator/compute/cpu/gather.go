package cpu

import "rpg/generator/compute"

func (d *device) Gather(dst, src compute.Matrix, rows compute.Ints, beta float32) {
	from, fromStride := mat(src)
	to, toStride := matOf(dst, dst.Rows, src.Cols)
	at := rowNumbers(rows, dst.Rows, src.Rows)
	if beta != 0 && beta != 1 {
		panic(errBeta)
	}
	l := d.loops()
	d.rows(dst.Rows, dst.Cols, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			in := from[int(at[i])*fromStride:][:src.Cols]
			out := to[i*toStride:][:src.Cols]
			if beta == 0 {
				copy(out, in)
			} else {
				l.add(out, in)
			}
		}
	})
}

// rowNumbers checks n row numbers, each below limit.
func rowNumbers(rows compute.Ints, n, limit int) []int32 {
	at := whole(rows)
	if len(at) != n {
		panic(errShape)
	}
	for _, r := range at {
		if r < 0 || int(r) >= limit {
			panic(errRowRange)
		}
	}
	return at
}
