package cpu

// avx2Loops are the loops for processors with AVX2 and FMA.
var avx2Loops = fastLoops{
	scale:            scaleAVX2,
	mulAdd:           mulAddAVX2,
	sum:              sumAVX2,
	squares:          squaresAVX2,
	dot:              dotAVX2,
	silu:             siluAVX2,
	siluBack:         siluBackAVX2,
	gate:             gateAVX2,
	weigh:            weighAVX2,
	weighBack:        weighBackAVX2,
	gateBack:         gateBackAVX2,
	elu:              eluAVX2,
	eluBack:          eluBackAVX2,
	normBack:         normBackAVX2,
	modulate:         modulateAVX2,
	modulateSkip:     modulateSkipAVX2,
	modulateBack:     modulateBackAVX2,
	modulateSkipBack: modulateSkipBackAVX2,
	taps4:            taps4AVX2,
	taps4Back:        taps4BackAVX2,
	decay:            decayAVX2,
	decayBack:        decayBackAVX2,
	mix:              mixAVX2,
	addScaled:        addScaledAVX2,
	add:              addAVX2,
	blend:            blendAVX2,
	mulAddTo:         mulAddToAVX2,
	mulBoth:          mulBothAVX2,
	norm:             normAVX2,
	normShift:        normShiftAVX2,
	normSums:         normSumsAVX2,
	normShiftSums:    normShiftSumsAVX2,
	normAdd:          normAddAVX2,
	normShiftAdd:     normShiftAddAVX2,
	adamW:            adamWAVX2,
	adamWAverage:     adamWAverageAVX2,
	combine2:         combine2AVX2,
	combine3:         combine3AVX2,
	difference:       differenceAVX2,
	circle:           circleAVX2,
	split4:           split4AVX2,
	merge4:           merge4AVX2,
	filterIn:         filterInAVX2,
	filterOut:        filterOutAVX2,
	filterSlope:      filterSlopeAVX2,
}

// chooseLoops returns the loops that go with the kernel of the given name, nil
// for none.
func chooseLoops(name string) *fastLoops {
	if name == "go" {
		return nil
	}
	return &avx2Loops
}

// The functions of loops_amd64.s: see the methods of loops.

//go:noescape
func scaleAVX2(n int, dst, x *float32, factor float32)

//go:noescape
func mulAddAVX2(n int, dst, x, y *float32)

//go:noescape
func sumAVX2(n int, x *float32) (sum0 float64)

//go:noescape
func squaresAVX2(n int, x *float32, center float32) (sum0 float64)

//go:noescape
func dotAVX2(n int, x, y *float32) (sum0 float64)

//go:noescape
func siluAVX2(n int, dst, x *float32)

//go:noescape
func siluBackAVX2(n int, dst, dy, x *float32)

//go:noescape
func gateAVX2(n int, dst, x, z *float32) (sum0 float64)

//go:noescape
func weighAVX2(n int, dst, x, w *float32, factor float32)

//go:noescape
func weighBackAVX2(n int, dw, dy, w, u *float32, factor float32) (sum0 float64)

//go:noescape
func gateBackAVX2(n int, dx, dz, dy, w, u, x, z *float32, factor, mean float32)

//go:noescape
func eluAVX2(n int, dst, x *float32, center, factor, summand float32)

//go:noescape
func eluBackAVX2(n int, dst, dy, x *float32, center, factor, scale, bias float32) (sum0, sum1 float64)

//go:noescape
func normBackAVX2(n int, dst, x *float32, center, factor, mean, slope, scale float32)

//go:noescape
func modulateAVX2(n int, dst, x, cond, time *float32)

//go:noescape
func modulateSkipAVX2(n int, dst, x, cond, time, skip *float32)

//go:noescape
func modulateBackAVX2(n int, dst, dx, dcond, dtime, dg, x, cond, time *float32)

//go:noescape
func modulateSkipBackAVX2(n int, dst, dx, dcond, dtime, dg, x, cond, time, skip *float32)

//go:noescape
func taps4AVX2(n int, dst, start, w0, w1, w2, w3, x0, x1, x2, x3 *float32)

//go:noescape
func taps4BackAVX2(n int, dbias, dw0, dw1, dw2, dw3, dy, x0, x1, x2, x3 *float32)

//go:noescape
func decayAVX2(n int, dst, weights, x *float32, decay float32)

//go:noescape
func decayBackAVX2(n int, mixed, dcb, early, weights, cb, dmixed, steps *float32, decay float32) (sum0 float64)

//go:noescape
func mixAVX2(n int, dx, du, dy, x *float32, step, skip float32) (sum0, sum1 float64)

//go:noescape
func addScaledAVX2(n int, dst, x, with *float32, factor float32) (sum0 float64)

//go:noescape
func addAVX2(n int, dst, x *float32)

//go:noescape
func blendAVX2(n int, dst, x *float32, keep, factor float32)

//go:noescape
func mulAddToAVX2(n int, dst, x, y, z *float32)

//go:noescape
func mulBothAVX2(n int, dst1, dst2, x, y, z *float32)

//go:noescape
func normAVX2(n int, dst, x *float32, center, factor float32)

//go:noescape
func normShiftAVX2(n int, dst, x, shift, scale *float32, center, factor float32)

//go:noescape
func normSumsAVX2(n int, dy, x *float32, center, factor float32) (sum0, sum1 float64)

//go:noescape
func normShiftSumsAVX2(n int, dshift, dscale, dy, x, scale *float32, center, factor float32) (sum0, sum1 float64)

//go:noescape
func normAddAVX2(n int, dx, dy, x *float32, center, factor, mean, slope float32)

//go:noescape
func normShiftAddAVX2(n int, dx, dy, x, scale *float32, center, factor, mean, slope float32)

//go:noescape
func adamWAVX2(n int, p, grad, m, v *float32, clip, new1, new2, keep, rate, root, eps float32)

//go:noescape
func adamWAverageAVX2(n int, p, grad, m, v, ema *float32, clip, new1, new2, keep, rate, root, eps, newEMA float32)

//go:noescape
func combine2AVX2(n int, dst, x, y *float32, a, b float32)

//go:noescape
func combine3AVX2(n int, dst, x, y, z *float32, a, b, c float32)

//go:noescape
func differenceAVX2(n int, dst, x, y *float32, factor float32) (sum0 float64)

//go:noescape
func circleAVX2(n int, cos, sin, high, low *float32, t float32)

//go:noescape
func split4AVX2(dst, src *float32)

//go:noescape
func merge4AVX2(dst, src *float32)

//go:noescape
func filterInAVX2(n int, dst, phases *float32)

//go:noescape
func filterOutAVX2(n int, dst, src *float32, start float32)

//go:noescape
func filterSlopeAVX2(n int, dst, phases *float32)
