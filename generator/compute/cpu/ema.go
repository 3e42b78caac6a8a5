package cpu

import "rpg/generator/compute"

func (d *device) EMA(ema, p compute.Buffer, decay float32) {
	e := d.newElements()
	e.x = vals(p)
	e.dst = sized(ema, len(e.x))
	e.a, e.b = decay, float32(1-float64(decay))
	d.spans(len(e.x), e, func(a any, _, lo, hi int) {
		e := a.(*elements)
		e.blend(e.dst[lo:hi], e.x[lo:hi], e.a, e.b)
	})
	drop(e)
}
