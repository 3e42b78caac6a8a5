package cpu

import "rpg/generator/compute"

func (d *device) Copy(dst, src compute.Buffer) {
	e := d.newElements()
	e.x = vals(src)
	e.dst = sized(dst, len(e.x))
	d.spans(len(e.x), e, func(a any, _, lo, hi int) {
		e := a.(*elements)
		copy(e.dst[lo:hi], e.x[lo:hi])
	})
	drop(e)
}
