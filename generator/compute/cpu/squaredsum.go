package cpu

import "rpg/generator/compute"

func (d *device) SquaredSum(dst compute.Buffer, x compute.Buffer) {
	out := sized(dst, 1)
	e := d.newElements()
	e.x = vals(x)
	e.sums = d.partials((len(e.x) + span - 1) / span)
	d.spans(len(e.x), e, func(a any, _, lo, hi int) {
		e := a.(*elements)
		e.sums[lo/span] = e.squares(e.x[lo:hi], 0)
	})
	out[0] = float32(total(e.sums))
	drop(e)
}

// total adds up partial sums in their order.
func total(parts []float64) (sum float64) {
	for _, v := range parts {
		sum += v
	}
	return sum
}
