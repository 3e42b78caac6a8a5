package cpu

import (
	"math"
	"unsafe"
)

// portableBF16 is the kernel of pairs of bf16 as the instructions for it compute,
// but for the order in which a pair's products are rounded: for tests.
var portableBF16 = kernel{
	name: "go bf16", title: "no SIMD, BF16", mr: 4, nr: 4, micro: microPairsGo, pairs: pairsGo,
	transpose: portable.transpose, copyRows: copyRowsGo,
	peak: peakGo, peakFlops: 12 * 2,
}

// pairsGo is kernel.pairs.
func pairsGo(dst, src []float32, w, n int) {
	for p := range n {
		for r := range w {
			even, odd := bf16(src[2*p*w+r]), bf16(src[(2*p+1)*w+r])
			dst[p*w+r] = math.Float32frombits(uint32(odd)<<16 | uint32(even))
		}
	}
}

// bf16 is the upper half of v, rounded to the nearest, ties to even. Numbers too
// small to be normal become 0, NaN stays NaN.
func bf16(v float32) uint16 {
	b := math.Float32bits(v)
	switch {
	case v != v:
		return uint16(b>>16) | 0x40
	case b&0x7f800000 == 0:
		return uint16(b >> 16 & 0x8000)
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// microPairsGo is kernel.micro, 4×4, for at most depth/2 pairs.
func microPairsGo(k int, a, b, c *float32, ldc int, add bool, next *float32) {
	var left, right [4 * depth]float32
	unpair(left[:8*k], a)
	unpair(right[:8*k], b)
	microGo(2*k, &left[0], &right[0], c, ldc, add, next)
}

// unpair writes the values of rows of four pairs: those of even k, then those of
// odd k.
func unpair(dst []float32, pairs *float32) {
	for i, v := range unsafe.Slice(pairs, len(dst)/2) {
		b, at := math.Float32bits(v), i/4*8+i%4
		dst[at], dst[at+4] = math.Float32frombits(b<<16), math.Float32frombits(b&0xffff0000)
	}
}
