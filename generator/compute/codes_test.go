package compute_test

import (
	"math"
	"testing"

	"rpg/generator/compute"
)

// What arXiv 2110.02861 says of its map: seven decades, of which each has twice the
// codes of the one below, evenly spread; 0 and 1 exactly; with signs the same on
// both sides but for 1.
func TestStateCodes(t *testing.T) {
	for _, signed := range []bool{true, false} {
		codes, first, negative := compute.StateCodes(signed), 2, 0
		if signed {
			first, negative = 1, 127
		}
		for i := 1; i < len(codes); i++ {
			if !(codes[i] > codes[i-1]) {
				t.Errorf("signed %t: code %d is %v, after %v", signed, i, codes[i], codes[i-1])
			}
		}
		if codes[negative] != 0 || codes[255] != 1 {
			t.Errorf("signed %t: codes %d and 255 are %v and %v, want 0 and 1", signed, negative, codes[negative], codes[255])
		}
		for i := range negative {
			if codes[i] != -codes[254-i] {
				t.Errorf("code %d is %v, code %d is %v: want the same with two signs", i, codes[i], 254-i, codes[254-i])
			}
		}
		at := negative + 1
		for decade := range 7 {
			n, end := first<<decade, math.Pow10(decade-6)
			part := codes[at : at+n]
			if !(float64(part[0]) > 0.1*end) || !(float64(part[n-1]) < end) {
				t.Errorf("signed %t: codes %d to %d reach from %v to %v, want them within %g to %g", signed, at, at+n-1, part[0], part[n-1], 0.1*end, end)
			}
			for j := 1; j < n; j++ {
				if step := float64(part[j]) - float64(part[j-1]); !(math.Abs(step-0.9*end/float64(n)) <= 1e-6*end) {
					t.Errorf("signed %t: codes %d and %d are %g apart, want %g", signed, at+j-1, at+j, step, 0.9*end/float64(n))
				}
			}
			if mean := mean(part); !(math.Abs(mean-0.55*end) <= 1e-6*end) {
				t.Errorf("signed %t: the mean of codes %d to %d is %g, want %g", signed, at, at+n-1, mean, 0.55*end)
			}
			at += n
		}
		if at != 255 {
			t.Errorf("signed %t: seven decades end at code %d, want 254", signed, at-1)
		}
	}
}

func mean(x []float32) (sum float64) {
	for _, v := range x {
		sum += float64(v) / float64(len(x))
	}
	return sum
}
