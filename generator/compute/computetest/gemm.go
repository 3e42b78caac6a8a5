package computetest

import (
	"fmt"
	"math"

	"rpg/generator/compute"
)

// gemm has every combination of transposed operands, beta and bias at sizes
// around those of tiles and vectors, and single cases of strides and size.
func gemm() Operation {
	op := Operation{Name: "Gemm"}
	for _, s := range []struct{ m, n, k int }{
		{1, 1, 1}, {1, 37, 5}, {8, 96, 64}, {13, 31, 33}, {65, 17, 129}, {97, 131, 67},
	} {
		for mode := range 16 {
			g := gemmCase{m: s.m, n: s.n, k: s.k, transA: mode&1 != 0, transB: mode&2 != 0, bias: mode&4 != 0}
			if mode&8 != 0 {
				g.beta = 1
			}
			op.Cases = append(op.Cases, Case{g.name(), g.run})
		}
	}
	for _, g := range []gemmCase{
		{m: 37, n: 41, k: 300, gap: 7, bias: true},
		{m: 37, n: 41, k: 300, gap: 7, transA: true, transB: true, beta: 1},
		{m: 200, n: 192, k: 520, transB: true, bias: true},
		{m: 70, n: 50, k: 2500, transA: true, beta: 1},
		{m: 9, n: 11, k: 0, bias: true},
		{m: 9, n: 11, k: 0},
		{m: 9, n: 11, k: 0, beta: 1},
	} {
		op.Cases = append(op.Cases, Case{g.name(), g.run})
	}
	return op
}

type gemmCase struct {
	m, n, k        int
	gap            int // values between rows
	transA, transB bool
	beta           float32
	bias           bool
}

func (g gemmCase) name() string {
	name := fmt.Sprintf("%dx%dx%d", g.m, g.n, g.k)
	for _, part := range []struct {
		on   bool
		text string
	}{{g.transA, "transA"}, {g.transB, "transB"}, {g.beta != 0, "beta"}, {g.bias, "bias"}, {g.gap > 0, "strided"}} {
		if part.on {
			name += " " + part.text
		}
	}
	return name
}

func (g gemmCase) run(e *Env) {
	rowsA, colsA, rowsB, colsB := g.m, g.k, g.k, g.n
	if g.transA {
		rowsA, colsA = g.k, g.m
	}
	if g.transB {
		rowsB, colsB = g.n, g.k
	}
	a, b, c, bias := e.Random(g.m*g.k), e.Random(g.k*g.n), e.Random(g.m*g.n), e.Random(g.n)
	want := make([]float64, g.m*g.n)
	for i := range g.m {
		for j := range g.n {
			var s float64
			for p := range g.k {
				x, y := i*g.k+p, p*g.n+j
				if g.transA {
					x = p*g.m + i
				}
				if g.transB {
					y = j*g.k + p
				}
				s += float64(a[x]) * float64(b[y])
			}
			if g.beta != 0 {
				s += float64(c[i*g.n+j])
			}
			if g.bias {
				s += float64(bias[j])
			}
			want[i*g.n+j] = s
		}
	}
	out := e.OutputMatrix("C", g.m, g.n, g.n+g.gap)
	if g.beta != 0 {
		out = e.Matrix("C with old values", c, g.m, g.n, g.n+g.gap)
	}
	var biasBuffer compute.Buffer
	if g.bias {
		biasBuffer = e.Buffer("bias", bias)
	}
	e.Device.Gemm(out,
		e.matrix("A", a, rowsA, colsA, g.gap), e.matrix("B", b, rowsB, colsB, 2*g.gap),
		g.transA, g.transB, g.beta, biasBuffer)
	name := "C"
	if g.beta != 0 {
		name = "C with old values"
	}
	// The rounding errors of k products add up like a random walk.
	e.Check(name, want, 2e-7*math.Sqrt(float64(g.k)+4))
}

// matrix is Matrix for rows that are gap values apart, of which there may be none.
func (e *Env) matrix(name string, values []float32, rows, cols, gap int) compute.Matrix {
	if rows*cols == 0 {
		return compute.Matrix{Data: e.Buffer(name, nil), Rows: rows, Cols: cols, Stride: cols}
	}
	return e.Matrix(name, values, rows, cols, cols+gap)
}
