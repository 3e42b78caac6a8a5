package cpu

import "rpg/generator/compute"

func (d *device) SiLU(y, x compute.Buffer) {
	e := d.newElements()
	e.x = vals(x)
	e.dst = sized(y, len(e.x))
	d.spans(len(e.x), e, func(a any, _, lo, hi int) {
		e := a.(*elements)
		e.silu(e.dst[lo:hi], e.x[lo:hi])
	})
	drop(e)
}

func (d *device) SiLUBackward(dx, dy, x compute.Buffer) {
	e := d.newElements()
	e.x = vals(x)
	e.y, e.dst = sized(dy, len(e.x)), sized(dx, len(e.x))
	d.spans(len(e.x), e, func(a any, _, lo, hi int) {
		e := a.(*elements)
		e.siluBack(e.dst[lo:hi], e.y[lo:hi], e.x[lo:hi])
	})
	drop(e)
}
