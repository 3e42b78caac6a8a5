package computetest

import (
	"math"

	"rpg/generator/compute"
)

func adamW() Operation {
	op := Operation{Name: "AdamW"}
	for _, s := range elementSizes {
		for _, form := range []struct {
			name          string
			maxNorm, norm float32
			decay         float32
			step          int
			emaDecay      float32 // 0 for none
		}{
			{"first step", 0, 0, 0, 1, 0},
			{"first step with average", 0, 0, 0, 1, 0.1},
			{"clipped", 1, 400, 0.01, 3, 0},
			{"below the norm", 1, 0.25, 0.01, 3, 0},
			{"late", 1, 1.5, 0.05, 100000, 0},
			{"late with average", 1, 1.5, 0.05, 100000, 0.9999},
		} {
			op.Cases = append(op.Cases, Case{s.name + " " + form.name, func(e *Env) {
				p, g, m := e.Random(s.n), e.Random(s.n), e.Random(s.n)
				v := e.Uniform(s.n, 0, 2)
				a := compute.AdamW{
					MaxNorm: form.maxNorm, LR: 0.003, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: form.decay, Step: form.step,
				}
				wantP, wantM, wantV := refAdamW(a, float64(form.norm), p, g, m, v)
				a.P, a.G, a.M, a.V = e.Buffer("p", p), e.Buffer("g", g), e.Buffer("m", m), e.Buffer("v", v)
				if form.maxNorm != 0 {
					a.Norm = e.Buffer("norm", []float32{form.norm})
				}
				if form.emaDecay != 0 {
					old := e.Random(s.n)
					a.EMA, a.EMADecay = e.Buffer("ema", old), form.emaDecay
					wantEMA := make([]float64, s.n)
					for i, v := range old {
						wantEMA[i] = float64(a.EMADecay)*float64(v) + (1-float64(a.EMADecay))*wantP[i]
					}
					e.Device.AdamW(a)
					e.Check("ema", wantEMA, 6e-7)
				} else {
					e.Device.AdamW(a)
				}
				e.Check("m", wantM, 3e-7)
				e.Check("v", wantV, 3e-7)
				e.Check("p", wantP, 3e-7)
			}})
		}
	}
	return op
}

func refAdamW(a compute.AdamW, norm float64, p, g, m, v []float32) (np, nm, nv []float64) {
	np, nm, nv = wide(p), wide(m), wide(v)
	lr, b1, b2 := float64(a.LR), float64(a.Beta1), float64(a.Beta2)
	clip := 1.0
	if a.MaxNorm != 0 {
		clip = math.Min(1, float64(a.MaxNorm)/(math.Sqrt(norm)+1e-6))
	}
	for i := range p {
		gi := float64(g[i]) * clip
		nm[i] = b1*nm[i] + (1-b1)*gi
		nv[i] = b2*nv[i] + (1-b2)*gi*gi
		mHat := nm[i] / (1 - math.Pow(b1, float64(a.Step)))
		vHat := nv[i] / (1 - math.Pow(b2, float64(a.Step)))
		np[i] += -lr*float64(a.Decay)*np[i] - lr*mHat/(math.Sqrt(vHat)+float64(a.Eps))
	}
	return np, nm, nv
}
