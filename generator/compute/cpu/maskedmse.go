package cpu

import "rpg/generator/compute"

func (d *device) MaskedMSE(loss compute.Buffer, dpred, pred, target compute.Matrix, valid compute.Ints) {
	n, cols := pred.Rows, pred.Cols
	grads, gradStride := matOf(dpred, n, cols)
	preds, predStride := inputOf(pred, n, cols)
	targets, targetStride := inputOf(target, n, cols)
	out, lengths := sized(loss, 1), whole(valid)
	if len(lengths) != n {
		panic(errShape)
	}
	total := 0
	for _, v := range lengths {
		if v < 0 || int(v) > cols {
			panic(errValid)
		}
		total += int(v)
	}
	slope := float32(2 / float64(max(1, total)))
	sum := d.sumRows(n, cols, func(lo, hi int) float64 {
		var sum float64
		for i := lo; i < hi; i++ {
			grad := grads[i*gradStride:][:cols]
			k := int(lengths[i])
			p, t := preds[i*predStride:][:k], targets[i*targetStride:][:k]
			for j, v := range p {
				diff := v - t[j]
				grad[j] = slope * diff
				sum += float64(diff) * float64(diff)
			}
			clear(grad[k:])
		}
		return sum
	})
	out[0] = float32(sum / float64(max(1, total)))
}
