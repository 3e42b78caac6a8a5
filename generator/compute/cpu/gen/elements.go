package main

import "math"

// elements writes the loops of combinations and of sines and cosines.
func (f *vectorFile) elements() {
	f.loop("combine2", "dst x y", "a b", func(l *loop) {
		l.store("dst", l.fma(l.load("x"), l.arg("a"), l.mul(l.load("y"), l.arg("b"))))
	})
	f.loop("combine3", "dst x y z", "a b c", func(l *loop) {
		sum := l.fma(l.load("y"), l.arg("b"), l.mul(l.load("z"), l.arg("c")))
		l.store("dst", l.fma(l.load("x"), l.arg("a"), sum))
	})
	f.loop("difference", "dst x y", "factor", func(l *loop) {
		d := l.sub(l.load("x"), l.load("y"))
		l.store("dst", l.mul(d, l.arg("factor")))
		l.sum(l.mul(d, d))
	})
	f.loop("circle", "cos sin high low", "t", func(l *loop) {
		high := l.load("high")
		p := l.mul(high, l.arg("t"))
		q := l.round(p)
		// What the product's rounding took off, and the low part.
		rest := l.sub(l.sub(p, q), l.fnma(high, l.arg("t"), p))
		c, s := l.quarter(l.emit("VCVTPS2DQ", "", q), l.fma(l.load("low"), l.arg("t"), rest))
		l.store("cos", c)
		l.store("sin", s)
	})
}

// quarter returns the cosine and sine of k+r quarter turns, for integers k and r
// about -1/2..1/2.
func (l *loop) quarter(k, r value) (cos, sin value) {
	x := l.mul(r, l.constant(math.Pi/2))
	z := l.mul(x, x)
	// Taylor series: at pi/4 what is left out is 3e-7 of a half unit.
	s := l.fma(l.constant(1.0/362880), z, l.constant(-1.0/5040))
	s = l.fma(s, z, l.constant(1.0/120))
	s = l.fma(s, z, l.constant(-1.0/6))
	s = l.fma(l.mul(s, z), x, x)
	c := l.fma(l.constant(-1.0/3628800), z, l.constant(1.0/40320))
	c = l.fma(c, z, l.constant(-1.0/720))
	c = l.fma(c, z, l.constant(1.0/24))
	c = l.fma(c, z, l.constant(-1.0/2))
	c = l.fma(c, z, l.constant(1))
	// Odd quarters exchange the two; the sine is negative in quarters 2 and 3,
	// the cosine in quarters 1 and 2.
	odd := l.emit("VPSLLD", "$31, ", k)
	upper := l.shifted(k)
	next := l.shifted(l.emit("VPADDD", "", k, l.bits(1)))
	return l.xor(l.blend(odd, s, c), next), l.xor(l.blend(odd, c, s), upper)
}

// shifted is the sign bit that bit 1 of k says.
func (l *loop) shifted(k value) value {
	return l.emit("VPAND", "", l.emit("VPSLLD", "$30, ", k), l.bits(1<<31))
}
