package cpu

import (
	"runtime"
	"testing"

	"rpg/generator/compute"
)

// After its first call an operation takes no more memory than the few closures
// that share its work out. One thread: a second one may come to its first share,
// and so to its memory, at any call.
func TestWorkingMemoryIsKept(t *testing.T) {
	d, err := open(1, kernels()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	conv, _ := benchConvLayer(d, 3, 8)
	norm := compute.BatchNormELU{
		Tokens: 40, C: 8, D: 256, Train: true, Eps: 1e-5, Momentum: 0.1,
		X: filled(d, 1, 40*8*256), Y: d.Alloc(40 * 8 * 256), Scale: filled(d, 2, 8), Bias: filled(d, 3, 8),
		RunningMean: d.Alloc(8), RunningVar: d.Alloc(8), Mean: d.Alloc(8), InvStd: d.Alloc(8),
	}
	scan, causal, m := benchMamba(d, 2, 100, 32, 64)
	w, dw := filled(d, 10, m[0].Cols), d.Alloc(m[0].Cols)
	for _, test := range []struct {
		name string
		run  func()
	}{
		{"CausalConv", func() { d.CausalConv(causal.CausalConv) }},
		{"CausalConvBackward", func() { d.CausalConvBackward(causal) }},
		{"SSD", func() { d.SSD(scan.SSD) }},
		{"SSDBackward", func() { d.SSDBackward(scan) }},
		{"GatedRMSNorm", func() { d.GatedRMSNorm(m[2], m[0], m[1], w, 1e-5) }},
		{"GatedRMSNormBackward", func() { d.GatedRMSNormBackward(m[3], m[4], dw, m[5], m[0], m[1], w, 1e-5) }},
		{"ConvLayer", func() { d.ConvLayer(conv.ConvLayer) }},
		{"ConvLayerBackward", func() { d.ConvLayerBackward(conv) }},
		{"BatchNormELU", func() { d.BatchNormELU(norm) }},
		{"BatchNormELUBackward", func() {
			d.BatchNormELUBackward(compute.BatchNormELUBackward{
				BatchNormELU: norm, DY: norm.Y, DX: norm.Y, DScale: dw.Slice(0, 8), DBias: dw.Slice(8, 16)})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run()
			var before, after runtime.MemStats
			const calls, most = 10, 4096
			runtime.ReadMemStats(&before)
			for range calls {
				test.run()
			}
			runtime.ReadMemStats(&after)
			if got := (after.TotalAlloc - before.TotalAlloc) / calls; got > most {
				t.Errorf("each call takes %d bytes, want at most %d", got, most)
			}
		})
	}
}
