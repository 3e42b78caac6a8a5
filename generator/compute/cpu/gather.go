package cpu

import "rpg/generator/compute"

func (d *device) Gather(dst, src compute.Matrix, rows compute.Ints, beta float32) {
	l := d.newLines(src.Cols)
	l.x = input(src, src.Rows, src.Cols)
	l.y = output(dst, dst.Rows, src.Cols)
	l.numbers = rowNumbers(rows, dst.Rows, src.Rows)
	if l.beta = beta; beta != 0 && beta != 1 {
		panic(errBeta)
	}
	d.rows(dst.Rows, dst.Cols, l, func(a any, _, lo, hi int) {
		l := a.(*lines)
		for i := lo; i < hi; i++ {
			out, in := l.y.row(i), l.x.row(int(l.numbers[i]))
			if l.beta == 0 {
				copy(out, in)
			} else {
				l.add(out, in)
			}
		}
	})
	drop(l)
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
