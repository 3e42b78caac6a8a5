package cpu

import "rpg/generator/compute"

func (d *device) SiLU(y, x compute.Buffer) {
	from := vals(x)
	to := sized(y, len(from))
	d.spans(len(from), func(lo, hi int) {
		out := to[lo:hi]
		for i, v := range from[lo:hi] {
			out[i] = v / (1 + exp(-v))
		}
	})
}

func (d *device) SiLUBackward(dx, dy, x compute.Buffer) {
	from := vals(x)
	up, down := sized(dy, len(from)), sized(dx, len(from))
	d.spans(len(from), func(lo, hi int) {
		in, out := up[lo:hi], down[lo:hi]
		for i, v := range from[lo:hi] {
			s := 1 / (1 + exp(-v))
			out[i] = in[i] * s * (1 + v*(1-s))
		}
	})
}
