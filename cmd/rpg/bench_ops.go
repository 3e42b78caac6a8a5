package main

import (
	"fmt"
	"slices"
	"time"

	"rpg/generator/compute"
)

// opSizes are the sizes at which operations are measured.
type opSizes struct {
	name          string // of the rows, behind that of the operation
	models        int
	length        int // tokens of a model
	convTokens    int // of the denoiser's layers
	width         int
	heads, head   int // of the recurrent model, and the width of one
	state, values int // values: learned ones, of the optimizer's operations
}

func (z opSizes) tokens() int { return z.models * z.length }
func (z opSizes) inner() int  { return z.heads * z.head }

// smallOps are a training step of preset paper for CNN(m), largeOps a window of one
// for a ResNet-18, whose values lie outside of a GPU's caches.
var (
	smallOps = opSizes{name: "", models: 8, length: 48, convTokens: 8 * 48, width: 256, heads: 8, head: 64, state: 32, values: 2 << 20}
	largeOps = opSizes{name: "/large", models: 4, length: 1024, convTokens: 256, width: 8192, heads: 256, head: 64, state: 128, values: 1 << 28}
)

// op is an operation ready to run. Its amount is the bytes it reads and writes,
// each value once, or, where arithmetic takes the time, its operations.
type op struct {
	shape       string
	bytes, flop float64
	work        func()
}

// moving is an operation over so many values read and written.
func moving(shape string, values int, work func()) op {
	return op{shape: shape, bytes: 4 * float64(values), work: work}
}

// opCases are the operations of compute.Device one by one; gemm has cases of
// its own. On a GPU there are the large sizes too, and what tensor cores do.
func opCases() []benchCase {
	var cases []benchCase
	add := func(z opSizes, bf16 bool, list []opCase) {
		for _, k := range list {
			name := withPrecision("ops/"+k.name+z.name, bf16)
			cases = append(cases, benchCase{name: name, gpu: z.name != "", run: func(b *bench) ([]benchRow, error) {
				d := b.on(bf16)
				if d == nil {
					return nil, nil
				}
				return b.operation(d, name, k.prepare(maker{d, z.divided(b.shrink)}))
			}})
		}
	}
	for _, z := range []opSizes{smallOps, largeOps} {
		add(z, false, slices.Concat(elementOps(), rowOps(), recurrentOps(), convOps(), optimizerOps()))
	}
	add(largeOps, true, convOps())
	return cases
}

// divided is z for a rehearsal: see bench.shrink.
func (z opSizes) divided(by int) opSizes {
	if by > 1 && z.name != "" {
		z.length, z.convTokens, z.width, z.heads, z.values = z.length/by, max(1, z.convTokens/by), z.width/by, z.heads/by, z.values/by/by
	}
	return z
}

// opCase names an operation and prepares it.
type opCase struct {
	name    string
	prepare func(m maker) op
}

// maker makes the arguments of an operation.
type maker struct {
	d compute.Device
	opSizes
}

func (m maker) normal(n int) compute.Buffer { return normals(m.d, 0, n) }

func (m maker) matrix(rows, cols int) compute.Matrix {
	return compute.MatrixOf(m.normal(rows*cols), rows, cols)
}

// constant is a buffer of n times v.
func (m maker) constant(n int, v float32) compute.Buffer {
	x, block := m.d.Alloc(n), slices.Repeat([]float32{v}, min(n, 1<<20))
	for at := 0; at < n; at += len(block) {
		end := min(n, at+len(block))
		m.d.Upload(x.Slice(at, end), block[:end-at])
	}
	return x
}

// indices are n integers, each of 0..below-1 in turn, far apart.
func (m maker) indices(n, below int) compute.Ints {
	list := make([]int32, n)
	for i := range list {
		list[i] = int32(i * 7919 % below)
	}
	x := m.d.AllocInts(n)
	m.d.UploadInts(x, list)
	return x
}

// operation measures one operation: in GFLOP/s against the multiply-adds, or in
// GB/s against a copy of as many bytes, which lie in the same caches.
func (b *bench) operation(d compute.Device, name string, o op) ([]benchRow, error) {
	seconds, err := b.median(d, o.work)
	if err != nil {
		return nil, err
	}
	if o.flop > 0 {
		return []benchRow{b.flops(d, name, o.shape, o.flop, seconds)}, nil
	}
	copying, err := b.copyRate(int(o.bytes))
	if err != nil {
		return nil, err
	}
	rate := o.bytes / seconds
	share := rate / copying
	return []benchRow{{Name: name, Shape: o.shape, Value: rate / 1e9, Unit: "GB/s", OfPeak: &share}}, nil
}

// copyRate is the bytes a second, read and written together, of a copy that
// moves so many.
func (b *bench) copyRate(bytes int) (float64, error) {
	if rate, ok := b.copying[bytes]; ok {
		return rate, nil
	}
	n := max(1, bytes/8)
	x, y := b.device.Alloc(n), normals(b.device, 0, n)
	least := b.least
	b.least = min(least, 200*time.Millisecond)
	seconds, err := b.median(b.device, func() { b.device.Copy(x, y) })
	b.least = least
	b.copying[bytes] = 8 * float64(n) / seconds
	return b.copying[bytes], err
}

// elementOps treat every value alike.
func elementOps() []opCase {
	each := func(name string, moved int, work func(d compute.Device, x, y, z compute.Buffer)) opCase {
		return opCase{name, func(m maker) op {
			n := m.tokens() * 4 * m.width
			x, y, z := m.normal(n), m.normal(n), m.normal(n)
			return moving(fmt.Sprintf("%d values", n), moved*n, func() { work(m.d, x, y, z) })
		}}
	}
	return []opCase{
		each("zero", 1, func(d compute.Device, x, _, _ compute.Buffer) { d.Zero(x) }),
		each("copy", 2, func(d compute.Device, x, y, _ compute.Buffer) { d.Copy(x, y) }),
		each("add", 3, func(d compute.Device, x, y, _ compute.Buffer) { d.Add(x, y) }),
		each("combine", 4, func(d compute.Device, x, y, z compute.Buffer) { d.Combine(x, 0.5, x, 0.5, y, 0.1, z) }),
		each("silu", 2, func(d compute.Device, x, y, _ compute.Buffer) { d.SiLU(x, y) }),
		each("silu-backward", 3, func(d compute.Device, x, y, z compute.Buffer) { d.SiLUBackward(x, y, z) }),
		each("normal", 1, func(d compute.Device, x, _, _ compute.Buffer) { d.Normal(x, 1, 2) }),
	}
}

// rowOps treat rows of tokens.
func rowOps() []opCase {
	type work = func(m maker, rows, cols int) (values int, run func())
	each := func(name string, w work) opCase {
		return opCase{name, func(m maker) op {
			rows, cols := m.tokens(), m.width
			values, run := w(m, rows, cols)
			return moving(fmt.Sprintf("%d x %d", rows, cols), values, run)
		}}
	}
	return []opCase{
		each("column-sums", func(m maker, rows, cols int) (int, func()) {
			x, sums := m.matrix(rows, cols), m.normal(cols)
			return rows * cols, func() { m.d.ColumnSums(sums, x) }
		}),
		each("gather", func(m maker, rows, cols int) (int, func()) {
			x, y, at := m.matrix(rows, cols), m.matrix(rows, cols), m.indices(rows, rows)
			return 2 * rows * cols, func() { m.d.Gather(x, y, at, 0) }
		}),
		each("scatter-add", func(m maker, rows, cols int) (int, func()) {
			x, y, at := m.matrix(rows, cols), m.matrix(rows, cols), m.indices(rows, rows)
			return 3 * rows * cols, func() { m.d.ScatterAdd(x, y, at) }
		}),
		each("layer-norm", func(m maker, rows, cols int) (int, func()) {
			x, y, scale, shift := m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols)
			return 4 * rows * cols, func() { m.d.LayerNorm(y, x, shift, scale, 1e-5) }
		}),
		each("layer-norm-backward", func(m maker, rows, cols int) (int, func()) {
			dx, dy, x, scale, dscale, dshift := m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols),
				m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols)
			return 7 * rows * cols, func() { m.d.LayerNormBackward(dx, dshift, dscale, dy, x, scale, 1e-5) }
		}),
		each("gate-add", func(m maker, rows, cols int) (int, func()) {
			y, h, u, r := m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols)
			return 4 * rows * cols, func() { m.d.GateAdd(y, h, u, r) }
		}),
		each("gate-add-backward", func(m maker, rows, cols int) (int, func()) {
			du, dr, dy, u, r := m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols)
			return 5 * rows * cols, func() { m.d.GateAddBackward(du, dr, dy, u, r) }
		}),
		each("time-features", func(m maker, rows, cols int) (int, func()) {
			y, t := m.matrix(rows, cols), m.constant(rows, 500)
			return rows * cols, func() { m.d.TimeFeatures(y, t) }
		}),
		each("diffuse", func(m maker, rows, cols int) (int, func()) {
			xt, target, x0, eps := m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols)
			a, b := m.constant(rows, 0.8), m.constant(rows, 0.6)
			return 4 * rows * cols, func() { m.d.Diffuse(xt, target, x0, eps, a, b, compute.PredictV) }
		}),
		each("masked-mse", func(m maker, rows, cols int) (int, func()) {
			loss, dpred, pred, target := m.normal(1), m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols)
			valid := m.indices(rows, cols+1)
			return 3 * rows * cols, func() { m.d.MaskedMSE(loss, dpred, pred, target, valid) }
		}),
	}
}

// optimizerOps pass over all learned values.
func optimizerOps() []opCase {
	shape := func(n int) string { return fmt.Sprintf("%d values", n) }
	return []opCase{
		{"squared-sum", func(m maker) op {
			n := m.values
			sum, x := m.normal(1), m.normal(n)
			return moving(shape(n), n, func() { m.d.SquaredSum(sum, x) })
		}},
		{"adamw", func(m maker) op {
			n := m.values
			a := compute.AdamW{P: m.normal(n), G: m.normal(n), M: m.constant(n, 0), V: m.constant(n, 1), Norm: m.constant(1, 1),
				MaxNorm: 1, LR: 1e-4, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Step: 1000}
			return moving(shape(n), 7*n, func() { m.d.AdamW(a) })
		}},
		{"adamw8", func(m maker) op {
			n := m.values
			codes := func() compute.Ints { return m.indices(n/4, 1<<31) }
			scales := func() compute.Buffer { return m.constant(n/compute.StateBlock, 1) }
			a := compute.AdamW8{MCodes: codes(), VCodes: codes(), MScale: scales(), VScale: scales(),
				AdamW: compute.AdamW{P: m.normal(n), G: m.normal(n), Norm: m.constant(1, 1),
					MaxNorm: 1, LR: 1e-4, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Step: 1000}}
			return moving(shape(n), 4*n+4*n/compute.StateBlock, func() { m.d.AdamW8(a) })
		}},
		{"ema", func(m maker) op {
			n := m.values
			ema, p := m.normal(n), m.normal(n)
			return moving(shape(n), 3*n, func() { m.d.EMA(ema, p, 0.999) })
		}},
	}
}
