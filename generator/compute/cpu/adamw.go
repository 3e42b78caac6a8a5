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
	beta1, beta2 := a.Beta1, a.Beta2
	new1, new2 := float32(1-float64(beta1)), float32(1-float64(beta2))
	d.spans(len(p), func(lo, hi int) {
		p, m, v := p[lo:hi], m[lo:hi], v[lo:hi]
		for i, g := range g[lo:hi] {
			g *= clip
			mi := beta1*m[i] + new1*g
			vi := beta2*v[i] + new2*g*g
			m[i], v[i] = mi, vi
			p[i] = keep*p[i] - rate*mi/(float32(math.Sqrt(float64(vi)))*root+a.Eps)
		}
	})
}
