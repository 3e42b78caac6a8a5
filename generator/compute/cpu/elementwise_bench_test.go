package cpu

import (
	"testing"

	"rpg/generator/compute"
)

// Operations whose time goes by the number of values: 2800 tokens 256 wide.
func BenchmarkElementwise(b *testing.B) {
	d, err := open(1, kernels()[0])
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	const rows, cols = 2800, 256
	const n = rows * cols
	x, y, z, v := filled(d, 1, n), filled(d, 2, n), filled(d, 3, n), filled(d, 4, n)
	d.SiLU(v, v)
	d.Combine(v, 1, v, 0, nil, 0, nil)
	one, t := d.Alloc(1), filled(d, 5, rows)
	m := func(b compute.Buffer) compute.Matrix { return compute.MatrixOf(b, rows, cols) }
	valid := d.AllocInts(rows)
	index := make([]int32, rows)
	for i := range index {
		index[i] = int32(i % cols)
	}
	d.UploadInts(valid, index)
	for _, op := range []struct {
		name string
		run  func()
	}{
		{"Copy", func() { d.Copy(x, y) }},
		{"Add", func() { d.Add(z, y) }},
		{"Combine", func() { d.Combine(z, 0.5, x, 0.5, y, 0.1, z) }},
		{"ColumnSums", func() { d.ColumnSums(v.Slice(0, cols), m(x)) }},
		{"SiLU", func() { d.SiLU(z, x) }},
		{"SiLUBackward", func() { d.SiLUBackward(z, y, x) }},
		{"Gather", func() { d.Gather(m(z), m(x), valid, 0) }},
		{"ScatterAdd", func() { d.ScatterAdd(m(z), m(x), valid) }},
		{"LayerNorm", func() { d.LayerNorm(m(z), m(x), m(y), m(y), 1e-5) }},
		{"LayerNormBackward", func() { d.LayerNormBackward(m(z), m(v), m(v), m(y), m(x), m(y), 1e-5) }},
		{"GateAdd", func() { d.GateAdd(m(z), m(x), m(y), m(y)) }},
		{"GateAddBackward", func() { d.GateAddBackward(m(z), m(v), m(x), m(y), m(y)) }},
		{"TimeFeatures", func() { d.TimeFeatures(m(z), t) }},
		{"Normal", func() { d.Normal(z, 1, 2) }},
		{"Diffuse", func() { d.Diffuse(m(z), m(v), m(x), m(y), t, t, compute.PredictV) }},
		{"MaskedMSE", func() { d.MaskedMSE(one, m(z), m(x), m(y), valid) }},
		{"SquaredSum", func() { d.SquaredSum(one, x) }},
		{"AdamW", func() {
			d.AdamW(compute.AdamW{P: z, G: x, M: y, V: v, LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Step: 1})
		}},
		{"EMA", func() { d.EMA(z, x, 0.999) }},
	} {
		b.Run(op.name, func(b *testing.B) {
			for b.Loop() {
				op.run()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/value")
		})
	}
}
