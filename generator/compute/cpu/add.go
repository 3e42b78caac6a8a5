package cpu

import "rpg/generator/compute"

func (d *device) Add(y, x compute.Buffer) {
	e := d.newElements()
	e.x = vals(x)
	e.dst = sized(y, len(e.x))
	d.spans(len(e.x), e, func(a any, _, lo, hi int) {
		e := a.(*elements)
		e.add(e.dst[lo:hi], e.x[lo:hi])
	})
	drop(e)
}
