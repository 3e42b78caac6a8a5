package cpu

import "rpg/generator/compute"

func (d *device) Zero(x compute.Buffer) {
	e := d.newElements()
	e.dst = vals(x)
	d.spans(len(e.dst), e, func(a any, _, lo, hi int) { clear(a.(*elements).dst[lo:hi]) })
	drop(e)
}
