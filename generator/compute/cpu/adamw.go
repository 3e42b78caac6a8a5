package cpu

import (
	"math"

	"rpg/generator/compute"
)

func (d *device) AdamW(a compute.AdamW) {
	j := keep[adamW](d)
	j.set(d, a)
	j.m, j.v = sized(a.M, len(j.p)), sized(a.V, len(j.p))
	d.spans(len(j.p), j, func(a any, _, lo, hi int) { a.(*adamW).update(lo, hi) })
	drop(j)
}

// adamW are the checked arguments of AdamW and what follows from them.
type adamW struct {
	loops
	p, g, m, v, ema []float32
	clip            float32
	new1, new2      float32 // 1-Beta1, 1-Beta2
	keep            float32 // 1 - LR·Decay
	rate            float32 // LR/(1-Beta1^Step)
	root            float32 // 1/sqrt(1-Beta2^Step)
	eps             float32
	newEMA          float32 // 1-EMADecay
}

// set takes all arguments but M and V.
func (j *adamW) set(d *device, a compute.AdamW) {
	j.loops = d.loops()
	j.p = vals(a.P)
	j.g = sized(a.G, len(j.p))
	if a.EMA != nil {
		j.ema = sized(a.EMA, len(j.p))
	}
	if a.Step < 1 {
		panic(errStep)
	}
	j.clip = 1
	if a.MaxNorm != 0 {
		norm := math.Sqrt(float64(sized(a.Norm, 1)[0]))
		j.clip = float32(min(1, float64(a.MaxNorm)/(norm+1e-6)))
	}
	// What does not depend on the value is computed once, in float64.
	step := float64(a.Step)
	j.rate = float32(float64(a.LR) / (1 - math.Pow(float64(a.Beta1), step)))
	j.root = float32(1 / math.Sqrt(1-math.Pow(float64(a.Beta2), step)))
	j.keep = float32(1 - float64(a.LR)*float64(a.Decay))
	j.new1, j.new2, j.eps = float32(1-float64(a.Beta1)), float32(1-float64(a.Beta2)), a.Eps
	j.newEMA = float32(1 - float64(a.EMADecay))
}

// update does the values lo..hi-1.
func (j *adamW) update(lo, hi int) {
	j.move(lo, hi, j.m[lo:hi], j.v[lo:hi])
}

// move is update with m and v of these values.
func (j *adamW) move(lo, hi int, m, v []float32) {
	p, g := j.p[lo:hi], j.g[lo:hi]
	if j.ema == nil {
		j.adamW(p, g, m, v, j)
	} else {
		j.adamWAverage(p, g, m, v, j.ema[lo:hi], j)
	}
}
