package compute

import (
	"math"
	"testing"
)

// The ends of the range, the places where the parts meet, and many between.
func TestPartsOfNormals(t *testing.T) {
	for _, start := range []uint32{0, 1 << 29, 1 << 30, 3 << 29, 1 << 31, 5 << 29, 3 << 30, 7 << 29, 3037000499, 1518500249, 0xdeadbeef} {
		for k := range uint32(400) {
			for _, r := range []uint32{start + k, start - k, start + k*7919*7919} {
				u := (float64(r) + 1) / (1 << 32)
				if got, want := logFraction(r), math.Log(u); !(math.Abs(got-want) <= 1e-11*math.Abs(want)) {
					t.Fatalf("logFraction(%d): got %.15g, want %.15g", r, got, want)
				}
				sin, cos := turn(r)
				wantSin, wantCos := math.Sincos(2 * math.Pi * float64(r) / (1 << 32))
				// Near its zeros math.Sincos has the error of the rounded angle.
				const tol = 1e-11
				if !(math.Abs(sin-wantSin) <= tol*math.Abs(wantSin)+1e-15) || !(math.Abs(cos-wantCos) <= tol*math.Abs(wantCos)+1e-15) {
					t.Fatalf("turn(%d): got %.15g, %.15g, want %.15g, %.15g", r, sin, cos, wantSin, wantCos)
				}
			}
		}
	}
}
