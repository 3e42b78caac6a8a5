package main

import "math"

// normal writes the loop of normal numbers: Philox 4x32-10 and Box and Muller's
// transform of its results, as package compute has them, in float32. dst is
// [4, blockGroup], the four numbers of each block; counters are the low words of
// the blocks' numbers, state the other three words of the counter and then the
// two keys of each round.
func (f *vectorFile) normal() {
	const blockGroup = filterTiles // so that merge4 brings the numbers in order
	f.loop("normal", "dst counters state", "", func(l *loop) {
		word := func(i int) value { return l.emit("VBROADCASTSS", l.place("state", i)) }
		c := [4]value{l.load("counters"), word(0), word(1), word(2)}
		for round := range 10 {
			hi0, lo0 := l.product(c[0], 0xD2511F53)
			hi1, lo1 := l.product(c[2], 0xCD9E8D57)
			c = [4]value{
				l.xor(l.xor(hi1, c[1]), word(3+2*round)), lo1,
				l.xor(l.xor(hi0, c[3]), word(4+2*round)), lo0,
			}
		}
		for i := 0; i < 4; i += 2 {
			radius := l.sqrt(l.mul(l.logFraction(c[i]), l.constant(-2)))
			cos, sin := l.turn(c[i+1])
			l.storeAt("dst", i*blockGroup, l.mul(radius, cos))
			l.storeAt("dst", (i+1)*blockGroup, l.mul(radius, sin))
		}
	})
}

// product returns both halves of the 64-bit products of the lanes of a and m.
func (l *loop) product(a value, m uint32) (hi, lo value) {
	even := l.emit("VPMULUDQ", "", a, l.bits(m))
	odd := l.emit("VPMULUDQ", "", l.emit("VPSRLQ", "$32, ", a), l.bits(m))
	odd = l.emit("VPSLLQ", "$32, ", l.emit("VPSRLQ", "$32, ", odd))
	hi = l.emit("VPOR", "", l.emit("VPSRLQ", "$32, ", even), odd)
	return hi, l.emit("VPMULLD", "", a, l.bits(m))
}

// logFraction is ln((r+1)/2^32) for unsigned r. Below a half, u = (r+1)/2^32 is
// 2^e·m with m near 1; from there on, e is 0 and m - 1 = -(2^32-1-r)/2^32, of
// which no digit is lost. With s = (m-1)/(m+1), |s| <= 1/3,
// ln m = 2·(s + s³/3 + s⁵/5 + …).
func (l *loop) logFraction(r value) value {
	upper := l.emit("VPSRAD", "$31, ", r) // all ones where u > 1/2
	// r, or its complement.
	n := l.emit("VCVTDQ2PS", "", l.xor(r, upper))
	u := l.add(n, l.constant(1))
	e := l.emit("VPSRAD", "$23, ", l.emit("VPSUBD", "", u, l.bits(math.Float32bits(math.Sqrt2/2))))
	m := l.emit("VPSUBD", "", u, l.emit("VPSLLD", "$23, ", e))
	t := l.mul(n, l.constant(0x1p-32))
	zero := l.constant(0)
	top := l.blend(upper, l.sub(zero, t), l.sub(m, l.constant(1)))
	bottom := l.blend(upper, l.sub(l.constant(2), t), l.add(m, l.constant(1)))
	exponent := l.emit("VCVTDQ2PS", "", l.emit("VPSUBD", "", e, l.bits(32)))
	s := l.div(top, bottom)
	z := l.mul(s, s)
	p := l.fma(z, l.constant(1.0/19), l.constant(1.0/17))
	for n := 15.0; n >= 3; n -= 2 {
		p = l.fma(p, z, l.constant(1/n))
	}
	twice := l.add(s, s)
	ln := l.fma(l.mul(twice, z), p, twice)
	return l.fma(l.blend(upper, l.sub(s, s), exponent), l.constant(math.Ln2), ln)
}

// turn returns the cosine and sine of r/2^32 turns.
func (l *loop) turn(r value) (cos, sin value) {
	k := l.emit("VPSRLD", "$30, ", l.emit("VPADDD", "", r, l.bits(1<<29)))
	rest := l.emit("VPSUBD", "", r, l.emit("VPSLLD", "$30, ", k))
	return l.quarter(k, l.mul(l.emit("VCVTDQ2PS", "", rest), l.constant(0x1p-30)))
}
