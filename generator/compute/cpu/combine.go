package cpu

import "rpg/generator/compute"

func (d *device) Combine(dst compute.Buffer, a float32, x compute.Buffer, b float32, y compute.Buffer, c float32, z compute.Buffer) {
	out, xs := vals(dst), sized(x, dst.Len())
	if y == nil {
		y, b, z, c = z, c, nil, 0
	}
	switch {
	case y == nil:
		d.spans(len(out), func(lo, hi int) {
			o := out[lo:hi]
			for i, v := range xs[lo:hi] {
				o[i] = a * v
			}
		})
	case z == nil:
		ys := sized(y, len(out))
		d.spans(len(out), func(lo, hi int) {
			o, ys := out[lo:hi], ys[lo:hi]
			for i, v := range xs[lo:hi] {
				o[i] = a*v + b*ys[i]
			}
		})
	default:
		ys, zs := sized(y, len(out)), sized(z, len(out))
		d.spans(len(out), func(lo, hi int) {
			o, ys, zs := out[lo:hi], ys[lo:hi], zs[lo:hi]
			for i, v := range xs[lo:hi] {
				o[i] = a*v + b*ys[i] + c*zs[i]
			}
		})
	}
}
