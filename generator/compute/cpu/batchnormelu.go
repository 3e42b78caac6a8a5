package cpu

import (
	"math"

	"rpg/generator/compute"
)

// errFewValues is the constant text of a programmer error.
const errFewValues = "compute: batch statistics need two values a channel"

// BatchNormELU takes the statistics in two passes, mean and then variance, in
// float64, channel by channel.
func (d *device) BatchNormELU(a compute.BatchNormELU) {
	n := newBatchNorm(a)
	y := sized(a.Y, len(n.x))
	runningMean, runningVar := sized(a.RunningMean, a.C), sized(a.RunningVar, a.C)
	affines := d.common(3 * a.C)
	if !a.Train {
		for c := range a.C {
			n.fold(affines[3*c:], c, float64(runningMean[c]), 1/math.Sqrt(float64(runningVar[c])+float64(a.Eps)))
		}
	} else {
		if a.Tokens*a.D < 2 {
			panic(errFewValues)
		}
		mean, invStd := sized(a.Mean, a.C), sized(a.InvStd, a.C)
		d.parallel(a.C, func(_, c int) {
			m, v := n.statistics(c)
			inv := 1 / math.Sqrt(v+float64(a.Eps))
			mean[c], invStd[c] = float32(m), float32(inv)
			count := float64(a.Tokens * a.D)
			keep, move := 1-float64(a.Momentum), float64(a.Momentum)
			runningMean[c] = float32(keep*float64(runningMean[c]) + move*m)
			runningVar[c] = float32(keep*float64(runningVar[c]) + move*v*count/(count-1))
			n.fold(affines[3*c:], c, m, inv)
		})
	}
	d.rows(a.Tokens*a.C, a.D, func(lo, hi int) {
		for row := lo; row < hi; row++ {
			affine := affines[row%a.C*3:]
			center, factor, summand := affine[0], affine[1], affine[2]
			out := y[row*a.D : (row+1)*a.D]
			for i, v := range n.x[row*a.D : (row+1)*a.D] {
				u := (v-center)*factor + summand
				if u < 0 {
					u = expm1(u)
				}
				out[i] = u
			}
		}
	})
}

// batchNorm holds the checked arguments that both directions share.
type batchNorm struct {
	tokens, channels, d int
	x, scale, bias      []float32
}

func newBatchNorm(a compute.BatchNormELU) batchNorm {
	if a.Tokens < 0 || a.C < 0 || a.D < 0 {
		panic(errShape)
	}
	return batchNorm{
		tokens: a.Tokens, channels: a.C, d: a.D,
		x: sized(a.X, a.Tokens*a.C*a.D), scale: sized(a.Scale, a.C), bias: sized(a.Bias, a.C),
	}
}

// row returns the values of one channel of one token.
func (n *batchNorm) row(x []float32, token, c int) []float32 {
	at := (token*n.channels + c) * n.d
	return x[at : at+n.d : at+n.d]
}

// fold turns the normalization of channel c into dst, [3]:
//
//	u = (x - dst[0])·dst[1] + dst[2]
//
// dst[0] is the mean in float32; what its rounding takes off is in dst[2].
func (n *batchNorm) fold(dst []float32, c int, mean, inv float64) {
	factor, center := float64(n.scale[c])*inv, float32(mean)
	dst[0], dst[1] = center, float32(factor)
	dst[2] = float32(float64(n.bias[c]) - (mean-float64(center))*factor)
}

// statistics returns the mean and the biased variance of channel c.
func (n *batchNorm) statistics(c int) (mean, variance float64) {
	count := float64(n.tokens * n.d)
	for token := range n.tokens {
		var sum float64
		for _, v := range n.row(n.x, token, c) {
			sum += float64(v)
		}
		mean += sum
	}
	mean /= count
	for token := range n.tokens {
		var sum float64
		for _, v := range n.row(n.x, token, c) {
			sum += (float64(v) - mean) * (float64(v) - mean)
		}
		variance += sum
	}
	return mean, variance / count
}

// expm1 is e^x-1 for x <= 0 with an error below 2e-7 of the largest value.
func expm1(x float32) float32 {
	if x > -0.03125 { // where e^x-1 would lose digits: the series to x^4
		return x * (1 + x*(0.5+x*(1.0/6+x*(1.0/24))))
	}
	return exp(x) - 1
}

// BatchNormELUBackward works channel by channel: one pass leaves the gradient
// before ELU in DX and sums it, the second one takes out its mean and its
// component along X.
func (d *device) BatchNormELUBackward(a compute.BatchNormELUBackward) {
	n := newBatchNorm(a.BatchNormELU)
	mean, invStd := sized(a.Mean, a.C), sized(a.InvStd, a.C)
	dy, dx := sized(a.DY, len(n.x)), sized(a.DX, len(n.x))
	dscale, dbias := sized(a.DScale, a.C), sized(a.DBias, a.C)
	d.parallel(a.C, func(_, c int) {
		m, inv := mean[c], invStd[c]
		scale, bias := n.scale[c], n.bias[c]
		var total, along float64 // Σ du and Σ du·unit
		for token := range a.Tokens {
			down, up := n.row(dx, token, c), n.row(dy, token, c)
			var sum, dot float64
			for i, v := range n.row(n.x, token, c) {
				unit := (v - m) * inv
				du := up[i]
				if u := unit*scale + bias; u < 0 {
					du *= exp(u)
				}
				down[i] = du
				sum += float64(du)
				dot += float64(du * unit)
			}
			total, along = total+sum, along+dot
		}
		dbias[c] += float32(total)
		dscale[c] += float32(along)
		count := float64(a.Tokens * a.D)
		center, slope := float32(total/count), float32(along/count)
		factor := scale * inv
		for token := range a.Tokens {
			down := n.row(dx, token, c)
			for i, v := range n.row(n.x, token, c) {
				unit := (v - m) * inv
				down[i] = factor * (down[i] - center - unit*slope)
			}
		}
	})
}
