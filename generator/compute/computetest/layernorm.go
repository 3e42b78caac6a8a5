package computetest

import (
	"math"

	"rpg/generator/compute"
)

const layerNormEps = 1e-5

// refLayerNorm returns y, and n in the formula, of x [rows, cols]; shift and
// scale may be nil.
func refLayerNorm(x, shift, scale []float64, cols int) (y, normal []float64) {
	y, normal = make([]float64, len(x)), make([]float64, len(x))
	for first := 0; first < len(x); first += cols {
		mean, inverse := refMoments(x[first : first+cols])
		for i := first; i < first+cols; i++ {
			normal[i] = (x[i] - mean) * inverse
			y[i] = normal[i]
			if scale != nil {
				y[i] = normal[i]*(1+scale[i]) + shift[i]
			}
		}
	}
	return y, normal
}

// refMoments returns the mean of a row and 1/sqrt(var+eps).
func refMoments(x []float64) (mean, inverse float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	var variance float64
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x))
	}
	return mean, 1 / math.Sqrt(variance+layerNormEps)
}

// refLayerNormBackward returns the gradients of dot(y, dy).
func refLayerNormBackward(dy, x, scale []float64, cols int) (dx, dshift, dscale []float64) {
	dx, dscale = make([]float64, len(x)), make([]float64, len(x))
	_, normal := refLayerNorm(x, make([]float64, len(x)), scale, cols)
	for first := 0; first < len(x); first += cols {
		_, inverse := refMoments(x[first : first+cols])
		g := make([]float64, cols) // gradient of the normalized row
		var meanG, meanGN float64
		for j := range g {
			i := first + j
			g[j] = dy[i]
			if scale != nil {
				g[j] *= 1 + scale[i]
			}
			dscale[i] = dy[i] * normal[i]
			meanG += g[j] / float64(cols)
			meanGN += g[j] * normal[i] / float64(cols)
		}
		for j := range g {
			dx[first+j] = inverse * (g[j] - meanG - normal[first+j]*meanGN)
		}
	}
	return dx, dy, dscale
}

func layerNorm() Operation {
	op := Operation{Name: "LayerNorm"}
	for _, s := range matrixSizes {
		op.Cases = append(op.Cases, Case{s.name, func(e *Env) {
			x := e.Uniform(s.rows*s.cols, 2, 4) // a mean that is not small
			y, _ := refLayerNorm(wide(x), nil, nil, s.cols)
			e.Device.LayerNorm(e.OutputMatrix("y", s.rows, s.cols, s.cols+s.gap),
				e.Matrix("x", x, s.rows, s.cols, s.cols+2*s.gap), compute.Matrix{}, compute.Matrix{}, layerNormEps)
			e.Check("y", y, 2e-6)
		}}, Case{s.name + " modulated", func(e *Env) {
			n := s.rows * s.cols
			x, shift, scale := e.Random(n), e.Random(n), e.Random(n)
			y, _ := refLayerNorm(wide(x), wide(shift), wide(scale), s.cols)
			e.Device.LayerNorm(e.OutputMatrix("y", s.rows, s.cols, s.cols+s.gap),
				e.Matrix("x", x, s.rows, s.cols, s.cols+2*s.gap),
				e.Matrix("shift", shift, s.rows, s.cols, s.cols+s.gap),
				e.Matrix("scale", scale, s.rows, s.cols, s.cols+3*s.gap), layerNormEps)
			e.Check("y", y, 2e-6)
		}})
	}
	return op
}

func layerNormBackward() Operation {
	op := Operation{Name: "LayerNormBackward"}
	for _, s := range matrixSizes {
		n := s.rows * s.cols
		op.Cases = append(op.Cases, Case{s.name, func(e *Env) {
			x, dy, dx := e.Random(n), e.Random(n), e.Random(n)
			x64, dy64 := wide(x), wide(dy)
			want, _, _ := refLayerNormBackward(dy64, x64, nil, s.cols)
			e.CheckGradient("x", func() float64 {
				y, _ := refLayerNorm(x64, nil, nil, s.cols)
				return dot(y, dy64)
			}, x64, want)
			e.Device.LayerNormBackward(e.Matrix("dx", dx, s.rows, s.cols, s.cols+s.gap), compute.Matrix{}, compute.Matrix{},
				e.Matrix("dy", dy, s.rows, s.cols, s.cols+2*s.gap), e.Matrix("x", x, s.rows, s.cols, s.cols+s.gap),
				compute.Matrix{}, layerNormEps)
			e.Check("dx", plus(dx, want), 4e-6)
		}}, Case{s.name + " modulated", func(e *Env) {
			x, dy, dx, scale := e.Random(n), e.Random(n), e.Random(n), e.Random(n)
			x64, dy64, scale64, shift64 := wide(x), wide(dy), wide(scale), wide(e.Random(n))
			want, dshift, dscale := refLayerNormBackward(dy64, x64, scale64, s.cols)
			loss := func() float64 {
				y, _ := refLayerNorm(x64, shift64, scale64, s.cols)
				return dot(y, dy64)
			}
			e.CheckGradient("x", loss, x64, want)
			e.CheckGradient("shift", loss, shift64, dshift)
			e.CheckGradient("scale", loss, scale64, dscale)
			e.Device.LayerNormBackward(e.Matrix("dx", dx, s.rows, s.cols, s.cols+s.gap),
				e.OutputMatrix("dshift", s.rows, s.cols, s.cols+s.gap), e.OutputMatrix("dscale", s.rows, s.cols, s.cols+s.gap),
				e.Matrix("dy", dy, s.rows, s.cols, s.cols+2*s.gap), e.Matrix("x", x, s.rows, s.cols, s.cols+s.gap),
				e.Matrix("scale", scale, s.rows, s.cols, s.cols+3*s.gap), layerNormEps)
			e.Check("dx", plus(dx, want), 4e-6)
			e.Check("dshift", dshift, 0)
			e.Check("dscale", dscale, 4e-6)
		}})
	}
	return op
}
