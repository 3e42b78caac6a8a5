package cpu

import "rpg/generator/compute"

func (d *device) Zero(x compute.Buffer) {
	v := vals(x)
	d.spans(len(v), func(lo, hi int) { clear(v[lo:hi]) })
}
