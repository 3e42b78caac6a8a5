package cpu

import "rpg/generator/compute"

// elements are the arguments of operations on arrays of equal length.
type elements struct {
	loops
	device        *device
	dst, x, y, z  []float32
	a, b, c       float32
	sums          []float64 // one for each span
	count, stride int       // rows of x and how far they are apart (ColumnSums)
}

// newElements returns the device's elements, for drop in the end.
func (d *device) newElements() *elements {
	e := keep[elements](d)
	e.loops, e.device = d.loops(), d
	return e
}

// lines are the arguments of operations that go row by row.
type lines struct {
	loops
	device         *device
	cols           int
	y, x, z, u, v  matrix
	dshift, dscale matrix
	a, b           []float32
	numbers        []int32
	eps, beta      float32
	factor         float32
	modulated      bool
	prediction     compute.Prediction
	sums           []float64 // one for each group of rows
	seed, stream   uint64
}

// newLines returns the device's lines, for drop in the end.
func (d *device) newLines(cols int) *lines {
	l := keep[lines](d)
	l.loops, l.device, l.cols = d.loops(), d, cols
	return l
}

// matrix is a checked compute.Matrix.
type matrix struct {
	data         []float32
	stride, cols int
}

// row returns row i.
func (m matrix) row(i int) []float32 { return m.data[i*m.stride:][:m.cols] }

// output and input check as matOf and inputOf do.
func output(m compute.Matrix, rows, cols int) matrix {
	data, stride := matOf(m, rows, cols)
	return matrix{data, stride, cols}
}

func input(m compute.Matrix, rows, cols int) matrix {
	data, stride := inputOf(m, rows, cols)
	return matrix{data, stride, cols}
}
