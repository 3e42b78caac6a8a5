package cpu

import (
	"math"
	"time"

	"rpg/generator/compute"
)

// FMAPeak measures, in about a fifth of a second, the floating-point operations
// a second of all threads of d together in a loop of nothing but the
// multiply-adds that the matrix products of d are made of. d is a device of this
// package that nothing else uses meanwhile.
func FMAPeak(d compute.Device) (flops float64) {
	dev := own(d)
	const n = 1 << 16 // about a millisecond
	best := math.Inf(1)
	m := keep[measurement](dev)
	m.kernel = dev.products
	for range 40 {
		start := time.Now()
		dev.parallel(dev.pool.threads, m, func(a any, _, _, _ int) { a.(*measurement).kernel.peak(n) })
		best = min(best, time.Since(start).Seconds())
	}
	drop(m)
	return float64(dev.pool.threads) * n * float64(dev.products.peakFlops) / best
}

// CopyBandwidth measures, in about half a second, the bytes a second, read and
// written together, that all threads of d copy in memory larger than the caches
// of most processors. d is as for FMAPeak.
func CopyBandwidth(d compute.Device) (bytes float64) {
	dev := own(d)
	const n = 64 << 20 / 4
	m := keep[measurement](dev)
	m.from, m.to = make([]float32, n), make([]float32, n)
	best := math.Inf(1)
	for range 10 {
		start := time.Now()
		dev.split(n, n/64, m, func(a any, _, lo, hi int) {
			m := a.(*measurement)
			copy(m.to[lo:hi], m.from[lo:hi])
		})
		best = min(best, time.Since(start).Seconds())
	}
	drop(m)
	return 2 * 4 * n / best
}

type measurement struct {
	kernel   *kernel
	from, to []float32
}

func own(d compute.Device) *device {
	dev, ok := d.(*device)
	if !ok {
		panic(errForeign)
	}
	return dev
}

// peakGo is kernel.peak without SIMD: 12·n multiplications and additions.
func peakGo(n int) {
	var sums [6]float32
	multiplyAdd(&sums, n, 0.999, 0.001)
}

// multiplyAdd is not inlined, so that nothing of it is left out.
//
//go:noinline
func multiplyAdd(s *[6]float32, n int, x, y float32) {
	s0, s1, s2, s3, s4, s5 := s[0], s[1], s[2], s[3], s[4], s[5]
	for range 2 * n {
		s0, s1, s2 = s0*x+y, s1*x+y, s2*x+y
		s3, s4, s5 = s3*x+y, s4*x+y, s5*x+y
	}
	*s = [6]float32{s0, s1, s2, s3, s4, s5}
}
