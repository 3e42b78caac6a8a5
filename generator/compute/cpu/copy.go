package cpu

import "rpg/generator/compute"

func (d *device) Copy(dst, src compute.Buffer) {
	from := vals(src)
	to := sized(dst, len(from))
	d.spans(len(from), func(lo, hi int) { copy(to[lo:hi], from[lo:hi]) })
}
