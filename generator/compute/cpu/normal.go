package cpu

import "rpg/generator/compute"

func (d *device) Normal(dst compute.Buffer, seed, stream uint64) {
	l := d.newLines(0)
	l.a, l.seed, l.stream = vals(dst), seed, stream
	const group = 1024 // a multiple of the 4 numbers that a block gives
	d.split(len(l.a), group, l, func(a any, _, lo, hi int) {
		l := a.(*lines)
		for i := lo; i < hi; i += 4 {
			v := compute.Normals(l.seed, l.stream, uint64(i/4))
			copy(l.a[i:hi], v[:])
		}
	})
	drop(l)
}
