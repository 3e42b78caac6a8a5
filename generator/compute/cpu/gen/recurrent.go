package main

// attention writes the loops over the scores of one query.
func (f *vectorFile) attention() {
	f.loop("expSum", "dst x", "center", func(l *loop) {
		e := l.exp(l.min(l.constant(0), l.sub(l.load("x"), l.arg("center"))))
		l.store("dst", e)
		l.sum(e)
	})
	f.loop("attendBack", "scores dweights", "level mean", func(l *loop) {
		weights := l.exp(l.min(l.constant(0), l.sub(l.load("scores"), l.arg("level"))))
		dscores := l.mul(weights, l.sub(l.load("dweights"), l.arg("mean")))
		l.store("scores", weights)
		l.store("dweights", dscores)
	})
}

// tanh is 2·sigmoid(2x) - 1.
func (l *loop) tanh(x value) value {
	s := l.sigmoid(l.add(x, x))
	return l.sub(l.add(s, s), l.constant(1))
}

// slope is the derivative of a sigmoid of value s: s·(1-s).
func (l *loop) slope(s value) value { return l.fnma(s, s, s) }

// lstm writes the loops over the units of one token.
func (f *vectorFile) lstm() {
	f.loop("lstm", "in keep new out h c before", "", func(l *loop) {
		i := l.sigmoid(l.load("in"))
		l.store("in", i)
		g := l.tanh(l.load("new"))
		l.store("new", g)
		ig := l.mul(i, g)
		keep := l.sigmoid(l.load("keep"))
		l.store("keep", keep)
		c := l.fma(keep, l.load("before"), ig)
		l.store("c", c)
		o := l.sigmoid(l.load("out"))
		l.store("out", o)
		l.store("h", l.mul(o, l.tanh(c)))
	})
	f.loop("lstmBack", "in keep new out dc c before dh", "", func(l *loop) {
		t := l.tanh(l.load("c"))
		o, dh := l.load("out"), l.load("dh")
		l.store("out", l.mul(l.mul(dh, t), l.slope(o)))
		dho := l.mul(dh, o)
		dc := l.add(l.load("dc"), l.fnma(dho, l.mul(t, t), dho))
		keep := l.load("keep")
		l.store("dc", l.mul(dc, keep))
		l.store("keep", l.mul(l.mul(dc, l.load("before")), l.slope(keep)))
		i, g := l.load("in"), l.load("new")
		l.store("in", l.mul(l.mul(dc, g), l.slope(i)))
		di := l.mul(dc, i)
		l.store("new", l.fnma(di, l.mul(g, g), di))
	})
}
