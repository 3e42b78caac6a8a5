package cpu

import (
	"fmt"
	"testing"

	"rpg/generator/compute"
)

// benchDevice opens a device with one and with two threads.
func benchDevice(b *testing.B, f func(b *testing.B, d *device)) {
	for _, threads := range []int{1, 2} {
		b.Run(fmt.Sprintf("threads=%d", threads), func(b *testing.B) {
			d, err := open(threads, kernels()[0])
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			f(b, d)
		})
	}
}

// filled returns a buffer of n normal numbers.
func filled(d *device, stream, n int) compute.Buffer {
	b := d.Alloc(n)
	d.Upload(b, normals(uint64(stream), n))
	return b
}

// perSecond runs f b.N times and reports flops, the floating-point operations
// of one run, in GFLOP/s: by the clock, and by the seconds that all threads
// together have computed, which says more on a machine with other work.
func perSecond(b *testing.B, flops int, f func()) {
	f() // working memory is allocated at the first call
	b.ReportAllocs()
	before, known := computed()
	for b.Loop() {
		f()
	}
	work := float64(flops) * float64(b.N) / 1e9
	if after, _ := computed(); known {
		b.ReportMetric(work/(after-before), "GFLOP/cpu-s")
	}
	b.ReportMetric(work/b.Elapsed().Seconds(), "GFLOP/s")
}

// benchConvLayer is a layer of a training: all but the first one's input and
// the last one's output are normalized.
func benchConvLayer(d *device, in, out int) (compute.ConvLayerBackward, int) {
	const tokens, k, width = 384, 7, 256
	signal := func(stream, channels int) compute.Matrix {
		return compute.MatrixOf(filled(d, stream, tokens*channels*width), tokens, channels*width)
	}
	a := compute.ConvLayer{
		Tokens: tokens, In: in, Out: out, K: k, D: width,
		X: signal(1, in), Skip: signal(2, in), Y: signal(8, out),
		Cond: compute.MatrixOf(filled(d, 3, tokens*width), tokens, width),
		Time: compute.MatrixOf(filled(d, 4, tokens*width), tokens, width),
		W:    filled(d, 5, out*in*k), Bias: filled(d, 6, out),
	}
	if in > 1 {
		a.XNorm, a.SkipNorm = benchNorm(d, in), benchNorm(d, in)
	}
	if out > 1 {
		a.YNorm = benchNorm(d, out)
	}
	return compute.ConvLayerBackward{
		ConvLayer: a, DY: signal(7, out), DX: signal(9, in),
		DCond: compute.MatrixOf(d.Alloc(tokens*width), tokens, width),
		DTime: compute.MatrixOf(d.Alloc(tokens*width), tokens, width),
		DW:    d.Alloc(out * in * k), DBias: d.Alloc(out),
	}, 2 * tokens * in * out * k * width
}

func benchNorm(d *device, c int) *compute.BatchNorm {
	return &compute.BatchNorm{
		Scale: filled(d, 1, c), Bias: filled(d, 2, c), Eps: 1e-5, Momentum: 0.1, Mean: filled(d, 3, c), InvStd: filled(d, 4, c),
		RunningMean: d.Alloc(c), RunningVar: d.Alloc(c), DScale: d.Alloc(c), DBias: d.Alloc(c), Along: d.Alloc(c), Level: d.Alloc(c),
	}
}

var benchChannels = [][2]int{{1, 32}, {32, 64}, {64, 128}, {128, 64}, {32, 1}}

func BenchmarkConvLayer(b *testing.B) {
	for _, c := range benchChannels {
		b.Run(fmt.Sprintf("%d-%d", c[0], c[1]), func(b *testing.B) {
			benchDevice(b, func(b *testing.B, d *device) {
				a, flops := benchConvLayer(d, c[0], c[1])
				perSecond(b, flops, func() { d.ConvLayer(a.ConvLayer) })
			})
		})
	}
}

func BenchmarkConvLayerBackward(b *testing.B) {
	for _, c := range benchChannels {
		b.Run(fmt.Sprintf("%d-%d", c[0], c[1]), func(b *testing.B) {
			benchDevice(b, func(b *testing.B, d *device) {
				a, flops := benchConvLayer(d, c[0], c[1])
				perSecond(b, 2*flops, func() { d.ConvLayerBackward(a) })
			})
		})
	}
}
