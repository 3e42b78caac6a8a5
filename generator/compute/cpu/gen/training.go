package main

// training writes the loops of norms, gates and the optimizer.
func (f *vectorFile) training() {
	f.loop("addAVX2", "dst x", "", func(l *loop) {
		l.store("dst", l.add(l.load("dst"), l.load("x")))
	})
	f.loop("blendAVX2", "dst x", "keep factor", func(l *loop) {
		l.store("dst", l.fma(l.load("dst"), l.arg("keep"), l.mul(l.load("x"), l.arg("factor"))))
	})
	f.loop("mulAddToAVX2", "dst x y z", "", func(l *loop) {
		l.store("dst", l.fma(l.load("y"), l.load("z"), l.load("x")))
	})
	f.loop("mulBothAVX2", "dst1 dst2 x y z", "", func(l *loop) {
		x := l.load("x")
		l.store("dst1", l.mul(x, l.load("y")))
		l.store("dst2", l.mul(x, l.load("z")))
	})
	normal := func(l *loop) value {
		return l.mul(l.sub(l.load("x"), l.arg("center")), l.arg("factor"))
	}
	f.loop("normAVX2", "dst x", "center factor", func(l *loop) {
		l.store("dst", normal(l))
	})
	f.loop("normShiftAVX2", "dst x shift scale", "center factor", func(l *loop) {
		n := normal(l)
		l.store("dst", l.add(l.fma(n, l.load("scale"), n), l.load("shift")))
	})
	f.loop("normSumsAVX2", "dy x", "center factor", func(l *loop) {
		dy := l.load("dy")
		l.sum(dy)
		l.sum(l.mul(dy, normal(l)))
	})
	f.loop("normShiftSumsAVX2", "dshift dscale dy x scale", "center factor", func(l *loop) {
		dy := l.load("dy")
		l.store("dshift", dy)
		dn := l.mul(dy, normal(l))
		l.store("dscale", dn)
		scale := l.load("scale")
		l.sum(l.fma(dy, scale, dy))
		l.sum(l.fma(dn, scale, dn))
	})
	f.loop("normAddAVX2", "dx dy x", "center factor mean slope", func(l *loop) {
		g := l.sub(l.load("dy"), l.arg("mean"))
		g = l.fnma(normal(l), l.arg("slope"), g)
		l.store("dx", l.fma(g, l.arg("factor"), l.load("dx")))
	})
	f.loop("normShiftAddAVX2", "dx dy x scale", "center factor mean slope", func(l *loop) {
		dy := l.load("dy")
		g := l.sub(l.fma(dy, l.load("scale"), dy), l.arg("mean"))
		g = l.fnma(normal(l), l.arg("slope"), g)
		l.store("dx", l.fma(g, l.arg("factor"), l.load("dx")))
	})
	f.loop("adamWAVX2", "p grad m v", "clip beta1 new1 beta2 new2 keep rate root eps", func(l *loop) {
		g := l.mul(l.load("grad"), l.arg("clip"))
		m := l.fma(g, l.arg("new1"), l.mul(l.load("m"), l.arg("beta1")))
		l.store("m", m)
		v := l.fma(l.mul(g, g), l.arg("new2"), l.mul(l.load("v"), l.arg("beta2")))
		l.store("v", v)
		d := l.div(l.mul(m, l.arg("rate")), l.fma(l.sqrt(v), l.arg("root"), l.arg("eps")))
		l.store("p", l.sub(l.mul(l.load("p"), l.arg("keep")), d))
	})
}
