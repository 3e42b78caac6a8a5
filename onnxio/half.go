package onnxio

import (
	"encoding/binary"
	"math"
)

// float16 widens an IEEE half-precision number.
func float16(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&0x3ff)
	switch exp {
	case 0: // zero or subnormal: frac units of 2^-24
		f := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// bfloat16 widens a bfloat16: the upper half of a float32.
func bfloat16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// toFloat16 rounds a finite x to half precision, to nearest, ties to even. The
// result is infinite when x is 65520 or more.
func toFloat16(x float32) uint16 {
	bits := math.Float32bits(x)
	sign := uint16(bits >> 16 & 0x8000)
	bits &= 0x7fffffff
	switch {
	case bits >= 0x477ff000: // 65520, halfway between the largest number and 2^16
		return sign | 0x7c00
	case bits < 0x38800000: // below 2^-14: units of 2^-24, which the sum rounds to
		sum := math.Float32frombits(bits) + 0.5
		return sign | uint16(math.Float32bits(sum)-math.Float32bits(0.5))
	}
	// Rebias the exponent, then round away 13 bits of the fraction; a carry runs
	// into the exponent, as it should.
	bits += 0xc8000000 + 0xfff + bits>>13&1
	return sign | uint16(bits>>13)
}

// toBFloat16 rounds a finite x to bfloat16, to nearest, ties to even. The result
// is infinite when x is beyond the middle between the largest number and 2^128.
func toBFloat16(x float32) uint16 {
	bits := math.Float32bits(x)
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// encodeFloat puts x into b as an element of type d, and tells whether it fits:
// false for a value that is or would become infinite, or is NaN. A float64 whose
// float32 is x already keeps the bits that are in b.
func encodeFloat(b []byte, d DType, x float32) bool {
	if x-x != 0 {
		return false
	}
	le := binary.LittleEndian
	switch d {
	case Float32:
		le.PutUint32(b, math.Float32bits(x))
	case Float64:
		old := math.Float64frombits(le.Uint64(b))
		if math.Float32bits(float32(old)) != math.Float32bits(x) {
			le.PutUint64(b, math.Float64bits(float64(x)))
		}
	case Float16:
		h := toFloat16(x)
		le.PutUint16(b, h)
		return h&0x7c00 != 0x7c00
	case BFloat16:
		h := toBFloat16(x)
		le.PutUint16(b, h)
		return h&0x7f80 != 0x7f80
	}
	return true
}

// getFloats reads len(dst) little-endian numbers that lie side by side.
func getFloats(dst []float32, b []byte) {
	for len(dst) >= 4 && len(b) >= 16 {
		dst[0] = math.Float32frombits(binary.LittleEndian.Uint32(b))
		dst[1] = math.Float32frombits(binary.LittleEndian.Uint32(b[4:]))
		dst[2] = math.Float32frombits(binary.LittleEndian.Uint32(b[8:]))
		dst[3] = math.Float32frombits(binary.LittleEndian.Uint32(b[12:]))
		dst, b = dst[4:], b[16:]
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
}

// putFloats is the inverse of getFloats. It returns the index of the first
// number that is not finite, or -1.
func putFloats(b []byte, values []float32) int {
	const infinite = 0x7f800000 // the exponent of what is not finite
	done := 0
	for v := values; len(v) >= 4 && len(b) >= 16; v, b = v[4:], b[16:] {
		x, y, z, w := math.Float32bits(v[0]), math.Float32bits(v[1]), math.Float32bits(v[2]), math.Float32bits(v[3])
		if x&infinite == infinite || y&infinite == infinite || z&infinite == infinite || w&infinite == infinite {
			break
		}
		binary.LittleEndian.PutUint64(b, uint64(x)|uint64(y)<<32)
		binary.LittleEndian.PutUint64(b[8:], uint64(z)|uint64(w)<<32)
		done += 4
	}
	for i, x := range values[done:] {
		if x-x != 0 {
			return done + i
		}
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(x))
	}
	return -1
}
