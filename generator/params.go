package generator

import (
	"math"

	"rpg/generator/compute"
)

// A param is one tensor of the network inside the flat buffers of params.
type param struct {
	name  string
	shape []int
	n     int
	kind  paramKind
	right bool                    // only ever the right factor of Gemm: of factor
	at    int                     // place in the flat buffers
	fill  func(u float64) float64 // initial value from a uniform number
	value compute.Buffer
	grad  compute.Buffer // nil for running statistics and for sampling
	kept  compute.Buffer // value rounded, nil without: see params.keepRounded
	parts []*param       // runs of its values, with their places in it
}

// factor is what products take for the value.
func (p *param) factor() compute.Buffer {
	if p.kept != nil {
		return p.kept
	}
	return p.value
}

type paramKind int

const (
	matrixParam  paramKind = iota // weight decay applies
	vectorParam                   // no weight decay: biases, scales, states
	runningParam                  // not trained: BatchNorm running statistics
)

// params holds every parameter of a network in one flat buffer, matrices
// first, then vectors, then running statistics: one operation each suffices
// for clearing gradients, for their norm, for AdamW and for the average.
type params struct {
	list     []*param
	value    compute.Buffer
	grad     compute.Buffer
	matrices int // values that decay
	trained  int // values with a gradient
	total    int
}

// uniform declares a matrix or vector drawn from ±bound.
func (ps *params) uniform(kind paramKind, name string, bound float64, shape ...int) *param {
	return ps.declare(kind, name, func(u float64) float64 { return (2*u - 1) * bound }, shape...)
}

// constant declares a tensor that starts at v everywhere.
func (ps *params) constant(kind paramKind, name string, v float64, shape ...int) *param {
	return ps.declare(kind, name, func(float64) float64 { return v }, shape...)
}

func (ps *params) declare(kind paramKind, name string, fill func(u float64) float64, shape ...int) *param {
	n := 1
	for _, d := range shape {
		n *= d
	}
	p := &param{name: name, shape: shape, n: n, kind: kind, fill: fill}
	ps.list = append(ps.list, p)
	return p
}

// alloc places all declared tensors on the device. Gradients are allocated for
// training only. Values are zero until setInitial or a checkpoint fills them.
func (ps *params) alloc(dev compute.Device, train bool) {
	if !train && dev.Info().BF16 {
		ps.allocRounded(dev)
		return
	}
	var sizes [3]int
	for _, p := range ps.list {
		sizes[p.kind] += p.n
	}
	ps.matrices = sizes[matrixParam]
	ps.trained = ps.matrices + sizes[vectorParam]
	ps.total = ps.trained + sizes[runningParam]
	ps.value = dev.Alloc(ps.total)
	if train {
		ps.grad = dev.Alloc(ps.trained)
	}
	next := [3]int{0, ps.matrices, ps.trained}
	for _, p := range ps.list {
		p.at = next[p.kind]
		next[p.kind] += p.n
		p.value = ps.value.Slice(p.at, p.at+p.n)
		if train && p.kind != runningParam {
			p.grad = ps.grad.Slice(p.at, p.at+p.n)
		}
	}
}

// allocRounded is alloc for sampling on a device that computes in bf16: right factors,
// which every product would round, are kept rounded, before all others.
func (ps *params) allocRounded(dev compute.Device) {
	const line = 128 // values; each begins where a buffer may
	rounded := 0
	for _, p := range ps.list {
		if p.right {
			p.at = rounded
			rounded += (p.n + line - 1) / line * line
		}
	}
	ps.total = rounded
	for _, p := range ps.list {
		if !p.right {
			p.at = ps.total
			ps.total += p.n
		}
	}
	ps.value = twoBuffers{dev.AllocRounded(rounded), dev.Alloc(ps.total - rounded)}
	for _, p := range ps.list {
		p.value = ps.value.Slice(p.at, p.at+p.n)
	}
}

// keepRounded takes memory for the right factors rounded, as a training on a device
// that computes in bf16 would have them for every product. round fills it.
func (ps *params) keepRounded(dev compute.Device) {
	for _, p := range ps.list {
		if !p.right {
			continue
		}
		p.kept = dev.AllocRounded(p.n)
		for _, part := range p.parts {
			part.kept = p.kept.Slice(part.at, part.at+part.n)
		}
	}
}

// roundedBytes is what keepRounded takes.
func (ps *params) roundedBytes() (bytes int64) {
	for _, p := range ps.list {
		if p.right {
			bytes += 2 * int64(p.n)
		}
	}
	return bytes
}

// round is for each step, whose weights are others.
func (ps *params) round(dev compute.Device) {
	for _, p := range ps.list {
		if p.kept != nil {
			dev.Copy(p.kept, p.value)
		}
	}
}

// twoBuffers are two buffers, one after the other. No operation takes them
// together, but a slice of one of them.
type twoBuffers [2]compute.Buffer

func (b twoBuffers) Len() int { return b[0].Len() + b[1].Len() }

func (b twoBuffers) Slice(lo, hi int) compute.Buffer {
	if n := b[0].Len(); lo >= n {
		return b[1].Slice(lo-n, hi-n)
	}
	return b[0].Slice(lo, hi)
}

// initial returns the flat starting values, a function of the seed alone.
func (ps *params) initial(seed uint64) []float32 {
	out := make([]float32, ps.total)
	for i, p := range ps.list {
		p.initial(out[p.at:p.at+p.n], seed, i)
	}
	return out
}

// initial fills dst with the starting values of tensor i.
func (p *param) initial(dst []float32, seed uint64, i int) {
	for j := range dst {
		dst[j] = float32(p.fill(compute.Uniform(seed, stream(purposeInit, uint64(i)), uint64(j))))
	}
}

// within lists the tensors, in the order of declaration, that lie in the values
// lo..hi-1 of a flat buffer.
func (ps *params) within(lo, hi int) []*param {
	var list []*param
	for _, p := range ps.list {
		if p.at >= lo && p.at+p.n <= hi {
			list = append(list, p)
		}
	}
	return list
}

// largest is the size of the largest tensor.
func (ps *params) largest() int {
	n := 0
	for _, p := range ps.list {
		n = max(n, p.n)
	}
	return n
}

// A purpose keeps the random streams of one seed apart.
type purpose uint64

const (
	purposeInit purpose = iota + 1
	purposeModels
	purposeRows
	purposeTimes
	purposeNoise
	purposeState
	purposeStart
	purposeStep
	purposeCode
)

// stream numbers a random stream: a purpose and what it is for (a step, a
// tensor, a token).
func stream(p purpose, k uint64) uint64 { return uint64(p)<<56 | k }

// fanIn is the usual bound of a dense layer with n inputs.
func fanIn(n int) float64 { return 1 / math.Sqrt(float64(n)) }
