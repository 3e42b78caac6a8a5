package cpu

import (
	"math"

	"rpg/generator/compute"
)

func (d *device) AdamW8(a compute.AdamW8) {
	if a.M != nil || a.V != nil {
		panic(errShape)
	}
	j := keep[adamW8](d)
	j.set(d, a.AdamW)
	n := len(j.p)
	words, blocks := (n+3)/4, (n+compute.StateBlock-1)/compute.StateBlock
	j.device = d
	j.mCodes, j.vCodes = wholeOf(a.MCodes, words), wholeOf(a.VCodes, words)
	j.mScale, j.vScale = sized(a.MScale, blocks), sized(a.VScale, blocks)
	d.split(blocks, span/compute.StateBlock, j, func(a any, worker, lo, hi int) { a.(*adamW8).update(worker, lo, hi) })
	drop(j)
}

// adamW8 are the checked arguments of AdamW8.
type adamW8 struct {
	adamW
	device         *device
	mCodes, vCodes []int32
	mScale, vScale []float32
}

// update does the blocks first..end-1, each with M and V as float32 in between.
func (j *adamW8) update(worker, first, end int) {
	const size = compute.StateBlock
	memory := j.device.scratch(worker, 2*size)
	for b := first; b < end; b++ {
		lo, hi := b*size, min((b+1)*size, len(j.p))
		m, v := memory[:hi-lo], memory[size:][:hi-lo]
		mCodes, vCodes := j.mCodes[lo/4:(hi+3)/4], j.vCodes[lo/4:(hi+3)/4]
		signedCodes.unpack(m, mCodes, j.mScale[b])
		unsignedCodes.unpack(v, vCodes, j.vScale[b])
		j.move(lo, hi, m, v)
		j.mScale[b], j.vScale[b] = signedCodes.pack(mCodes, m), unsignedCodes.pack(vCodes, v)
	}
}

// stateCodes are compute.StateCodes with what finds the nearest. A cell is all
// numbers whose bits begin with the same 16: it has one middle at most.
type stateCodes struct {
	value  [256]float32
	middle [256]float32   // between a code and the next
	least  [1 << 16]uint8 // the code of the smallest number of a cell
	above  int            // the least code of what is above 0
}

var signedCodes, unsignedCodes = newStateCodes(true), newStateCodes(false)

func newStateCodes(signed bool) *stateCodes {
	c := &stateCodes{value: compute.StateCodes(signed)}
	for i := range 255 {
		c.middle[i] = (c.value[i] + c.value[i+1]) / 2
	}
	c.middle[255] = float32(math.Inf(1))
	if !signed {
		c.above = 1
	}
	// Upwards from 0, and downwards from it.
	zero := 0
	for c.value[zero] < 0 {
		zero++
	}
	const one, minus = 0x3f80, 0x8000
	for cell, code := 0, zero; cell <= one; cell++ {
		for math.Float32frombits(uint32(cell)<<16) > c.middle[code] {
			code++
		}
		c.least[cell] = uint8(code)
	}
	for cell, code := minus, zero; cell <= minus|one; cell++ {
		for code > 0 && math.Float32frombits(uint32(cell)<<16|0xffff) <= c.middle[code-1] {
			code--
		}
		c.least[cell] = uint8(code)
	}
	return c
}

// unpack: dst = codes·scale.
func (c *stateCodes) unpack(dst []float32, codes []int32, scale float32) {
	for i, word := range codes[:len(dst)/4] {
		four := dst[4*i:][:4]
		four[0], four[1] = c.value[uint8(word)]*scale, c.value[uint8(word>>8)]*scale
		four[2], four[3] = c.value[uint8(word>>16)]*scale, c.value[uint8(word>>24)]*scale
	}
	for i := len(dst) &^ 3; i < len(dst); i++ {
		dst[i] = c.value[uint8(codes[i/4]>>(i%4*8))] * scale
	}
}

// pack writes the codes of x and returns their scale. A value that is not a
// number makes that the scale.
func (c *stateCodes) pack(codes []int32, x []float32) (scale float32) {
	// Without signs, the bits of numbers are in their order, and NaN is above all.
	most := uint32(0)
	for _, v := range x {
		most = max(most, math.Float32bits(v)&^(1<<31))
	}
	scale = math.Float32frombits(most)
	for i := range codes {
		word := uint32(0)
		for k, v := range x[4*i : min(4*i+4, len(x))] {
			word |= uint32(c.nearest(v, scale)) << (8 * k)
		}
		codes[i] = int32(word)
	}
	return scale
}

// nearest returns the code of v/scale: where that is not a number, any.
func (c *stateCodes) nearest(v, scale float32) int {
	x := v / scale
	code := int(c.least[math.Float32bits(x)>>16])
	if x > c.middle[code] {
		code++
	}
	if code < c.above && v > 0 {
		return c.above
	}
	return code
}
