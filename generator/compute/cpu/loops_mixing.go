package cpu

// expSum: dst = exp(x-center), for x up to center. It returns Σ dst.
func (l loops) expSum(dst, x []float32, center float32) (s0 float64) {
	n := len(dst)
	x = x[:n]
	whole := l.whole(n)
	if whole > 0 {
		s0 = l.fast.expSum(whole, &dst[0], &x[0], center)
	}
	for i := whole; i < n; i++ {
		dst[i] = exp(min(0, x[i]-center))
		s0 += float64(dst[i])
	}
	return s0
}

// attendBack: with w = exp(scores-level), at most 1, dweights = w·(dweights-mean) and then
// scores = w.
func (l loops) attendBack(scores, dweights []float32, level, mean float32) {
	n := len(scores)
	dweights = dweights[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.attendBack(whole, &scores[0], &dweights[0], level, mean)
	}
	for i := whole; i < n; i++ {
		w := exp(min(0, scores[i]-level))
		scores[i] = w
		dweights[i] = w * (dweights[i] - mean)
	}
}

func sigmoid(x float32) float32 { return 1 / (1 + exp(-x)) }

// tanh has an error below 2e-7.
func tanh(x float32) float32 { return 2*sigmoid(2*x) - 1 }

// gates are σ(i), σ(f), tanh(g) and σ(o) of some units of an LSTM, or their
// gradients.
type gates struct{ i, f, g, o []float32 }

// lstm turns what the gates sum up into their values, and computes
// c = f·before + i·g and h = o·tanh(c).
func (l loops) lstm(a gates, h, c, before []float32) {
	n := len(h)
	a.i, a.f, a.g, a.o, c, before = a.i[:n], a.f[:n], a.g[:n], a.o[:n], c[:n], before[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.lstm(whole, &a.i[0], &a.f[0], &a.g[0], &a.o[0], &h[0], &c[0], &before[0])
	}
	for k := whole; k < n; k++ {
		a.i[k], a.f[k], a.g[k], a.o[k] = sigmoid(a.i[k]), sigmoid(a.f[k]), tanh(a.g[k]), sigmoid(a.o[k])
		c[k] = a.f[k]*before[k] + a.i[k]*a.g[k]
		h[k] = a.o[k] * tanh(c[k])
	}
}

// lstmBack turns the values of the gates into the gradients of what they summed
// up, and dc, the gradient of c from the tokens after, into that of before.
func (l loops) lstmBack(a gates, dc, c, before, dh []float32) {
	n := len(dh)
	a.i, a.f, a.g, a.o, dc, c, before = a.i[:n], a.f[:n], a.g[:n], a.o[:n], dc[:n], c[:n], before[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.lstmBack(whole, &a.i[0], &a.f[0], &a.g[0], &a.o[0], &dc[0], &c[0], &before[0], &dh[0])
	}
	for k := whole; k < n; k++ {
		i, f, g, o, t := a.i[k], a.f[k], a.g[k], a.o[k], tanh(c[k])
		d := dc[k] + dh[k]*o*(1-t*t)
		dc[k] = d * f
		a.i[k], a.f[k], a.g[k], a.o[k] = d*g*i*(1-i), d*before[k]*f*(1-f), d*i*(1-g*g), dh[k]*t*o*(1-o)
	}
}
