package cpu

import "rpg/generator/compute"

func (d *device) EMA(ema, p compute.Buffer, decay float32) {
	from := vals(p)
	to := sized(ema, len(from))
	rest := float32(1 - float64(decay))
	d.spans(len(from), func(lo, hi int) {
		out := to[lo:hi]
		for i, v := range from[lo:hi] {
			out[i] = decay*out[i] + rest*v
		}
	})
}
