package cpu

import "rpg/generator/compute"

func (d *device) MaskedMSE(loss compute.Buffer, dpred, pred, target compute.Matrix, valid compute.Ints) {
	n, cols := pred.Rows, pred.Cols
	l := d.newLines(cols)
	l.y, l.x, l.u = output(dpred, n, cols), input(pred, n, cols), input(target, n, cols)
	out := sized(loss, 1)
	if l.numbers = whole(valid); len(l.numbers) != n {
		panic(errShape)
	}
	count := 0
	for _, v := range l.numbers {
		if v < 0 || int(v) > cols {
			panic(errValid)
		}
		count += int(v)
	}
	l.factor = float32(2 / float64(max(1, count)))
	step := rowGroup(cols)
	l.sums = d.partials((n + step - 1) / step)
	d.rows(n, cols, l, func(a any, _, lo, hi int) {
		l := a.(*lines)
		var sum float64
		for i := lo; i < hi; i++ {
			k := l.numbers[i]
			grad := l.y.row(i)
			sum += l.difference(grad[:k], l.x.row(i), l.u.row(i), l.factor)
			clear(grad[k:])
		}
		l.sums[lo/rowGroup(l.cols)] = sum
	})
	out[0] = float32(total(l.sums) / float64(max(1, count)))
	drop(l)
}
