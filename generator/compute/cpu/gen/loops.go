package main

// loops writes all loops.
func (f *vectorFile) loops() {
	f.arithmetic()
	f.elements()
	f.gates()
	f.denoiser()
	f.taps()
	f.scan()
	f.attention()
	f.lstm()
	f.training()
	f.filter()
	f.normal()
}

func (f *vectorFile) arithmetic() {
	f.loop("scale", "dst x", "factor", func(l *loop) {
		l.store("dst", l.mul(l.load("x"), l.arg("factor")))
	})
	f.loop("mulAdd", "dst x y", "", func(l *loop) {
		l.store("dst", l.fma(l.load("x"), l.load("y"), l.load("dst")))
	})
	f.loop("sum", "x", "", func(l *loop) {
		l.sum(l.load("x"))
	})
	f.loop("squares", "x", "center", func(l *loop) {
		d := l.sub(l.load("x"), l.arg("center"))
		l.sum(l.mul(d, d))
	})
	f.loop("dot", "x y", "", func(l *loop) {
		l.sum(l.mul(l.load("x"), l.load("y")))
	})
}

// siluSlope is the derivative of x·s with s = sigmoid(x): s·(1 + x·(1-s)).
func (l *loop) siluSlope(x, s value) value {
	return l.mul(s, l.fma(x, l.sub(l.constant(1), s), l.constant(1)))
}

func (f *vectorFile) gates() {
	f.loop("silu", "dst x", "", func(l *loop) {
		x := l.load("x")
		l.store("dst", l.mul(x, l.sigmoid(x)))
	})
	f.loop("siluBack", "dst dy x", "", func(l *loop) {
		x := l.load("x")
		l.store("dst", l.mul(l.load("dy"), l.siluSlope(x, l.sigmoid(x))))
	})
	f.loop("gate", "dst x z", "", func(l *loop) {
		z := l.load("z")
		g := l.mul(l.load("x"), l.mul(z, l.sigmoid(z)))
		l.store("dst", g)
		l.sum(l.mul(g, g))
	})
	f.loop("weigh", "dst x w", "factor", func(l *loop) {
		l.store("dst", l.mul(l.mul(l.load("x"), l.arg("factor")), l.load("w")))
	})
	f.loop("weighBack", "dw dy w u", "factor", func(l *loop) {
		u := l.mul(l.load("dy"), l.load("u"))
		l.store("dw", l.fma(u, l.arg("factor"), l.load("dw")))
		l.sum(l.mul(u, l.load("w")))
	})
	f.loop("gateBack", "dx dz dy w u x z", "factor mean", func(l *loop) {
		dg := l.mul(l.mul(l.load("dy"), l.arg("factor")), l.load("w"))
		dg = l.fnma(l.load("u"), l.arg("mean"), dg)
		z := l.load("z")
		s := l.sigmoid(z)
		l.store("dx", l.mul(dg, l.mul(z, s)))
		l.store("dz", l.mul(l.mul(dg, l.load("x")), l.siluSlope(z, s)))
	})
}

func (f *vectorFile) denoiser() {
	f.loop("elu", "dst x", "center factor summand", func(l *loop) {
		u := l.fma(l.sub(l.load("x"), l.arg("center")), l.arg("factor"), l.arg("summand"))
		e := l.sub(l.exp(l.min(l.constant(0), u)), l.constant(1))
		l.store("dst", l.add(l.max(l.constant(0), u), e))
	})
	f.loop("eluBackFrom", "dst dy y x", "center factor", func(l *loop) {
		unit := l.mul(l.sub(l.load("x"), l.arg("center")), l.arg("factor"))
		slope := l.add(l.min(l.constant(0), l.load("y")), l.constant(1))
		du := l.mul(l.load("dy"), slope)
		l.store("dst", du)
		l.sum(du)
		l.sum(l.mul(du, unit))
	})
	f.loop("eluNormBack", "dst dy x", "center factor scale bias mean slope", func(l *loop) {
		unit := l.mul(l.sub(l.load("x"), l.arg("center")), l.arg("factor"))
		u := l.fma(unit, l.arg("scale"), l.arg("bias"))
		du := l.mul(l.load("dy"), l.exp(l.min(l.constant(0), u)))
		d := l.fnma(unit, l.arg("slope"), l.sub(du, l.arg("mean")))
		l.store("dst", l.mul(d, l.mul(l.arg("scale"), l.arg("factor"))))
	})
	for _, skip := range []bool{false, true} {
		name, more := "", ""
		if skip {
			name, more = "Skip", " skip"
		}
		sum := func(l *loop) value {
			s := l.load("x")
			if skip {
				s = l.add(s, l.load("skip"))
			}
			return l.add(s, l.load("cond"))
		}
		f.loop("modulate"+name, "dst x cond time"+more, "", func(l *loop) {
			l.store("dst", l.mul(sum(l), l.load("time")))
		})
		f.loop("modulate"+name+"Back", "dst dx dcond dtime dg x cond time"+more, "", func(l *loop) {
			s, time, dg := sum(l), l.load("time"), l.load("dg")
			l.store("dst", l.mul(s, time))
			l.store("dtime", l.fma(dg, s, l.load("dtime")))
			dx := l.mul(dg, time)
			l.store("dx", dx)
			l.store("dcond", l.add(l.load("dcond"), dx))
		})
	}
}

// taps writes the loops of a causal convolution of four taps.
func (f *vectorFile) taps() {
	f.loop("taps4", "dst start w0 w1 w2 w3 x0 x1 x2 x3", "", func(l *loop) {
		v := l.load("start")
		for _, k := range []string{"0", "1", "2", "3"} {
			v = l.fma(l.load("w"+k), l.load("x"+k), v)
		}
		l.store("dst", v)
	})
	f.loop("taps4Back", "dbias dw0 dw1 dw2 dw3 dy x0 x1 x2 x3", "", func(l *loop) {
		dy := l.load("dy")
		l.store("dbias", l.add(l.load("dbias"), dy))
		for _, k := range []string{"0", "1", "2", "3"} {
			l.store("dw"+k, l.fma(dy, l.load("x"+k), l.load("dw"+k)))
		}
	})
}

func (f *vectorFile) scan() {
	f.loop("decay", "dst weights x", "decay", func(l *loop) {
		w := l.load("weights")
		l.store("dst", l.mul(l.load("x"), w))
		l.store("weights", l.mul(w, l.arg("decay")))
	})
	f.loop("decayBack", "mixed dcb early weights cb dmixed steps", "decay", func(l *loop) {
		w, cb := l.load("weights"), l.load("cb")
		l.store("mixed", l.mul(cb, w))
		g := l.mul(l.mul(l.load("dmixed"), l.load("steps")), w)
		l.store("weights", l.mul(w, l.arg("decay")))
		l.store("dcb", l.add(l.load("dcb"), g))
		g = l.mul(g, cb)
		l.store("early", l.sub(l.load("early"), g))
		l.sum(g)
	})
	f.loop("mix", "dx du dy x", "step skip", func(l *loop) {
		du, dy, x := l.load("du"), l.load("dy"), l.load("x")
		l.store("dx", l.fma(du, l.arg("step"), l.mul(dy, l.arg("skip"))))
		l.sum(l.mul(du, x))
		l.sum(l.mul(dy, x))
	})
	f.loop("addScaled", "dst x with", "factor", func(l *loop) {
		v := l.mul(l.load("x"), l.arg("factor"))
		l.store("dst", l.add(l.load("dst"), v))
		l.sum(l.mul(v, l.load("with")))
	})
}
