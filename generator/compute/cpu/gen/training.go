package main

// training writes the loops of norms, gates and the optimizer.
func (f *vectorFile) training() {
	f.loop("add", "dst x", "", func(l *loop) {
		l.store("dst", l.add(l.load("dst"), l.load("x")))
	})
	f.loop("blend", "dst x", "keep factor", func(l *loop) {
		l.store("dst", l.fma(l.load("dst"), l.arg("keep"), l.mul(l.load("x"), l.arg("factor"))))
	})
	f.loop("mulAddTo", "dst x y z", "", func(l *loop) {
		l.store("dst", l.fma(l.load("y"), l.load("z"), l.load("x")))
	})
	f.loop("mulBoth", "dst1 dst2 x y z", "", func(l *loop) {
		x := l.load("x")
		l.store("dst1", l.mul(x, l.load("y")))
		l.store("dst2", l.mul(x, l.load("z")))
	})
	normal := func(l *loop) value {
		return l.mul(l.sub(l.load("x"), l.arg("center")), l.arg("factor"))
	}
	f.loop("norm", "dst x", "center factor", func(l *loop) {
		l.store("dst", normal(l))
	})
	f.loop("normShift", "dst x shift scale", "center factor", func(l *loop) {
		n := normal(l)
		l.store("dst", l.add(l.fma(n, l.load("scale"), n), l.load("shift")))
	})
	f.loop("normSums", "dy x", "center factor", func(l *loop) {
		dy := l.load("dy")
		l.sum(dy)
		l.sum(l.mul(dy, normal(l)))
	})
	f.loop("normShiftSums", "dshift dscale dy x scale", "center factor", func(l *loop) {
		dy := l.load("dy")
		l.store("dshift", dy)
		dn := l.mul(dy, normal(l))
		l.store("dscale", dn)
		scale := l.load("scale")
		l.sum(l.fma(dy, scale, dy))
		l.sum(l.fma(dn, scale, dn))
	})
	f.loop("normAdd", "dx dy x", "center factor mean slope", func(l *loop) {
		g := l.sub(l.load("dy"), l.arg("mean"))
		g = l.fnma(normal(l), l.arg("slope"), g)
		l.store("dx", l.fma(g, l.arg("factor"), l.load("dx")))
	})
	f.loop("normShiftAdd", "dx dy x scale", "center factor mean slope", func(l *loop) {
		dy := l.load("dy")
		g := l.sub(l.fma(dy, l.load("scale"), dy), l.arg("mean"))
		g = l.fnma(normal(l), l.arg("slope"), g)
		l.store("dx", l.fma(g, l.arg("factor"), l.load("dx")))
	})
	for _, average := range []bool{false, true} {
		name, ptrs, args := "adamW", "p grad m v", "clip new1 new2 keep rate root eps"
		if average {
			name, ptrs, args = "adamWAverage", ptrs+" ema", args+" newEMA"
		}
		f.loop(name, ptrs, args, func(l *loop) {
			g, m := l.mul(l.load("grad"), l.arg("clip")), l.load("m")
			m = l.fma(l.sub(g, m), l.arg("new1"), m)
			l.store("m", m)
			v := l.load("v")
			v = l.fma(l.sub(l.mul(g, g), v), l.arg("new2"), v)
			l.store("v", v)
			d := l.div(l.mul(m, l.arg("rate")), l.fma(l.sqrt(v), l.arg("root"), l.arg("eps")))
			p := l.sub(l.mul(l.load("p"), l.arg("keep")), d)
			l.store("p", p)
			if average {
				e := l.load("ema")
				l.store("ema", l.fma(l.sub(p, e), l.arg("newEMA"), e))
			}
		})
	}
}
