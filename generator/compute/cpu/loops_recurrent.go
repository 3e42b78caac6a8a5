package cpu

// gate: dst = x·SiLU(z). It returns Σ dst².
func (l loops) gate(dst, x, z []float32) (s0 float64) {
	n := len(dst)
	x, z = x[:n], z[:n]
	whole := l.whole(n)
	if whole > 0 {
		s0 = l.fast.gate(whole, &dst[0], &x[0], &z[0])
	}
	for i := whole; i < n; i++ {
		v := x[i] * z[i] / (1 + exp(-z[i]))
		dst[i] = v
		s0 += float64(v * v)
	}
	return s0
}

// weigh: dst = factor·x·w.
func (l loops) weigh(dst, x, w []float32, factor float32) {
	n := len(dst)
	x, w = x[:n], w[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.weigh(whole, &dst[0], &x[0], &w[0], factor)
	}
	for i := whole; i < n; i++ {
		dst[i] = x[i] * factor * w[i]
	}
}

// weighBack: dw += factor·dy·u. It returns Σ dy·w·u.
func (l loops) weighBack(dw, dy, w, u []float32, factor float32) (s0 float64) {
	n := len(dw)
	dy, w, u = dy[:n], w[:n], u[:n]
	whole := l.whole(n)
	if whole > 0 {
		s0 = l.fast.weighBack(whole, &dw[0], &dy[0], &w[0], &u[0], factor)
	}
	for i := whole; i < n; i++ {
		v := dy[i] * u[i]
		dw[i] += v * factor
		s0 += float64(v * w[i])
	}
	return s0
}

// gateBack: with du = factor·dy·w - mean·u, dx = du·SiLU(z) and
// dz = du·x·SiLU'(z).
func (l loops) gateBack(dx, dz, dy, w, u, x, z []float32, factor, mean float32) {
	n := len(dx)
	dz, dy, w, u, x, z = dz[:n], dy[:n], w[:n], u[:n], x[:n], z[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.gateBack(whole, &dx[0], &dz[0], &dy[0], &w[0], &u[0], &x[0], &z[0], factor, mean)
	}
	for i := whole; i < n; i++ {
		du := dy[i]*factor*w[i] - u[i]*mean
		s := 1 / (1 + exp(-z[i]))
		dx[i] = du * z[i] * s
		dz[i] = du * x[i] * s * (1 + z[i]*(1-s))
	}
}

// decay: dst = x·weights and then weights = decay·weights.
func (l loops) decay(dst, weights, x []float32, decay float32) {
	n := len(dst)
	weights, x = weights[:n], x[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.decay(whole, &dst[0], &weights[0], &x[0], decay)
	}
	for i := whole; i < n; i++ {
		dst[i] = x[i] * weights[i]
		weights[i] *= decay
	}
}

// decayBack: with g = dmixed·steps·weights, mixed = cb·weights, dcb += g,
// early -= g·cb and then weights = decay·weights. It returns Σ g·cb.
func (l loops) decayBack(mixed, dcb, early, weights, cb, dmixed, steps []float32, decay float32) (s0 float64) {
	n := len(mixed)
	dcb, early, weights, cb, dmixed, steps = dcb[:n], early[:n], weights[:n], cb[:n], dmixed[:n], steps[:n]
	whole := l.whole(n)
	if whole > 0 {
		s0 = l.fast.decayBack(whole, &mixed[0], &dcb[0], &early[0], &weights[0], &cb[0], &dmixed[0], &steps[0], decay)
	}
	for i := whole; i < n; i++ {
		w := weights[i]
		mixed[i] = cb[i] * w
		g := dmixed[i] * steps[i] * w
		weights[i] = w * decay
		dcb[i] += g
		g *= cb[i]
		early[i] -= g
		s0 += float64(g)
	}
	return s0
}

// mix: dx = step·du + skip·dy. It returns Σ du·x and Σ dy·x.
func (l loops) mix(dx, du, dy, x []float32, step, skip float32) (s0, s1 float64) {
	n := len(dx)
	du, dy, x = du[:n], dy[:n], x[:n]
	whole := l.whole(n)
	if whole > 0 {
		s0, s1 = l.fast.mix(whole, &dx[0], &du[0], &dy[0], &x[0], step, skip)
	}
	for i := whole; i < n; i++ {
		dx[i] = step*du[i] + skip*dy[i]
		s0 += float64(du[i] * x[i])
		s1 += float64(dy[i] * x[i])
	}
	return s0, s1
}

// addScaled: dst += factor·x. It returns Σ factor·x·with.
func (l loops) addScaled(dst, x, with []float32, factor float32) (s0 float64) {
	n := len(dst)
	x, with = x[:n], with[:n]
	whole := l.whole(n)
	if whole > 0 {
		s0 = l.fast.addScaled(whole, &dst[0], &x[0], &with[0], factor)
	}
	for i := whole; i < n; i++ {
		v := x[i] * factor
		dst[i] += v
		s0 += float64(v * with[i])
	}
	return s0
}

// taps4: dst = start + Σ_k w[k]·x[k].
func (l loops) taps4(dst, start []float32, w, x [4][]float32) {
	n := len(dst)
	start = start[:n]
	for k := range w {
		w[k], x[k] = w[k][:n], x[k][:n]
	}
	whole := l.whole(n)
	if whole > 0 {
		l.fast.taps4(whole, &dst[0], &start[0], &w[0][0], &w[1][0], &w[2][0], &w[3][0], &x[0][0], &x[1][0], &x[2][0], &x[3][0])
	}
	for i := whole; i < n; i++ {
		v := start[i]
		for k := range w {
			v += w[k][i] * x[k][i]
		}
		dst[i] = v
	}
}

// taps4Back: dbias += dy, and for each k dw[k] += dy·x[k].
func (l loops) taps4Back(dbias []float32, dw [4][]float32, dy []float32, x [4][]float32) {
	n := len(dbias)
	dy = dy[:n]
	for k := range dw {
		dw[k], x[k] = dw[k][:n], x[k][:n]
	}
	whole := l.whole(n)
	if whole > 0 {
		l.fast.taps4Back(whole, &dbias[0], &dw[0][0], &dw[1][0], &dw[2][0], &dw[3][0], &dy[0], &x[0][0], &x[1][0], &x[2][0], &x[3][0])
	}
	for i := whole; i < n; i++ {
		dbias[i] += dy[i]
		for k := range dw {
			dw[k][i] += dy[i] * x[k][i]
		}
	}
}
