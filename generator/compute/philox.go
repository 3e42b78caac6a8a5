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
		u := (float64(r[i]) + 1) * 0x1p-32
		sin, cos := math.Sincos(2 * math.Pi * 0x1p-32 * float64(r[i+1]))
		radius := math.Sqrt(-2 * math.Log(u))
		out[i], out[i+1] = float32(radius*cos), float32(radius*sin)
	}
	return out
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
