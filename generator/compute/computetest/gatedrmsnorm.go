package computetest

import (
	"math"

	"rpg/generator/compute"
)

func gatedRMSNorm() Operation {
	var cases []Case
	for _, c := range gatedRMSNormCases {
		cases = append(cases, Case{c.name, func(e *Env) {
			a, x, z, w := c.inputs(e)
			e.Device.GatedRMSNorm(e.OutputMatrix("y", c.rows, c.cols, c.cols+c.gap), x, z, w, c.eps)
			e.Check("y", a.forward(), 2e-6)
		}})
	}
	return Operation{"GatedRMSNorm", cases}
}

func gatedRMSNormBackward() Operation {
	var cases []Case
	for _, c := range gatedRMSNormCases {
		cases = append(cases, Case{c.name, func(e *Env) {
			a, x, z, w := c.inputs(e)
			dy, dw := e.Random(c.rows*c.cols), e.Random(c.cols)
			dx64, dz64, dw64 := a.backward(wide(dy))
			if len(dy) < 2000 {
				loss := func() float64 { return dot(a.forward(), wide(dy)) }
				e.CheckGradient("x", loss, a.x, dx64)
				e.CheckGradient("z", loss, a.z, dz64)
				e.CheckGradient("w", loss, a.w, dw64)
			}
			e.Device.GatedRMSNormBackward(
				e.OutputMatrix("dx", c.rows, c.cols, c.cols+2*c.gap), e.OutputMatrix("dz", c.rows, c.cols, c.cols+c.gap),
				e.Buffer("dw", dw), e.Matrix("dy", dy, c.rows, c.cols, c.cols+3*c.gap), x, z, w, c.eps)
			e.Check("dx", dx64, 5e-6)
			e.Check("dz", dz64, 5e-6)
			e.Check("dw", plus(dw, dw64), 1e-5)
		}})
	}
	return Operation{"GatedRMSNormBackward", cases}
}

// gatedRMSNormCase holds sizes; x and z are multiplied by scale. A single column
// needs a large eps: without one it is always normalized to 1 or -1, and the
// gradients of x and z are 0.
type gatedRMSNormCase struct {
	name            string
	rows, cols, gap int
	scale, eps      float32
}

var gatedRMSNormCases = []gatedRMSNormCase{
	{"one value", 1, 1, 0, 1, 0.1},
	{"one row", 1, 64, 0, 1, 1e-5},
	{"one column", 9, 1, 2, 1, 0.1},
	{"odd sizes", 13, 37, 5, 2, 1e-5},
	{"small values", 5, 33, 1, 1e-2, 1e-3},
	{"columns of a wider matrix", 300, 130, 90, 1, 1e-5},
	{"long rows", 3, 2100, 1, 1, 1e-5},
	{"many rows", 1030, 3, 0, 1, 1e-5},
}

func (c gatedRMSNormCase) inputs(e *Env) (a *gatedRMSNormInputs, x, z compute.Matrix, w compute.Buffer) {
	xs, zs, ws := e.Random(c.rows*c.cols), e.Random(c.rows*c.cols), e.Random(c.cols)
	for i := range xs {
		xs[i] *= c.scale
		zs[i] *= c.scale
	}
	a = &gatedRMSNormInputs{rows: c.rows, cols: c.cols, x: wide(xs), z: wide(zs), w: wide(ws), eps: float64(c.eps)}
	x = e.Matrix("x", xs, c.rows, c.cols, c.cols+c.gap)
	z = e.Matrix("z", zs, c.rows, c.cols, c.cols+2*c.gap)
	return a, x, z, e.Buffer("w", ws)
}

// gatedRMSNormInputs holds the inputs of Device.GatedRMSNorm in float64, dense: x and z
// [rows, cols], w [cols].
type gatedRMSNormInputs struct {
	rows, cols int
	x, z, w    []float64
	eps        float64
}

// gate returns g = x·SiLU(z) of one row and 1/sqrt(mean(g²)+eps).
func (a *gatedRMSNormInputs) gate(row int) (g []float64, inv float64) {
	g = make([]float64, a.cols)
	var sum float64
	for j := range g {
		z := a.z[row*a.cols+j]
		g[j] = a.x[row*a.cols+j] * refSiLU(z)
		sum += g[j] * g[j]
	}
	return g, 1 / math.Sqrt(sum/float64(a.cols)+a.eps)
}

func (a *gatedRMSNormInputs) forward() (y []float64) {
	for row := range a.rows {
		g, inv := a.gate(row)
		for j, v := range g {
			y = append(y, v*inv*a.w[j])
		}
	}
	return y
}

func (a *gatedRMSNormInputs) backward(dy []float64) (dx, dz, dw []float64) {
	dx, dz, dw = make([]float64, len(a.x)), make([]float64, len(a.x)), make([]float64, len(a.w))
	for row := range a.rows {
		g, inv := a.gate(row)
		var dot float64 // Σ dy·w·g
		for j := range g {
			dw[j] += dy[row*a.cols+j] * g[j] * inv
			dot += dy[row*a.cols+j] * a.w[j] * g[j]
		}
		for j := range g {
			i := row*a.cols + j
			dg := inv*dy[i]*a.w[j] - g[j]*inv*inv*inv*dot/float64(a.cols)
			dx[i] = dg * refSiLU(a.z[i])
			dz[i] = dg * a.x[i] * refSiLUSlope(a.z[i])
		}
	}
	return dx, dz, dw
}
