package cpu

import (
	"fmt"
	"math"
	"testing"
)

// The functions of one variable as the loops compute them, on every kernel, in
// units in the last place of the exact value (for values below 1e-30, which
// float32 cannot tell from 0 beside others, of 1e-30). What is stated here is what
// the operations are good for.
func TestUnitsInLastPlace(t *testing.T) {
	one := func(x float32) []float32 { return []float32{x, x, x, x, x, x, x, x} }
	for _, f := range []struct {
		name   string
		lo, hi float64
		most   float64 // units
		exact  func(x float64) float64
		run    func(l loops, dst, x []float32)
	}{
		{"SiLU", -80, 80, 4,
			func(x float64) float64 { return x / (1 + math.Exp(-x)) },
			func(l loops, dst, x []float32) { l.silu(dst, x) }},
		{"SiLU's derivative", -1, 80, 9, // 1-s loses digits where s is near 1
			func(x float64) float64 { s := 1 / (1 + math.Exp(-x)); return s * (1 + x*(1-s)) },
			func(l loops, dst, x []float32) { l.siluBack(dst, ones(len(x)), x) }},
		{"sigmoid", -80, 80, 4, // as x·SiLU(z)/z is not at hand: gate of 1/z
			func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
			func(l loops, dst, x []float32) {
				inverse := make([]float32, len(x))
				for i, v := range x {
					inverse[i] = 1 / v
				}
				l.gate(dst, inverse, x)
			}},
		{"ELU, x > 0", 0, 80, 0, func(x float64) float64 { return x },
			func(l loops, dst, x []float32) { l.elu(dst, x, 0, 1, 0) }},
		{"exp, as ELU's slope", -80, 0, 4, math.Exp,
			func(l loops, dst, x []float32) { l.eluNormBack(dst, ones(len(x)), x, 0, 1, 1, 0, 0, 0) }},
	} {
		for _, kn := range kernels() {
			t.Run(fmt.Sprintf("%s %s", f.name, kn.name), func(t *testing.T) {
				l, worst, at := loops{chooseLoops(kn.name)}, 0.0, float32(0)
				const steps = 200_000
				dst := make([]float32, 8)
				for i := range steps {
					x := float32(f.lo + (f.hi-f.lo)*(float64(i)+0.5)/steps)
					f.run(l, dst, one(x))
					want := f.exact(float64(x))
					if e := math.Abs(float64(dst[3])-want) / unit(want); !(e <= worst) {
						worst, at = e, x
					}
				}
				t.Logf("at most %.2f units, at %g", worst, at)
				if !(worst <= f.most) {
					t.Errorf("%.2f units at %g, want at most %g", worst, at, f.most)
				}
			})
		}
	}
}

// unit is the distance of float32 numbers about v.
func unit(v float64) float64 {
	_, e := math.Frexp(max(math.Abs(v), 1e-30))
	return math.Ldexp(1, e-24)
}

func ones(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return v
}
