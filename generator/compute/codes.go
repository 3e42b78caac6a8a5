package compute

import "math"

// StateBlock is how many values of an optimizer's state share a scale: see AdamW8.
const StateBlock = 256

// StateCodes returns the numbers that 8 bits stand for in a state of AdamW8, in
// rising order: the dynamic map of Dettmers, Lewis, Shleifer and Zettlemoyer, "8-bit
// Optimizers via Block-wise Quantization" (arXiv 2110.02861), for numbers from -1
// to 1 (M) or, not signed, from 0 to 1 (V).
//
// Decade i of 0..6, from 10^(i-7) to 10^(i-6), is cut into n equal parts, with
// n = 2^i for either sign or 2^(i+1) without signs; each has its middle as a code:
//
//	±10^(i-6)·(0.1 + 0.9·(j+½)/n),  j = 0..n-1
//
// The two that are left are 0 and 1. So relative precision is best for the
// largest values, and the smallest code is five to six orders below them.
func StateCodes(signed bool) [256]float32 {
	var codes [256]float32
	zero, first := 0, 2
	if signed {
		zero, first = 127, 1
	}
	at := zero + 1
	for i := range 7 {
		n := first << i
		for j := range n {
			v := float32(math.Pow10(i-6) * (0.1 + 0.9*(float64(j)+0.5)/float64(n)))
			codes[at] = v
			if signed {
				codes[2*zero-at] = -v
			}
			at++
		}
	}
	codes[at] = 1
	return codes
}
