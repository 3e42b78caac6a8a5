package jpeg

// The inverse transform is libjpeg's jidctint.c, "islow": the method of
// Loeffler, Ligtenberg and Moschytz (ICASSP 1989) with 13-bit constants, of
// which the columns keep two bits more than the rows.
const (
	constBits = 13
	passBits  = 2

	fix0298631336 = 2446 // 0.298631336 * 2^13, and so on
	fix0390180644 = 3196
	fix0541196100 = 4433
	fix0765366865 = 6270
	fix0899976223 = 7373
	fix1175875602 = 9633
	fix1501321110 = 12299
	fix1847759065 = 15137
	fix1961570560 = 16069
	fix2053119869 = 16819
	fix2562915447 = 20995
	fix3072711026 = 25172
)

// transformAll makes the samples of a channel from its coefficients.
func (d *Decoder) transformAll(c *component) {
	for by := range ceilDiv(c.height, 8) {
		for bx := range ceilDiv(c.width, 8) {
			inverse(&c.coefficients[by*c.blocksX+bx], c.quant, c.samples[(8*by*c.blocksX+bx)*8:], c.stride())
		}
	}
}

// clamp gives the sample for a value around 0.
func clamp(v int32) byte {
	v += 128
	if uint32(v) > 255 {
		return byte(^(v >> 31))
	}
	return byte(v)
}

// flat is inverse for a block whose only coefficient is the first, dc after
// multiplication.
func flat(dc int32, out []byte, stride int) {
	v := uint64(clamp((dc<<passBits + 1<<(passBits+2)) >> (passBits + 3)))
	v *= 0x0101010101010101
	for y := range 8 {
		row := out[y*stride : y*stride+8]
		row[0], row[1], row[2], row[3] = byte(v), byte(v), byte(v), byte(v)
		row[4], row[5], row[6], row[7] = byte(v), byte(v), byte(v), byte(v)
	}
}

// inverse writes the 8x8 samples of b, multiplied by q, to out.
func inverse(b *block, q *[64]uint16, out []byte, stride int) {
	var w [64]int32
	for x := range 8 {
		if b[8+x]|b[16+x]|b[24+x]|b[32+x]|b[40+x]|b[48+x]|b[56+x] == 0 {
			dc := int32(b[x]) * int32(q[x]) << passBits
			w[x], w[8+x], w[16+x], w[24+x] = dc, dc, dc, dc
			w[32+x], w[40+x], w[48+x], w[56+x] = dc, dc, dc, dc
			continue
		}
		s0, s1 := int32(b[x])*int32(q[x]), int32(b[8+x])*int32(q[8+x])
		s2, s3 := int32(b[16+x])*int32(q[16+x]), int32(b[24+x])*int32(q[24+x])
		s4, s5 := int32(b[32+x])*int32(q[32+x]), int32(b[40+x])*int32(q[40+x])
		s6, s7 := int32(b[48+x])*int32(q[48+x]), int32(b[56+x])*int32(q[56+x])

		z1 := (s2 + s6) * fix0541196100
		t2, t3 := z1-s6*fix1847759065, z1+s2*fix0765366865
		t0, t1 := (s0+s4)<<constBits, (s0-s4)<<constBits
		e0, e3, e1, e2 := t0+t3, t0-t3, t1+t2, t1-t2

		o0, o1, o2, o3 := odd(s7, s5, s3, s1)
		const shift, half = constBits - passBits, 1 << (constBits - passBits - 1)
		w[x], w[56+x] = (e0+o3+half)>>shift, (e0-o3+half)>>shift
		w[8+x], w[48+x] = (e1+o2+half)>>shift, (e1-o2+half)>>shift
		w[16+x], w[40+x] = (e2+o1+half)>>shift, (e2-o1+half)>>shift
		w[24+x], w[32+x] = (e3+o0+half)>>shift, (e3-o0+half)>>shift
	}
	for y := range 8 {
		r := w[8*y : 8*y+8 : 8*y+8]
		row := out[y*stride : y*stride+8 : y*stride+8]
		z1 := (r[2] + r[6]) * fix0541196100
		t2, t3 := z1-r[6]*fix1847759065, z1+r[2]*fix0765366865
		t0, t1 := (r[0]+r[4])<<constBits, (r[0]-r[4])<<constBits
		e0, e3, e1, e2 := t0+t3, t0-t3, t1+t2, t1-t2

		o0, o1, o2, o3 := odd(r[7], r[5], r[3], r[1])
		const shift, half = constBits + passBits + 3, 1 << (constBits + passBits + 2)
		row[0], row[7] = clamp((e0+o3+half)>>shift), clamp((e0-o3+half)>>shift)
		row[1], row[6] = clamp((e1+o2+half)>>shift), clamp((e1-o2+half)>>shift)
		row[2], row[5] = clamp((e2+o1+half)>>shift), clamp((e2-o1+half)>>shift)
		row[3], row[4] = clamp((e3+o0+half)>>shift), clamp((e3-o0+half)>>shift)
	}
}

// odd is the part of the transform that the odd coefficients 7, 5, 3 and 1 take.
func odd(t0, t1, t2, t3 int32) (o0, o1, o2, o3 int32) {
	z1, z2, z3, z4 := t0+t3, t1+t2, t0+t2, t1+t3
	z5 := (z3 + z4) * fix1175875602
	z1, z2 = -z1*fix0899976223, -z2*fix2562915447
	z3, z4 = z5-z3*fix1961570560, z5-z4*fix0390180644
	return t0*fix0298631336 + z1 + z3, t1*fix2053119869 + z2 + z4,
		t2*fix3072711026 + z2 + z3, t3*fix1501321110 + z1 + z4
}
