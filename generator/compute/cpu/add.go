package cpu

import "rpg/generator/compute"

func (d *device) Add(y, x compute.Buffer) {
	from := vals(x)
	to := sized(y, len(from))
	d.spans(len(from), func(lo, hi int) {
		out := to[lo:hi]
		for i, v := range from[lo:hi] {
			out[i] += v
		}
	})
}
