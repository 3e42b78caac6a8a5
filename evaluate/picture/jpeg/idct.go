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
	for by := c.fromY; by < min(c.toY, ceilDiv(c.height, 8)); by++ {
		for bx := c.fromX; bx < min(c.toX, ceilDiv(c.width, 8)); bx++ {
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
		row := (*[8]byte)(out[y*stride:])
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

		p1, p2, p3, p4 := s7+s1, s5+s3, s7+s3, s5+s1
		p5 := (p3 + p4) * fix1175875602
		p1, p2 = -p1*fix0899976223, -p2*fix2562915447
		p3, p4 = p5-p3*fix1961570560, p5-p4*fix0390180644
		o0, o1 := s7*fix0298631336+p1+p3, s5*fix2053119869+p2+p4
		o2, o3 := s3*fix3072711026+p2+p3, s1*fix1501321110+p1+p4
		const shift, half = constBits - passBits, 1 << (constBits - passBits - 1)
		w[x], w[56+x] = (e0+o3+half)>>shift, (e0-o3+half)>>shift
		w[8+x], w[48+x] = (e1+o2+half)>>shift, (e1-o2+half)>>shift
		w[16+x], w[40+x] = (e2+o1+half)>>shift, (e2-o1+half)>>shift
		w[24+x], w[32+x] = (e3+o0+half)>>shift, (e3-o0+half)>>shift
	}
	for y := range 8 {
		r := (*[8]int32)(w[8*y:])
		r1, r3, r5, r7 := r[1], r[3], r[5], r[7]
		row := (*[8]byte)(out[y*stride:])
		z1 := (r[2] + r[6]) * fix0541196100
		t2, t3 := z1-r[6]*fix1847759065, z1+r[2]*fix0765366865
		t0, t1 := (r[0]+r[4])<<constBits, (r[0]-r[4])<<constBits
		e0, e3, e1, e2 := t0+t3, t0-t3, t1+t2, t1-t2

		p1, p2, p3, p4 := r7+r1, r5+r3, r7+r3, r5+r1
		p5 := (p3 + p4) * fix1175875602
		p1, p2 = -p1*fix0899976223, -p2*fix2562915447
		p3, p4 = p5-p3*fix1961570560, p5-p4*fix0390180644
		o0, o1 := r7*fix0298631336+p1+p3, r5*fix2053119869+p2+p4
		o2, o3 := r3*fix3072711026+p2+p3, r1*fix1501321110+p1+p4
		const shift, half = constBits + passBits + 3, 1 << (constBits + passBits + 2)
		row[0], row[7] = clamp((e0+o3+half)>>shift), clamp((e0-o3+half)>>shift)
		row[1], row[6] = clamp((e1+o2+half)>>shift), clamp((e1-o2+half)>>shift)
		row[2], row[5] = clamp((e2+o1+half)>>shift), clamp((e2-o1+half)>>shift)
		row[3], row[4] = clamp((e3+o0+half)>>shift), clamp((e3-o0+half)>>shift)
	}
}
