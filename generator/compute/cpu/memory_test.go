package cpu

import (
	"fmt"
	"testing"

	"rpg/generator/compute"
)

// After its first call an operation allocates nothing, at one thread and at two.
func TestNoAllocations(t *testing.T) {
	for _, threads := range []int{1, 2} {
		d, err := open(threads, kernels()[0])
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		for _, op := range everyOperation(d) {
			t.Run(fmt.Sprintf("%s %d threads", op.name, threads), func(t *testing.T) {
				op.run()
				// Of 10 runs, as the second worker may come to its first share, and so
				// to its working memory, at any of them.
				if n := testing.AllocsPerRun(10, op.run); n != 0 {
					t.Errorf("%g allocations a call", n)
				}
			})
		}
	}
}

// operation is a call of an operation of compute.Device.
type operation struct {
	name string
	run  func()
}

// everyOperation returns a call of each operation, at sizes that are shared
// among threads.
func everyOperation(d *device) []operation {
	return append(append(elementwiseOperations(d), denoiserOperations(d)...), recurrentOperations(d)...)
}

// elementwiseOperations are on 1400 rows of 256.
func elementwiseOperations(d *device) []operation {
	const rows, cols = 1400, 256
	const n = rows * cols
	x, y, z, v := filled(d, 1, n), filled(d, 2, n), filled(d, 3, n), filled(d, 4, n)
	w := filled(d, 6, n)
	d.SiLU(v, v)
	one, column, t := d.Alloc(1), d.Alloc(cols), filled(d, 5, rows)
	m := func(b compute.Buffer) compute.Matrix { return compute.MatrixOf(b, rows, cols) }
	mx, my, mz, mv := m(x), m(y), m(z), m(v)
	square, narrow := compute.MatrixOf(filled(d, 7, cols*cols), cols, cols), compute.MatrixOf(filled(d, 8, cols*16), cols, 16)
	small := compute.MatrixOf(d.Alloc(rows*16), rows, 16)
	numbers := d.AllocInts(rows)
	index := make([]int32, rows)
	for i := range index {
		index[i] = int32(i % cols)
	}
	d.UploadInts(numbers, index)
	var none compute.Matrix
	adam := compute.AdamW{P: z, G: x, M: y, V: v, Norm: one, MaxNorm: 1, LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Step: 1}
	adam8 := compute.AdamW8{AdamW: adam, MCodes: d.AllocInts(n / 4), VCodes: d.AllocInts(n / 4), MScale: d.Alloc(rows), VScale: d.Alloc(rows)}
	adam8.M, adam8.V = nil, nil
	average := adam
	average.EMA, average.EMADecay = w, 0.99
	return []operation{
		{"Zero", func() { d.Zero(z) }},
		{"Copy", func() { d.Copy(z, y) }},
		{"Add", func() { d.Add(z, y) }},
		{"Combine", func() { d.Combine(z, 0.5, x, 0.5, y, 0.1, z) }},
		{"Gemm", func() { d.Gemm(mz, mx, square, false, true, 0, column) }},
		{"Gemm small", func() { d.Gemm(small, mx, narrow, false, false, 1, nil) }},
		{"ColumnSums", func() { d.ColumnSums(column, mx) }},
		{"SiLU", func() { d.SiLU(z, x) }},
		{"SiLUBackward", func() { d.SiLUBackward(z, y, x) }},
		{"Gather", func() { d.Gather(mz, mx, numbers, 0) }},
		{"ScatterAdd", func() { d.ScatterAdd(mz, mx, numbers) }},
		{"LayerNorm", func() { d.LayerNorm(mz, mx, none, none, 1e-5) }},
		{"LayerNorm modulated", func() { d.LayerNorm(mz, mx, my, my, 1e-5) }},
		{"LayerNormBackward", func() { d.LayerNormBackward(mz, mv, mv, my, mx, my, 1e-5) }},
		{"GateAdd", func() { d.GateAdd(mz, mx, my, my) }},
		{"GateAddBackward", func() { d.GateAddBackward(mz, mv, mx, my, my) }},
		{"TimeFeatures", func() { d.TimeFeatures(mz, t) }},
		{"Normal", func() { d.Normal(z, 1, 2) }},
		{"Diffuse", func() { d.Diffuse(mz, mv, mx, my, t, t, compute.PredictV) }},
		{"MaskedMSE", func() { d.MaskedMSE(one, mz, mx, my, numbers) }},
		{"SquaredSum", func() { d.SquaredSum(one, x) }},
		{"AdamW", func() { d.AdamW(adam) }},
		{"AdamW with EMA", func() { d.AdamW(average) }},
		{"AdamW8", func() { d.AdamW8(adam8) }},
		{"EMA", func() { d.EMA(z, x, 0.999) }},
	}
}

func denoiserOperations(d *device) []operation {
	var list []operation
	for _, channels := range [][2]int{{1, 8}, {16, 24}, {8, 1}} {
		conv, _ := benchConvLayer(d, channels[0], channels[1])
		list = append(list,
			operation{fmt.Sprintf("ConvLayer %d-%d", channels[0], channels[1]), func() { d.ConvLayer(conv.ConvLayer) }},
			operation{fmt.Sprintf("ConvLayerBackward %d-%d", channels[0], channels[1]), func() { d.ConvLayerBackward(conv) }})
	}
	return list
}

func recurrentOperations(d *device) []operation {
	scan, causal, m := benchMamba(d, 2, 100, 32, 64)
	w, dw := filled(d, 10, m[0].Cols), d.Alloc(m[0].Cols)
	gates, attend := benchLSTM(d, 2, 9, 200), benchAttention(d, 2, 100, 4, 32)
	return []operation{
		{"LSTM", func() { d.LSTM(gates.LSTM) }},
		{"LSTMBackward", func() { d.LSTMBackward(gates) }},
		{"Attention", func() { d.Attention(attend.Attention) }},
		{"AttentionBackward", func() { d.AttentionBackward(attend) }},
		{"CausalConv", func() { d.CausalConv(causal.CausalConv) }},
		{"CausalConvBackward", func() { d.CausalConvBackward(causal) }},
		{"SSD", func() { d.SSD(scan.SSD) }},
		{"SSDBackward", func() { d.SSDBackward(scan) }},
		{"GatedRMSNorm", func() { d.GatedRMSNorm(m[2], m[0], m[1], w, 1e-5) }},
		{"GatedRMSNormBackward", func() { d.GatedRMSNormBackward(m[3], m[4], dw, m[5], m[0], m[1], w, 1e-5) }},
	}
}
