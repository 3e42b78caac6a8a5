package cpu

import (
	"math"
	"testing"
)

// All float32 numbers, every 997th (a prime, so that all exponents and
// many last digits come).
func TestExp(t *testing.T) {
	worst, at := 0.0, float32(0)
	for b := uint64(0); b < 1<<32; b += 997 {
		x := math.Float32frombits(uint32(b))
		got, want := exp(x), math.Exp(float64(x))
		switch narrow := float32(want); {
		case math.IsNaN(want):
			if got == got {
				t.Fatalf("exp(%g): got %g, want NaN", x, got)
			}
		case math.IsInf(float64(narrow), 0) || narrow == 0:
			if got != narrow {
				t.Fatalf("exp(%g): got %g, want %g", x, got, narrow)
			}
		case narrow < 0x1p-126: // subnormal: steps of 2^-149
			if !(math.Abs(float64(got)-want) <= 0x1p-148) {
				t.Fatalf("exp(%g): got %g, want %g", x, got, want)
			}
		default:
			if e := math.Abs(float64(got)-want) / want; !(e <= worst) {
				worst, at = e, x
			}
		}
	}
	t.Logf("largest relative error %.3g at %g", worst, at)
	if !(worst < 2e-7) {
		t.Errorf("relative error %.3g at %g", worst, at)
	}
}

func TestExpLimits(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct{ x, want float32 }{
		{0, 1}, {inf, inf}, {-inf, 0}, {88.722839, float32(math.Exp(float64(float32(88.722839))))},
		{88.73, inf}, {-103.98, 0}, {-1e38, 0}, {1e38, inf},
	} {
		got := exp(c.x)
		if got != c.want && !(math.Abs(float64(got-c.want)) <= 2e-7*float64(c.want)) {
			t.Errorf("exp(%g): got %g, want %g", c.x, got, c.want)
		}
	}
	if got := exp(float32(math.NaN())); got == got {
		t.Errorf("exp(NaN): got %g", got)
	}
}

func BenchmarkExp(b *testing.B) {
	x := make([]float32, 4096)
	for i := range x {
		x[i] = float32(i%40) - 20
	}
	y := make([]float32, len(x))
	b.SetBytes(int64(4 * len(x)))
	for b.Loop() {
		for i, v := range x {
			y[i] = exp(v)
		}
	}
}
