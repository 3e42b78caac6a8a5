package cpu

import "math"

// exp is e^x with a relative error below 2e-7; 0 below about -103.97, +Inf
// above about 88.72, NaN for NaN. It is several times as fast as math.Exp.
//
// With k = round(x/ln 2) and r = x - k·ln 2, e^x = 2^k·e^r, where |r| <= ln(2)/2
// and 1 + r + r²·q(r) gives e^r, with q of degree 5 from Cephes' expf (S. Moshier).
func exp(x float32) float32 {
	const (
		over    = 88.722839 // e^x is +Inf in float32 above this
		under   = -103.97208
		log2e   = 1 / math.Ln2
		ln2High = 0.693145751953125 // 16 bits, so that k·ln2High is exact
		ln2Low  = math.Ln2 - ln2High
		// Adding and subtracting 1.5·2^23 rounds to the nearest integer.
		round = 1.5 * (1 << 23)
	)
	if !(x < over) {
		if x != x {
			return x
		}
		if x > over {
			return float32(math.Inf(1))
		}
	}
	if x < under {
		return 0
	}
	k := float32(x*log2e+round) - round
	r := float32(x-float32(k*ln2High)) - float32(k*ln2Low)
	p := float32(1.9875691500e-4)
	p = p*r + 1.3981999507e-3
	p = p*r + 8.3334519073e-3
	p = p*r + 4.1665795894e-2
	p = p*r + 1.6666665459e-1
	p = p*r + 5.0000001201e-1
	p = p*(r*r) + r + 1
	// 2^k in two factors, as it may be beyond the normal numbers: k is -150..128.
	n := int32(k)
	half := n >> 1
	return p * math.Float32frombits(uint32(half+127)<<23) * math.Float32frombits(uint32(n-half+127)<<23)
}
