package cpu

import (
	"math"

	"rpg/generator/compute"
)

// GatedRMSNorm keeps g in the row of y until the row's mean square is known.
func (d *device) GatedRMSNorm(y, x, z compute.Matrix, w compute.Buffer, eps float32) {
	cols := x.Cols
	in, ldx := inputOf(x, x.Rows, cols)
	gate, ldz := inputOf(z, x.Rows, cols)
	out, ldy := matOf(y, x.Rows, cols)
	weight := sized(w, cols)
	loops := d.loops()
	d.rows(x.Rows, cols, func(lo, hi int) {
		for row := lo; row < hi; row++ {
			g := out[row*ldy : row*ldy+cols]
			inv := inverseRoot(loops.gate(g, in[row*ldx:], gate[row*ldz:]), cols, eps)
			loops.weigh(g, g, weight, inv)
		}
	})
}

// inverseRoot is 1/sqrt(squares/n + eps).
func inverseRoot(squares float64, n int, eps float32) float32 {
	return float32(1 / math.Sqrt(squares/float64(n)+float64(eps)))
}

func (d *device) GatedRMSNormBackward(dx, dz compute.Matrix, dw compute.Buffer, dy, x, z compute.Matrix, w compute.Buffer, eps float32) {
	rows, cols := x.Rows, x.Cols
	a := gatedBackward{loops: d.loops(), weight: sized(w, cols), eps: eps}
	a.x, a.ldx = inputOf(x, rows, cols)
	a.z, a.ldz = inputOf(z, rows, cols)
	a.dy, a.lddy = inputOf(dy, rows, cols)
	a.dx, a.lddx = matOf(dx, rows, cols)
	a.dz, a.lddz = matOf(dz, rows, cols)
	sums := sized(dw, cols)
	// dw is summed in groups of rows and then group by group.
	group := max(1, span/max(1, cols))
	groups := (rows + group - 1) / group
	parts := d.common(groups * cols)
	d.parallel(groups, func(worker, i int) {
		part := parts[i*cols : (i+1)*cols]
		clear(part)
		g := d.scratch(worker, cols)
		for row := i * group; row < min(rows, (i+1)*group); row++ {
			a.row(part, g, row)
		}
	})
	for i := range groups {
		for j, v := range parts[i*cols : (i+1)*cols] {
			sums[j] += v
		}
	}
}

type gatedBackward struct {
	loops
	x, z, dy, dx, dz           []float32
	ldx, ldz, lddy, lddx, lddz int
	weight                     []float32
	eps                        float32
}

// row handles one row, with g as working memory. With r = 1/sqrt(mean(g²)+eps):
//
//	dg = r·dy·w - g·r³·mean(dy·w·g)
func (a *gatedBackward) row(dw, g []float32, row int) {
	n := len(g)
	x, z, dy := a.x[row*a.ldx:][:n], a.z[row*a.ldz:][:n], a.dy[row*a.lddy:][:n]
	dx, dz, w := a.dx[row*a.lddx:][:n], a.dz[row*a.lddz:][:n], a.weight[:n]
	inv := inverseRoot(a.gate(g, x, z), n, a.eps)
	dot := a.weighBack(dw[:n], dy, w, g, inv)
	mean := float32(dot / float64(n) * float64(inv) * float64(inv) * float64(inv))
	a.gateBack(dx, dz, dy, w, g, x, z, inv, mean)
}
