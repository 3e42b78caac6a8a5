package cpu

import "rpg/generator/compute"

func (d *device) SiLU(y, x compute.Buffer) {
	from := vals(x)
	to := sized(y, len(from))
	l := d.loops()
	d.spans(len(from), func(lo, hi int) { l.silu(to[lo:hi], from[lo:hi]) })
}

func (d *device) SiLUBackward(dx, dy, x compute.Buffer) {
	from := vals(x)
	up, down := sized(dy, len(from)), sized(dx, len(from))
	l := d.loops()
	d.spans(len(from), func(lo, hi int) { l.siluBack(down[lo:hi], up[lo:hi], from[lo:hi]) })
}
