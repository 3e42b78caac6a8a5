package cpu

import (
	"fmt"
	"math"
	"testing"
)

// Sines and cosines against float64, in assembly and in Go, for the frequencies
// of TimeFeatures and times up to many more than there are diffusion steps.
func TestCircle(t *testing.T) {
	const n = 67
	high, low := make([]float32, n), make([]float32, n)
	exact := make([]float64, n)
	for k := range n {
		exact[k] = math.Pow(10000, -float64(k)/n) * 2 / math.Pi
		high[k], low[k] = split(exact[k])
	}
	for _, name := range []string{kernels()[0].name, "go"} {
		for _, limit := range []float32{1, 1000, 1e5} {
			t.Run(fmt.Sprintf("%s up to %g", name, limit), func(t *testing.T) {
				l := loops{chooseLoops(name)}
				var worst float64
				cos, sin := make([]float32, n), make([]float32, n)
				for i := -200; i <= 1000; i++ {
					at := limit * float32(i) / 1000
					l.circle(cos, sin, high, low, at)
					for k, f := range exact {
						s, c := math.Sincos(float64(at) * f * math.Pi / 2)
						for _, e := range []float64{float64(cos[k]) - c, float64(sin[k]) - s} {
							if e = math.Abs(e); !(e <= worst) {
								worst = e
							}
						}
					}
				}
				t.Logf("largest error %.3g", worst)
				if !(worst < 2e-7) {
					t.Errorf("largest error %.3g", worst)
				}
			})
		}
	}
}
