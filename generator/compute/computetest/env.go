package computetest

import (
	"math"
	"testing"

	"rpg/generator/compute"
)

// Env is what a case works with: buffers between guards, random numbers that
// depend on the case alone, and checks. A value that was never checked must in
// the end be what it was in the beginning, and so must the guards and the gaps
// between the rows of a matrix: operations write their outputs and nothing else.
type Env struct {
	T      *testing.T
	Device compute.Device

	seed      uint64
	stream    uint64 // of the next random numbers
	guard     int
	gradients bool // whether CheckGradient does its work
	blocks    []*block
	bits      []uint32 // of all values checked so far
}

// block is one allocation: guard, contents, guard.
type block struct {
	name   string
	buffer compute.Buffer // with guards
	view   compute.Buffer // without
	start  []float32      // what was uploaded, with guards
	done   []bool         // checked values
	cols   int            // of a matrix; else 0
	stride int
}

// untouched fills guards, gaps and outputs: a NaN, so that reading it spoils
// the result, with bits that no computation makes.
var untouched = math.Float32frombits(0x7fc5a5a5)

// Random returns n standard normal numbers.
func (e *Env) Random(n int) []float32 {
	out := make([]float32, 0, n+3)
	for b := uint64(0); len(out) < n; b++ {
		v := compute.Normals(e.seed, e.stream, b)
		out = append(out, v[:]...)
	}
	e.stream++
	return out[:n:n]
}

// Uniform returns n numbers spread evenly over [lo, hi).
func (e *Env) Uniform(n int, lo, hi float64) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(lo + (hi-lo)*compute.Uniform(e.seed, e.stream, uint64(i)))
	}
	e.stream++
	return out
}

// Integers returns n integers spread evenly over 0..limit-1.
func (e *Env) Integers(n, limit int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(compute.Intn(e.seed, e.stream, uint64(i), limit))
	}
	e.stream++
	return out
}

// Buffer returns a buffer that holds values. The name is for messages.
func (e *Env) Buffer(name string, values []float32) compute.Buffer {
	return e.block(name, e.Device.Alloc, values, 0, 0).view
}

// Output returns a buffer of n values that must be overwritten without having
// been read.
func (e *Env) Output(name string, n int) compute.Buffer {
	return e.Buffer(name, unset(n))
}

// Matrix returns a matrix of the given values, rows × cols without gaps, whose
// rows are stride apart; a stride of 0 takes the values of one row.
func (e *Env) Matrix(name string, values []float32, rows, cols, stride int) compute.Matrix {
	return e.matrixFrom(name, e.Device.Alloc, values, rows, cols, stride)
}

// Rounded is Matrix in a buffer of AllocRounded. values become what it holds, which
// must be within half a unit of the eighth binary digit of what they were.
func (e *Env) Rounded(name string, values []float32, rows, cols, stride int) compute.Matrix {
	e.T.Helper()
	m := e.matrixFrom(name, e.Device.AllocRounded, values, rows, cols, stride)
	for i, v := range e.values(m) {
		before := float64(values[i])
		if diff := math.Abs(float64(v) - before); !math.IsNaN(before) && !(diff <= math.Abs(before)/256) {
			e.T.Fatalf("%s: value %d is kept as %v, want %v", name, i, v, before)
		}
		values[i] = v
	}
	return m
}

func (e *Env) matrixFrom(name string, alloc func(n int) compute.Buffer, values []float32, rows, cols, stride int) compute.Matrix {
	spread := values
	if stride > 0 {
		spread = unset((rows-1)*stride + cols)
		for i := range rows {
			copy(spread[i*stride:i*stride+cols], values[i*cols:(i+1)*cols])
		}
	}
	b := e.block(name, alloc, spread, cols, stride)
	return compute.Matrix{Data: b.view, Rows: rows, Cols: cols, Stride: stride}
}

// OutputMatrix is Output for a matrix.
func (e *Env) OutputMatrix(name string, rows, cols, stride int) compute.Matrix {
	return e.Matrix(name, unset(rows*cols), rows, cols, stride)
}

// Ints returns a buffer that holds values.
func (e *Env) Ints(values []int32) compute.Ints {
	b := e.Device.AllocInts(len(values))
	e.Device.UploadInts(b, values)
	return b
}

func unset(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = untouched
	}
	return v
}

func (e *Env) block(name string, alloc func(n int) compute.Buffer, values []float32, cols, stride int) *block {
	n := len(values) + 2*e.guard
	b := &block{name: name, cols: cols, stride: stride, done: make([]bool, n)}
	b.start = unset(n)
	copy(b.start[e.guard:], values)
	b.buffer = alloc(n)
	b.view = b.buffer.Slice(e.guard, e.guard+len(values))
	e.Device.Upload(b.buffer, b.start)
	b.start = e.download(b)
	e.blocks = append(e.blocks, b)
	return b
}

// Restore puts back what the named buffer held in the beginning and forgets
// that it was checked, for a second call of an operation that accumulates.
func (e *Env) Restore(name string) {
	e.T.Helper()
	b := e.find(name)
	e.Device.Upload(b.buffer, b.start)
	clear(b.done)
}

func (e *Env) find(name string) *block {
	e.T.Helper()
	for _, b := range e.blocks {
		if b.name == name {
			return b
		}
	}
	e.T.Fatalf("the case has no buffer %q", name)
	return nil
}

// Check compares all values of the named buffer or matrix (without gaps) with
// want. With s the root mean square of want, value i may differ by
// tol·(|want_i| + s).
func (e *Env) Check(name string, want []float64, tol float64) {
	e.T.Helper()
	scale := rms(want)
	e.check(name, len(want), func(i int, got float32) (float64, bool) {
		diff := math.Abs(float64(got) - want[i])
		return want[i], diff <= tol*(math.Abs(want[i])+scale)
	})
}

// checkBeside is Check with the root mean square of beside for that of want, where
// that is the larger one: for a difference of values of that size.
func (e *Env) checkBeside(name string, want, beside []float64, tol float64) {
	e.T.Helper()
	scale := max(rms(want), rms(beside))
	e.check(name, len(want), func(i int, got float32) (float64, bool) {
		diff := math.Abs(float64(got) - want[i])
		return want[i], diff <= tol*(math.Abs(want[i])+scale)
	})
}

// values returns what a matrix holds now, without gaps.
func (e *Env) values(m compute.Matrix) []float32 {
	e.T.Helper()
	all := make([]float32, m.Data.Len())
	if err := e.Device.Download(all, m.Data); err != nil {
		e.T.Fatalf("download: %v", err)
	}
	var out []float32
	for i := range m.Rows {
		out = append(out, all[i*m.Stride:][:m.Cols]...)
	}
	return out
}

// CheckExact compares all values of the named buffer or matrix with want, bit
// by bit.
func (e *Env) CheckExact(name string, want []float32) {
	e.T.Helper()
	e.check(name, len(want), func(i int, got float32) (float64, bool) {
		return float64(want[i]), math.Float32bits(got) == math.Float32bits(want[i])
	})
}

func (e *Env) check(name string, n int, ok func(i int, got float32) (want float64, ok bool)) {
	e.T.Helper()
	b := e.find(name)
	all := e.download(b)
	i, bad := 0, 0
	for at := range len(all) - 2*e.guard {
		if b.stride > 0 && at%b.stride >= b.cols {
			continue // a gap between rows
		}
		if i >= n {
			e.T.Fatalf("%s: the reference has %d values only", name, n)
		}
		got := all[e.guard+at]
		if want, ok := ok(i, got); !ok {
			if bad++; bad <= 3 {
				e.T.Errorf("%s: value %d is %v, want %v", name, i, got, want)
			}
		}
		b.done[e.guard+at] = true
		e.bits = append(e.bits, math.Float32bits(got))
		i++
	}
	if i != n {
		e.T.Fatalf("%s: the reference has %d values, the buffer %d", name, n, i)
	}
	if bad > 3 {
		e.T.Errorf("%s: %d of %d values are wrong", name, bad, n)
	}
}

func (e *Env) download(b *block) []float32 {
	e.T.Helper()
	all := make([]float32, b.buffer.Len())
	if err := e.Device.Download(all, b.buffer); err != nil {
		e.T.Fatalf("%s: download: %v", b.name, err)
	}
	return all
}

// finish checks that nothing but the checked values has changed.
func (e *Env) finish() {
	e.T.Helper()
	if len(e.bits) == 0 {
		e.T.Error("the case checked nothing")
	}
	for _, b := range e.blocks {
		for at, got := range e.download(b) {
			if !b.done[at] && math.Float32bits(got) != math.Float32bits(b.start[at]) {
				e.T.Errorf("%s: value %d was written (%v, before %v) but is no output; the buffer is 0..%d",
					b.name, at-e.guard, got, b.start[at], len(b.start)-2*e.guard-1)
				break
			}
		}
	}
}

func rms(x []float64) float64 {
	var s float64
	for _, v := range x {
		s += v * v
	}
	return math.Sqrt(s / max(1, float64(len(x))))
}
