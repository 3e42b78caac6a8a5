package cpu

import "math"

// add: dst += x.
func (l loops) add(dst, x []float32) {
	n := len(dst)
	x = x[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.add(whole, &dst[0], &x[0])
	}
	for i := whole; i < n; i++ {
		dst[i] += x[i]
	}
}

// blend: dst = keep·dst + factor·x.
func (l loops) blend(dst, x []float32, keep, factor float32) {
	n := len(dst)
	x = x[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.blend(whole, &dst[0], &x[0], keep, factor)
	}
	for i := whole; i < n; i++ {
		dst[i] = keep*dst[i] + factor*x[i]
	}
}

// mulAddTo: dst = x + y·z. dst may be x.
func (l loops) mulAddTo(dst, x, y, z []float32) {
	n := len(dst)
	x, y, z = x[:n], y[:n], z[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.mulAddTo(whole, &dst[0], &x[0], &y[0], &z[0])
	}
	for i := whole; i < n; i++ {
		dst[i] = x[i] + y[i]*z[i]
	}
}

// mulBoth: dst1 = x·y, dst2 = x·z.
func (l loops) mulBoth(dst1, dst2, x, y, z []float32) {
	n := len(dst1)
	dst2, x, y, z = dst2[:n], x[:n], y[:n], z[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.mulBoth(whole, &dst1[0], &dst2[0], &x[0], &y[0], &z[0])
	}
	for i := whole; i < n; i++ {
		dst1[i], dst2[i] = x[i]*y[i], x[i]*z[i]
	}
}

// The loops below are those of LayerNorm: n = (x-center)·factor.

// norm: dst = n.
func (l loops) norm(dst, x []float32, center, factor float32) {
	n := len(dst)
	x = x[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.norm(whole, &dst[0], &x[0], center, factor)
	}
	for i := whole; i < n; i++ {
		dst[i] = (x[i] - center) * factor
	}
}

// normShift: dst = n·(1+scale) + shift.
func (l loops) normShift(dst, x, shift, scale []float32, center, factor float32) {
	n := len(dst)
	x, shift, scale = x[:n], shift[:n], scale[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.normShift(whole, &dst[0], &x[0], &shift[0], &scale[0], center, factor)
	}
	for i := whole; i < n; i++ {
		dst[i] = (x[i]-center)*factor*(1+scale[i]) + shift[i]
	}
}

// normSums returns Σ dy and Σ dy·n.
func (l loops) normSums(dy, x []float32, center, factor float32) (s0, s1 float64) {
	n := len(dy)
	x = x[:n]
	whole := l.whole(n)
	if whole > 0 {
		s0, s1 = l.fast.normSums(whole, &dy[0], &x[0], center, factor)
	}
	for i := whole; i < n; i++ {
		s0 += float64(dy[i])
		s1 += float64(dy[i] * ((x[i] - center) * factor))
	}
	return s0, s1
}

// normShiftSums: dshift = dy, dscale = dy·n; it returns Σ dy·(1+scale) and
// Σ dy·(1+scale)·n.
func (l loops) normShiftSums(dshift, dscale, dy, x, scale []float32, center, factor float32) (s0, s1 float64) {
	n := len(dy)
	dshift, dscale, x, scale = dshift[:n], dscale[:n], x[:n], scale[:n]
	whole := l.whole(n)
	if whole > 0 {
		s0, s1 = l.fast.normShiftSums(whole, &dshift[0], &dscale[0], &dy[0], &x[0], &scale[0], center, factor)
	}
	for i := whole; i < n; i++ {
		dn := dy[i] * ((x[i] - center) * factor)
		dshift[i], dscale[i] = dy[i], dn
		s0 += float64(dy[i] * (1 + scale[i]))
		s1 += float64(dn * (1 + scale[i]))
	}
	return s0, s1
}

// normAdd: dx += factor·(dy - mean - n·slope).
func (l loops) normAdd(dx, dy, x []float32, center, factor, mean, slope float32) {
	n := len(dx)
	dy, x = dy[:n], x[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.normAdd(whole, &dx[0], &dy[0], &x[0], center, factor, mean, slope)
	}
	for i := whole; i < n; i++ {
		dx[i] += factor * (dy[i] - mean - (x[i]-center)*factor*slope)
	}
}

// normShiftAdd: dx += factor·(dy·(1+scale) - mean - n·slope).
func (l loops) normShiftAdd(dx, dy, x, scale []float32, center, factor, mean, slope float32) {
	n := len(dx)
	dy, x, scale = dy[:n], x[:n], scale[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.normShiftAdd(whole, &dx[0], &dy[0], &x[0], &scale[0], center, factor, mean, slope)
	}
	for i := whole; i < n; i++ {
		dx[i] += factor * (dy[i]*(1+scale[i]) - mean - (x[i]-center)*factor*slope)
	}
}

// adamW is one step of AdamW with the constants of j: see there.
//
//	g' = clip·g, m += new1·(g'-m), v += new2·(g'²-v),
//	p = keep·p - rate·m/(sqrt(v)·root + eps)
func (l loops) adamW(p, g, m, v []float32, j *adamW) {
	n := len(p)
	g, m, v = g[:n], m[:n], v[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.adamW(whole, &p[0], &g[0], &m[0], &v[0], j.clip, j.new1, j.new2, j.keep, j.rate, j.root, j.eps)
	}
	for i := whole; i < n; i++ {
		gi := g[i] * j.clip
		m[i] += j.new1 * (gi - m[i])
		v[i] += j.new2 * (gi*gi - v[i])
		p[i] = j.keep*p[i] - j.rate*m[i]/(float32(math.Sqrt(float64(v[i])))*j.root+j.eps)
	}
}

// adamWAverage is adamW and then ema += newEMA·(p-ema).
func (l loops) adamWAverage(p, g, m, v, ema []float32, j *adamW) {
	n := len(p)
	g, m, v, ema = g[:n], m[:n], v[:n], ema[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.adamWAverage(whole, &p[0], &g[0], &m[0], &v[0], &ema[0], j.clip, j.new1, j.new2, j.keep, j.rate, j.root, j.eps, j.newEMA)
	}
	if whole == n {
		return
	}
	l.adamW(p[whole:], g[whole:], m[whole:], v[whole:], j) // fewer than 8: in Go
	for i := whole; i < n; i++ {
		ema[i] += j.newEMA * (p[i] - ema[i])
	}
}
