package cpu

import (
	"math"

	"rpg/generator/compute"
)

func (d *device) AdamW(a compute.AdamW) {
	p := vals(a.P)
	g, m, v := sized(a.G, len(p)), sized(a.M, len(p)), sized(a.V, len(p))
	if a.Step < 1 {
		panic(errStep)
	}
	clip := float32(1)
	if a.MaxNorm != 0 {
		norm := math.Sqrt(float64(sized(a.Norm, 1)[0]))
		clip = float32(min(1, float64(a.MaxNorm)/(norm+1e-6)))
	}
	// What does not depend on the value is computed once, in float64.
	step := float64(a.Step)
	rate := float32(float64(a.LR) / (1 - math.Pow(float64(a.Beta1), step)))
	root := float32(1 / math.Sqrt(1-math.Pow(float64(a.Beta2), step)))
	keep := float32(1 - float64(a.LR)*float64(a.Decay))
	new1, new2 := float32(1-float64(a.Beta1)), float32(1-float64(a.Beta2))
	l := d.loops()
	d.spans(len(p), func(lo, hi int) {
		l.adamW(p[lo:hi], g[lo:hi], m[lo:hi], v[lo:hi], clip, a.Beta1, new1, a.Beta2, new2, keep, rate, root, a.Eps)
	})
}
