package main

import (
	"fmt"
	"slices"
	"time"

	"rpg/generator/compute"
)

// The sizes of the operations are those of a CNN(m) training step of preset
// paper: 8 models of 48 tokens of 256 values, recurrent width 256, state 32.
const (
	opModels = 8
	opLength = 48
	opTokens = opModels * opLength
	opWidth  = 256
	opHeads  = 8
	opHead   = 64
	opInner  = opHeads * opHead
	opState  = 32
	opValues = 2 << 20 // learned values, of the optimizer's operations
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
// its own.
func opCases() []benchCase {
	var cases []benchCase
	for _, k := range slices.Concat(elementOps(), rowOps(), recurrentOps(), convOps(), optimizerOps()) {
		name := "ops/" + k.name
		cases = append(cases, benchCase{name, func(b *bench) ([]benchRow, error) {
			return b.operation(name, k.prepare(maker{b.device}))
		}})
	}
	return cases
}

// opCase names an operation and prepares it.
type opCase struct {
	name    string
	prepare func(m maker) op
}

// maker makes the arguments of an operation.
type maker struct{ d compute.Device }

func (m maker) values(n int) compute.Buffer { return normals(m.d, 0, n) }

func (m maker) matrix(rows, cols int) compute.Matrix {
	return compute.MatrixOf(m.values(rows*cols), rows, cols)
}

// constant is a buffer of n times v.
func (m maker) constant(n int, v float32) compute.Buffer {
	x := m.d.Alloc(n)
	m.d.Upload(x, slices.Repeat([]float32{v}, n))
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
func (b *bench) operation(name string, o op) ([]benchRow, error) {
	seconds, err := b.median(b.device, o.work)
	if err != nil {
		return nil, err
	}
	if o.flop > 0 {
		return []benchRow{b.flops(b.device, name, o.shape, o.flop, seconds)}, nil
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
	const n = opTokens * 4 * opWidth
	shape := fmt.Sprintf("%d values", n)
	each := func(name string, moved int, work func(d compute.Device, x, y, z compute.Buffer)) opCase {
		return opCase{name, func(m maker) op {
			x, y, z := m.values(n), m.values(n), m.values(n)
			return moving(shape, moved*n, func() { work(m.d, x, y, z) })
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
	const rows, cols = opTokens, opWidth
	const n = rows * cols
	shape := fmt.Sprintf("%d x %d", rows, cols)
	return []opCase{
		{"column-sums", func(m maker) op {
			x, sums := m.matrix(rows, cols), m.values(cols)
			return moving(shape, n, func() { m.d.ColumnSums(sums, x) })
		}},
		{"gather", func(m maker) op {
			x, y, at := m.matrix(rows, cols), m.matrix(rows, cols), m.indices(rows, rows)
			return moving(shape, 2*n, func() { m.d.Gather(x, y, at, 0) })
		}},
		{"scatter-add", func(m maker) op {
			x, y, at := m.matrix(rows, cols), m.matrix(rows, cols), m.indices(rows, rows)
			return moving(shape, 3*n, func() { m.d.ScatterAdd(x, y, at) })
		}},
		{"layer-norm", func(m maker) op {
			x, y, scale, shift := m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols)
			return moving(shape, 4*n, func() { m.d.LayerNorm(y, x, shift, scale, 1e-5) })
		}},
		{"layer-norm-backward", func(m maker) op {
			dx, dy, x, scale, dscale, dshift := m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols),
				m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols)
			return moving(shape, 7*n, func() { m.d.LayerNormBackward(dx, dshift, dscale, dy, x, scale, 1e-5) })
		}},
		{"gate-add", func(m maker) op {
			y, h, u, r := m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols)
			return moving(shape, 4*n, func() { m.d.GateAdd(y, h, u, r) })
		}},
		{"gate-add-backward", func(m maker) op {
			du, dr, dy, u, r := m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols)
			return moving(shape, 5*n, func() { m.d.GateAddBackward(du, dr, dy, u, r) })
		}},
		{"time-features", func(m maker) op {
			y, t := m.matrix(rows, cols), m.constant(rows, 500)
			return moving(shape, n, func() { m.d.TimeFeatures(y, t) })
		}},
		{"diffuse", func(m maker) op {
			xt, target, x0, eps := m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols)
			a, b := m.constant(rows, 0.8), m.constant(rows, 0.6)
			return moving(shape, 4*n, func() { m.d.Diffuse(xt, target, x0, eps, a, b, compute.PredictV) })
		}},
		{"masked-mse", func(m maker) op {
			loss, dpred, pred, target := m.values(1), m.matrix(rows, cols), m.matrix(rows, cols), m.matrix(rows, cols)
			valid := m.indices(rows, cols+1)
			return moving(shape, 3*n, func() { m.d.MaskedMSE(loss, dpred, pred, target, valid) })
		}},
	}
}

// optimizerOps pass over all learned values.
func optimizerOps() []opCase {
	const n = opValues
	shape := fmt.Sprintf("%d values", n)
	return []opCase{
		{"squared-sum", func(m maker) op {
			sum, x := m.values(1), m.values(n)
			return moving(shape, n, func() { m.d.SquaredSum(sum, x) })
		}},
		{"adamw", func(m maker) op {
			a := compute.AdamW{P: m.values(n), G: m.values(n), M: m.constant(n, 0), V: m.constant(n, 1), Norm: m.constant(1, 1),
				MaxNorm: 1, LR: 1e-4, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Step: 1000}
			return moving(shape, 7*n, func() { m.d.AdamW(a) })
		}},
		{"adamw8", func(m maker) op {
			codes := func() compute.Ints { return m.indices(n/4, 1<<31) }
			scales := func() compute.Buffer { return m.constant(n/compute.StateBlock, 1) }
			a := compute.AdamW8{MCodes: codes(), VCodes: codes(), MScale: scales(), VScale: scales(),
				AdamW: compute.AdamW{P: m.values(n), G: m.values(n), Norm: m.constant(1, 1),
					MaxNorm: 1, LR: 1e-4, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Step: 1000}}
			return moving(shape, 4*n+4*n/compute.StateBlock, func() { m.d.AdamW8(a) })
		}},
		{"ema", func(m maker) op {
			ema, p := m.values(n), m.values(n)
			return moving(shape, 3*n, func() { m.d.EMA(ema, p, 0.999) })
		}},
	}
}
