package cpu

// elu: dst = ELU((x-center)·factor + summand).
func (l loops) elu(dst, x []float32, center, factor, summand float32) {
	n := len(dst)
	x = x[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.elu(whole, &dst[0], &x[0], center, factor, summand)
	}
	for i := whole; i < n; i++ {
		u := (x[i]-center)*factor + summand
		if u < 0 {
			u = exp(u) - 1
		}
		dst[i] = u
	}
}

// eluBackFrom: with unit = (x-center)·factor and y = ELU(u) for some u,
// dst = dy·ELU'(u), where the slope is y+1 for negative y. dst may be y. It
// returns Σ dst and Σ dst·unit.
func (l loops) eluBackFrom(dst, dy, y, x []float32, center, factor float32) (s0, s1 float64) {
	n := len(dst)
	dy, y, x = dy[:n], y[:n], x[:n]
	whole := l.whole(n)
	if whole > 0 {
		s0, s1 = l.fast.eluBackFrom(whole, &dst[0], &dy[0], &y[0], &x[0], center, factor)
	}
	for i := whole; i < n; i++ {
		du := dy[i]
		if !(y[i] >= 0) {
			du *= 1 + y[i]
		}
		dst[i] = du
		s0 += float64(du)
		s1 += float64(du * ((x[i] - center) * factor))
	}
	return s0, s1
}

// eluNormBack: with unit = (x-center)·factor and du = dy·ELU'(unit·scale + bias),
// dst = scale·factor·(du - mean - unit·slope). dst may be dy.
func (l loops) eluNormBack(dst, dy, x []float32, center, factor, scale, bias, mean, slope float32) {
	n := len(dst)
	dy, x = dy[:n], x[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.eluNormBack(whole, &dst[0], &dy[0], &x[0], center, factor, scale, bias, mean, slope)
	}
	for i := whole; i < n; i++ {
		unit := (x[i] - center) * factor
		du := dy[i]
		if u := unit*scale + bias; u < 0 {
			du *= exp(u)
		}
		dst[i] = scale * factor * (du - mean - unit*slope)
	}
}

// modulate: dst = (x + cond)·time.
func (l loops) modulate(dst, x, cond, time []float32) {
	n := len(dst)
	x, cond, time = x[:n], cond[:n], time[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.modulate(whole, &dst[0], &x[0], &cond[0], &time[0])
	}
	for i := whole; i < n; i++ {
		dst[i] = (x[i] + cond[i]) * time[i]
	}
}

// modulateSkip: dst = (x + skip + cond)·time.
func (l loops) modulateSkip(dst, x, cond, time, skip []float32) {
	n := len(dst)
	x, cond, time, skip = x[:n], cond[:n], time[:n], skip[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.modulateSkip(whole, &dst[0], &x[0], &cond[0], &time[0], &skip[0])
	}
	for i := whole; i < n; i++ {
		dst[i] = (x[i] + skip[i] + cond[i]) * time[i]
	}
}

// modulateBack: with s = x + cond, dst = s·time, dtime += dg·s, dx = dg·time and
// dcond += dx.
func (l loops) modulateBack(dst, dx, dcond, dtime, dg, x, cond, time []float32) {
	n := len(dst)
	dx, dcond, dtime, dg, x, cond, time = dx[:n], dcond[:n], dtime[:n], dg[:n], x[:n], cond[:n], time[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.modulateBack(whole, &dst[0], &dx[0], &dcond[0], &dtime[0], &dg[0], &x[0], &cond[0], &time[0])
	}
	for i := whole; i < n; i++ {
		s := x[i] + cond[i]
		dst[i] = s * time[i]
		dtime[i] += dg[i] * s
		v := dg[i] * time[i]
		dx[i] = v
		dcond[i] += v
	}
}

// modulateSkipBack is modulateBack with s = x + skip + cond.
func (l loops) modulateSkipBack(dst, dx, dcond, dtime, dg, x, cond, time, skip []float32) {
	n := len(dst)
	dx, dcond, dtime, dg, x, cond, time, skip = dx[:n], dcond[:n], dtime[:n], dg[:n], x[:n], cond[:n], time[:n], skip[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.modulateSkipBack(whole, &dst[0], &dx[0], &dcond[0], &dtime[0], &dg[0], &x[0], &cond[0], &time[0], &skip[0])
	}
	for i := whole; i < n; i++ {
		s := x[i] + skip[i] + cond[i]
		dst[i] = s * time[i]
		dtime[i] += dg[i] * s
		v := dg[i] * time[i]
		dx[i] = v
		dcond[i] += v
	}
}
