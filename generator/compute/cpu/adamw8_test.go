package cpu

import (
	"math"
	"testing"
)

// The codes are the nearest, at both ends of each cell, on both sides of each
// middle and at each code.
func TestNearestCode(t *testing.T) {
	for _, c := range []*stateCodes{signedCodes, unsignedCodes} {
		numbers := append([]float32{0, 1, -1, 1e-30}, c.value[:]...)
		for _, m := range c.middle[:255] {
			numbers = append(numbers, m, math.Nextafter32(m, -2), math.Nextafter32(m, 2))
		}
		for cell := range uint32(0x3f80) {
			for _, sign := range []uint32{0, 1 << 31} {
				numbers = append(numbers, math.Float32frombits(sign|cell<<16), math.Float32frombits(sign|cell<<16|0xffff))
			}
		}
		for _, x := range numbers {
			if x < 0 && c.above > 0 {
				continue // V has no signs
			}
			best := math.Inf(1)
			for _, v := range c.value {
				best = min(best, math.Abs(float64(v)-float64(x)))
			}
			got := c.nearest(x, 1)
			if x > 0 && c.above > 0 && float64(x) < float64(c.middle[0]) {
				if got != 1 {
					t.Errorf("%v: code %d, want 1, the smallest above 0", x, got)
				}
				continue
			}
			// The middle of two codes is itself rounded.
			if found := math.Abs(float64(c.value[got]) - float64(x)); !(found <= best+1.2e-7*math.Abs(float64(x))) {
				t.Errorf("%v: code %d is %g away, the nearest %g", x, got, found, best)
			}
		}
		for i, v := range c.value {
			if got := c.nearest(v*3, 3); got != i {
				t.Errorf("code %d is %v, of which the code is %d", i, v, got)
			}
		}
	}
}
