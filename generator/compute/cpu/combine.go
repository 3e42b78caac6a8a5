package cpu

import "rpg/generator/compute"

func (d *device) Combine(dst compute.Buffer, a float32, x compute.Buffer, b float32, y compute.Buffer, c float32, z compute.Buffer) {
	if y == nil {
		y, b, z, c = z, c, nil, 0
	}
	e := d.newElements()
	e.dst, e.x = vals(dst), sized(x, dst.Len())
	e.a, e.b, e.c = a, b, c
	if y != nil {
		e.y = sized(y, len(e.dst))
	}
	if z != nil {
		e.z = sized(z, len(e.dst))
	}
	d.spans(len(e.dst), e, func(a any, _, lo, hi int) {
		e := a.(*elements)
		switch {
		case e.y == nil:
			e.scale(e.dst[lo:hi], e.x[lo:hi], e.a)
		case e.z == nil:
			e.combine2(e.dst[lo:hi], e.x[lo:hi], e.y[lo:hi], e.a, e.b)
		default:
			e.combine3(e.dst[lo:hi], e.x[lo:hi], e.y[lo:hi], e.z[lo:hi], e.a, e.b, e.c)
		}
	})
	drop(e)
}
