package cpu

// loops are the inner loops of the element-wise parts of operations: in
// assembly where the processor has it, else as written here. The slices of a
// call have the length of the first one, or more. Sums are taken in float64.
type loops struct{ fast *fastLoops }

// fastLoops are loops in assembly over n values, a multiple of 8 and not 0.
// The results of the last ones are sums.
type fastLoops struct {
	scale            func(n int, dst, x *float32, factor float32)
	mulAdd           func(n int, dst, x, y *float32)
	sum              func(n int, x *float32) float64
	squares          func(n int, x *float32, center float32) float64
	dot              func(n int, x, y *float32) float64
	silu             func(n int, dst, x *float32)
	siluBack         func(n int, dst, dy, x *float32)
	gate             func(n int, dst, x, z *float32) float64
	weigh            func(n int, dst, x, w *float32, factor float32)
	weighBack        func(n int, dw, dy, w, u *float32, factor float32) float64
	gateBack         func(n int, dx, dz, dy, w, u, x, z *float32, factor, mean float32)
	elu              func(n int, dst, x *float32, center, factor, summand float32)
	eluBackFrom      func(n int, dst, dy, y, x *float32, center, factor float32) (float64, float64)
	eluNormBack      func(n int, dst, dy, x *float32, center, factor, scale, bias, mean, slope float32)
	modulate         func(n int, dst, x, cond, time *float32)
	modulateSkip     func(n int, dst, x, cond, time, skip *float32)
	modulateBack     func(n int, dst, dx, dcond, dtime, dg, x, cond, time *float32)
	modulateSkipBack func(n int, dst, dx, dcond, dtime, dg, x, cond, time, skip *float32)
	taps4            func(n int, dst, start, w0, w1, w2, w3, x0, x1, x2, x3 *float32)
	taps4Back        func(n int, dbias, dw0, dw1, dw2, dw3, dy, x0, x1, x2, x3 *float32)
	decay            func(n int, dst, weights, x *float32, decay float32)
	decayBack        func(n int, mixed, dcb, early, weights, cb, dmixed, steps *float32, decay float32) float64
	mix              func(n int, dx, du, dy, x *float32, step, skip float32) (float64, float64)
	addScaled        func(n int, dst, x, with *float32, factor float32) float64
	expSum           func(n int, dst, x *float32, center float32) float64
	attendBack       func(n int, scores, dweights *float32, level, mean float32)
	lstm             func(n int, in, keep, new, out, h, c, before *float32)
	lstmBack         func(n int, in, keep, new, out, dc, c, before, dh *float32)
	add              func(n int, dst, x *float32)
	blend            func(n int, dst, x *float32, keep, factor float32)
	mulAddTo         func(n int, dst, x, y, z *float32)
	mulBoth          func(n int, dst1, dst2, x, y, z *float32)
	norm             func(n int, dst, x *float32, center, factor float32)
	normShift        func(n int, dst, x, shift, scale *float32, center, factor float32)
	normSums         func(n int, dy, x *float32, center, factor float32) (float64, float64)
	normShiftSums    func(n int, dshift, dscale, dy, x, scale *float32, center, factor float32) (float64, float64)
	normAdd          func(n int, dx, dy, x *float32, center, factor, mean, slope float32)
	normShiftAdd     func(n int, dx, dy, x, scale *float32, center, factor, mean, slope float32)
	adamW            func(n int, p, grad, m, v *float32, clip, new1, new2, keep, rate, root, eps float32)
	adamWAverage     func(n int, p, grad, m, v, ema *float32, clip, new1, new2, keep, rate, root, eps, newEMA float32)
	combine2         func(n int, dst, x, y *float32, a, b float32)
	combine3         func(n int, dst, x, y, z *float32, a, b, c float32)
	difference       func(n int, dst, x, y *float32, factor float32) float64
	split4, merge4   func(dst, src *float32)
	filterIn         func(n int, dst, phases *float32)
	filterOut        func(n int, dst, src *float32, start float32)
	filterSlope      func(n int, dst, phases *float32)
	normal           func(n int, dst, counters, state *float32)
	circle           func(n int, cos, sin, high, low *float32, t float32)
}

// loops returns the loops that go with the device's kernel.
func (d *device) loops() loops { return loops{chooseLoops(d.kernel.name)} }

// whole is how many of n values the assembly takes.
func (l loops) whole(n int) int {
	if l.fast == nil {
		return 0
	}
	return n &^ 7
}

// scale: dst = factor·x.
func (l loops) scale(dst, x []float32, factor float32) {
	n := len(dst)
	x = x[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.scale(whole, &dst[0], &x[0], factor)
	}
	for i := whole; i < n; i++ {
		dst[i] = factor * x[i]
	}
}

// mulAdd: dst += x·y.
func (l loops) mulAdd(dst, x, y []float32) {
	n := len(dst)
	x, y = x[:n], y[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.mulAdd(whole, &dst[0], &x[0], &y[0])
	}
	for i := whole; i < n; i++ {
		dst[i] += x[i] * y[i]
	}
}

// sum returns Σ x.
func (l loops) sum(x []float32) (s0 float64) {
	whole := l.whole(len(x))
	if whole > 0 {
		s0 = l.fast.sum(whole, &x[0])
	}
	for i := whole; i < len(x); i++ {
		s0 += float64(x[i])
	}
	return s0
}

// squares returns Σ (x-center)².
func (l loops) squares(x []float32, center float32) (s0 float64) {
	whole := l.whole(len(x))
	if whole > 0 {
		s0 = l.fast.squares(whole, &x[0], center)
	}
	for i := whole; i < len(x); i++ {
		v := x[i] - center
		s0 += float64(v * v)
	}
	return s0
}

// dot returns Σ x·y.
func (l loops) dot(x, y []float32) (s0 float64) {
	n := len(x)
	y = y[:n]
	whole := l.whole(n)
	if whole > 0 {
		s0 = l.fast.dot(whole, &x[0], &y[0])
	}
	for i := whole; i < n; i++ {
		s0 += float64(x[i] * y[i])
	}
	return s0
}

// silu: dst = SiLU(x); it may be in place.
func (l loops) silu(dst, x []float32) {
	n := len(dst)
	x = x[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.silu(whole, &dst[0], &x[0])
	}
	for i := whole; i < n; i++ {
		dst[i] = x[i] / (1 + exp(-x[i]))
	}
}

// siluBack: dst = dy·SiLU'(x); dst may be dy or x.
func (l loops) siluBack(dst, dy, x []float32) {
	n := len(dst)
	dy, x = dy[:n], x[:n]
	whole := l.whole(n)
	if whole > 0 {
		l.fast.siluBack(whole, &dst[0], &dy[0], &x[0])
	}
	for i := whole; i < n; i++ {
		s := 1 / (1 + exp(-x[i]))
		dst[i] = dy[i] * s * (1 + x[i]*(1-s))
	}
}
