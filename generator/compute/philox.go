package compute

import (
	"math"
	"math/bits"
)

// Philox is Philox 4x32-10, the counter-based generator of Salmon, Moraes, Dror
// and Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011): a function
// from a 64-bit key and a 128-bit counter to 128 random bits. The key is seed,
// the counter is block (low half) and stream (high half), each with its low
// word first.
func Philox(seed, stream, block uint64) [4]uint32 {
	const (
		m0, m1 = 0xD2511F53, 0xCD9E8D57 // multipliers
		w0, w1 = 0x9E3779B9, 0xBB67AE85 // key increments (Weyl sequence)
	)
	c0, c1 := uint32(block), uint32(block>>32)
	c2, c3 := uint32(stream), uint32(stream>>32)
	k0, k1 := uint32(seed), uint32(seed>>32)
	for range 10 {
		hi0, lo0 := bits.Mul32(m0, c0)
		hi1, lo1 := bits.Mul32(m1, c2)
		c0, c1, c2, c3 = hi1^c1^k0, lo1, hi0^c3^k1, lo0
		k0 += w0
		k1 += w1
	}
	return [4]uint32{c0, c1, c2, c3}
}

// Normals returns the standard normal numbers 4·block … 4·block+3 of a stream:
// Box and Muller's transform of the pairs (r0, r1) and (r2, r3) of
// Philox(seed, stream, block),
//
//	sqrt(-2 ln u)·cos(2π v), sqrt(-2 ln u)·sin(2π v)
//
// with u = (r+1)/2^32 of a pair's first number and v = r/2^32 of its second, in
// float64, rounded to float32 at the end.
func Normals(seed, stream, block uint64) [4]float32 {
	r := Philox(seed, stream, block)
	var out [4]float32
	for i := 0; i < 4; i += 2 {
		sin, cos := turn(r[i+1])
		radius := math.Sqrt(-2 * logFraction(r[i]))
		out[i], out[i+1] = float32(radius*cos), float32(radius*sin)
	}
	return out
}

// RowKey returns a row's part of the keys of NormalRows.
func RowKey(seed, stream uint64) [4]int32 {
	return [4]int32{int32(seed), int32(seed >> 32), int32(stream), int32(stream >> 32)}
}

// logFraction returns ln((r+1)/2^32) to 1e-11 relative, in a third of the time
// of math.Log. With (r+1)/2^32 = 2^e·m, m near 1, and s = (m-1)/(m+1),
// ln m = 2·(s + s³/3 + s⁵/5 + …), where |s| < 0.172.
func logFraction(r uint32) float64 {
	const mantissa = 1<<52 - 1
	b := math.Float64bits(float64(r) + 1)
	e := int(b>>52) - 1023 - 32
	m := math.Float64frombits(b&mantissa | 1023<<52)
	if m > math.Sqrt2 {
		m /= 2
		e++
	}
	s := (m - 1) / (m + 1)
	z := s * s
	p := 1.0/3 + z*(1.0/5+z*(1.0/7+z*(1.0/9+z*(1.0/11+z*(1.0/13)))))
	return float64(e)*math.Ln2 + 2*(s+s*z*p)
}

// turn returns the sine and cosine of r/2^32 turns to 1e-11 relative: the sum of
// whole quarters and an angle of at most an eighth of a turn, whose Taylor series
// end soon.
func turn(r uint32) (sin, cos float64) {
	quarters := (r + 1<<29) >> 30
	a := float64(int32(r-quarters<<30)) * (2 * math.Pi * 0x1p-32)
	z := a * a
	s := a - a*z*(1.0/6-z*(1.0/120-z*(1.0/5040-z*(1.0/362880-z*(1.0/39916800)))))
	c := 1 - z*(1.0/2-z*(1.0/24-z*(1.0/720-z*(1.0/40320-z*(1.0/3628800-z*(1.0/479001600))))))
	// Without branches, which random numbers would make slow.
	pair := [2]float64{s, c}
	sign := [4]float64{1, 1, -1, -1}
	return sign[quarters&3] * pair[quarters&1], sign[(quarters+1)&3] * pair[(quarters+1)&1]
}

// Uniform returns number i of a stream of numbers spread evenly over [0, 1):
// the upper 53 of the first 64 bits of Philox(seed, stream, i).
func Uniform(seed, stream, i uint64) float64 {
	return float64(word(seed, stream, i)>>11) * 0x1p-53
}

// Intn returns number i of a stream of integers spread evenly over 0..n-1, made
// from the same bits as Uniform. It panics when n is not positive.
func Intn(seed, stream, i uint64, n int) int {
	if n <= 0 {
		panic("compute: Intn of a number that is not positive")
	}
	// The high half of the product: its bias, n/2^64, cannot be seen.
	high, _ := bits.Mul64(word(seed, stream, i), uint64(n))
	return int(high)
}

func word(seed, stream, i uint64) uint64 {
	r := Philox(seed, stream, i)
	return uint64(r[1])<<32 | uint64(r[0])
}
