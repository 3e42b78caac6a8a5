package cpu

import "math"

// combine2: dst = a·x + b·y. dst may be x or y.
func (l loops) combine2(dst, x, y []float32, a, b float32) {
	n := len(dst)
	x, y = x[:n], y[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.combine2(whole, &dst[0], &x[0], &y[0], a, b)
	}
	for i := whole; i < n; i++ {
		dst[i] = a*x[i] + b*y[i]
	}
}

// combine3: dst = a·x + b·y + c·z. dst may be x, y or z.
func (l loops) combine3(dst, x, y, z []float32, a, b, c float32) {
	n := len(dst)
	x, y, z = x[:n], y[:n], z[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.combine3(whole, &dst[0], &x[0], &y[0], &z[0], a, b, c)
	}
	for i := whole; i < n; i++ {
		dst[i] = a*x[i] + b*y[i] + c*z[i]
	}
}

// difference: dst = factor·(x-y). It returns Σ (x-y)².
func (l loops) difference(dst, x, y []float32, factor float32) (s0 float64) {
	n := len(dst)
	x, y = x[:n], y[:n]
	whole := l.whole(n)
	if whole > 0 {
		s0 = l.fast.difference(whole, &dst[0], &x[0], &y[0], factor)
	}
	for i := whole; i < n; i++ {
		v := x[i] - y[i]
		dst[i] = factor * v
		s0 += float64(v * v)
	}
	return s0
}

// circle: cos and sin receive the cosine and sine of t·(high+low) quarter turns,
// with an error below 2e-7 while t·high is below 2^17 or so.
func (l loops) circle(cos, sin, high, low []float32, t float32) {
	n := len(cos)
	sin, high, low = sin[:n], high[:n], low[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.circle(whole, &cos[0], &sin[0], &high[0], &low[0], t)
	}
	for i := whole; i < n; i++ {
		s, c := math.Sincos(float64(t) * (float64(high[i]) + float64(low[i])) * (math.Pi / 2))
		cos[i], sin[i] = float32(c), float32(s)
	}
}
