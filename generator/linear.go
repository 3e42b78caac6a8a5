package generator

import "rpg/generator/compute"

// newMatrix allocates.
func newMatrix(dev compute.Device, rows, cols int) compute.Matrix {
	return compute.MatrixOf(dev.Alloc(rows*cols), rows, cols)
}

// spare is a device that hands out the memory of buffers which are of no use to
// their owner while the new ones are, as long as there is some. What it hands
// out is not zeroed.
type spare struct {
	compute.Device
	free []compute.Buffer
}

func (s *spare) Alloc(n int) compute.Buffer {
	const line = 32 // values, so that buffers begin where those of a device do
	for i, b := range s.free {
		if b.Len() >= n {
			s.free[i] = b.Slice(min(b.Len(), (n+line-1)/line*line), b.Len())
			return b.Slice(0, n)
		}
	}
	return s.Device.Alloc(n)
}

// linear is y = x·Wᵀ + b with W [out, in] and b [out] (absent without bias).
type linear struct {
	in, out int
	w, b    *param
}

func newLinear(ps *params, name string, in, out int, bias bool) *linear {
	l := &linear{in: in, out: out, w: ps.uniform(matrixParam, name+".weight", fanIn(in), out, in)}
	l.w.right = true
	if bias {
		l.b = ps.uniform(vectorParam, name+".bias", fanIn(in), out)
	}
	return l
}

// newZeroLinear starts at 0: a layer whose effect is learned from nothing.
func newZeroLinear(ps *params, name string, in, out int) *linear {
	l := &linear{in: in, out: out,
		w: ps.constant(matrixParam, name+".weight", 0, out, in),
		b: ps.constant(vectorParam, name+".bias", 0, out)}
	l.w.right = true
	return l
}

// part is the layer with outputs lo..hi-1 only; the parameters are shared.
// They must have been allocated, and there must be no bias.
func (l *linear) part(lo, hi int) *linear {
	w := &param{at: lo * l.in, n: (hi - lo) * l.in, value: l.w.value.Slice(lo*l.in, hi*l.in)}
	if l.w.grad != nil {
		w.grad = l.w.grad.Slice(lo*l.in, hi*l.in)
	}
	l.w.parts = append(l.w.parts, w)
	return &linear{in: l.in, out: hi - lo, w: w}
}

// forward computes y [rows, out] from x [rows, in].
func (l *linear) forward(dev compute.Device, y, x compute.Matrix) { l.forwardAdd(dev, y, x, 0) }

// forwardAdd computes y = beta·y + x·Wᵀ + b.
func (l *linear) forwardAdd(dev compute.Device, y, x compute.Matrix, beta float32) {
	var bias compute.Buffer
	if l.b != nil {
		bias = l.b.value
	}
	dev.Gemm(y, x, compute.MatrixOf(l.w.factor(), l.out, l.in), false, true, beta, bias)
}

// backward adds to the gradients of W and b and computes dx = beta·dx + dy·W.
// An absent dx is not computed.
func (l *linear) backward(dev compute.Device, dx, dy, x compute.Matrix, beta float32) {
	dev.Gemm(compute.MatrixOf(l.w.grad, l.out, l.in), dy, x, true, false, 1, nil)
	if l.b != nil {
		dev.ColumnSums(l.b.grad, dy)
	}
	if dx.Data != nil {
		dev.Gemm(dx, dy, compute.MatrixOf(l.w.factor(), l.out, l.in), false, false, beta, nil)
	}
}

// multiplies is the number of multiply-adds of one row's forward pass.
func (l *linear) multiplies() int { return l.in * l.out }
