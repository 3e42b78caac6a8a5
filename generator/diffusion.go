package generator

import (
	"fmt"
	"math"

	"rpg/generator/compute"
)

// schedule holds abar_t = prod(1-beta) of a linear beta, float64.
type schedule struct {
	beta, abar []float64
}

func newSchedule(c Config) schedule {
	s := schedule{make([]float64, c.DiffusionSteps), make([]float64, c.DiffusionSteps)}
	p := 1.0
	for t := range s.beta {
		s.beta[t] = c.BetaMin
		if c.DiffusionSteps > 1 {
			s.beta[t] += (c.BetaMax - c.BetaMin) * float64(t) / float64(c.DiffusionSteps-1)
		}
		p *= 1 - s.beta[t]
		s.abar[t] = p
	}
	return s
}

// A samplerStep moves x from time t to an earlier one:
// x = X·x + Pred·prediction + Noise·(fresh standard normal noise).
// Every sampler here is linear in these three, whatever is predicted.
type samplerStep struct {
	T              int
	X, Pred, Noise float64
}

// Samplers names what --sampler accepts.
var Samplers = []string{"ddim", "ddpm"}

// steps lists the steps of a sampler, from t = T-1 down to x_0.
//
// ddpm visits every t with the posterior variance (Ho et al. 2020, eq. 6-7).
// ddim visits round(linspace(T-1, 0, count)) with sigma scaled by eta (Song et
// al. 2021, eq. 12 and 16). From the last t both go to x_0 without noise.
func (s schedule) steps(sampler string, count int, eta float64, p compute.Prediction) ([]samplerStep, error) {
	T := len(s.abar)
	var grid []int
	switch sampler {
	case "ddpm":
		count, eta = T, 1
	case "ddim":
		if count < 1 || count > T {
			return nil, fmt.Errorf("generator: sample-steps is %d, expected 1..%d", count, T)
		}
		if !(eta >= 0 && eta <= 1) {
			return nil, fmt.Errorf("generator: eta is %v, expected 0..1", eta)
		}
	default:
		return nil, fmt.Errorf("generator: sampler is %q, expected one of %v", sampler, Samplers)
	}
	for i := range count {
		t := T - 1
		if count > 1 {
			t = int(math.Round(float64(T-1) * float64(count-1-i) / float64(count-1)))
		}
		grid = append(grid, t)
	}
	steps := make([]samplerStep, 0, count)
	for i, t := range grid {
		abar, next := s.abar[t], 1.0
		if i+1 < len(grid) {
			next = s.abar[grid[i+1]]
		}
		// x_next = sqrt(next)·x0 + sqrt(1-next-sigma²)·eps + sigma·noise.
		// With eta = 1 and neighbouring times this is DDPM's posterior.
		sigma := eta * math.Sqrt((1-next)/(1-abar)*(1-abar/next))
		cx0, ceps := math.Sqrt(next), math.Sqrt(max(0, 1-next-sigma*sigma))
		x0x, x0p, epsx, epsp := invert(p, math.Sqrt(abar), math.Sqrt(1-abar))
		steps = append(steps, samplerStep{T: t, X: cx0*x0x + ceps*epsx, Pred: cx0*x0p + ceps*epsp, Noise: sigma})
	}
	return steps, nil
}

// invert gives x0 = x0x·x + x0p·prediction and eps = epsx·x + epsp·prediction
// for x = a·x0 + b·eps, a² + b² = 1.
func invert(p compute.Prediction, a, b float64) (x0x, x0p, epsx, epsp float64) {
	switch p {
	case compute.PredictEps:
		return 1 / a, -b / a, 0, 1
	case compute.PredictV:
		return a, -b, b, a
	case compute.PredictX0:
		return 0, 1, 1 / b, -a / b
	}
	panic("generator: unknown prediction")
}
