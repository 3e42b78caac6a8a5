package cpu

import "rpg/generator/compute"

func (d *device) Add(y, x compute.Buffer) {
	from := vals(x)
	to := sized(y, len(from))
	l := d.loops()
	d.spans(len(from), func(lo, hi int) { l.add(to[lo:hi], from[lo:hi]) })
}
