package computetest

import "math"

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
