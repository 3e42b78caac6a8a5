package cpu

import "rpg/generator/compute"

func (d *device) SquaredSum(dst compute.Buffer, x compute.Buffer) {
	v, out := vals(x), sized(dst, 1)
	l := d.loops()
	sum := d.sumRows(len(v), 1, func(lo, hi int) float64 { return l.squares(v[lo:hi], 0) })
	out[0] = float32(sum)
}
