package cpu

import "rpg/generator/compute"

func (d *device) EMA(ema, p compute.Buffer, decay float32) {
	from := vals(p)
	to := sized(ema, len(from))
	rest := float32(1 - float64(decay))
	l := d.loops()
	d.spans(len(from), func(lo, hi int) { l.blend(to[lo:hi], from[lo:hi], decay, rest) })
}
