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
	n := d.newBatchNorm(a)
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
			at := row * a.D
			n.elu(y[at:at+a.D], n.x[at:], affine[0], affine[1], affine[2])
		}
	})
}

// batchNorm holds the checked arguments that both directions share.
type batchNorm struct {
	loops
	tokens, channels, d int
	x, scale, bias      []float32
}

func (d *device) newBatchNorm(a compute.BatchNormELU) batchNorm {
	if a.Tokens < 0 || a.C < 0 || a.D < 0 {
		panic(errShape)
	}
	return batchNorm{
		loops: d.loops(), tokens: a.Tokens, channels: a.C, d: a.D,
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
		mean += n.sum(n.row(n.x, token, c))
	}
	mean /= count
	// The squares are of differences to a rounded mean; that is put right below.
	center := float32(mean)
	for token := range n.tokens {
		variance += n.squares(n.row(n.x, token, c), center)
	}
	off := mean - float64(center)
	return mean, max(0, variance/count-off*off)
}

// BatchNormELUBackward works channel by channel: one pass leaves the gradient
// before ELU in DX and sums it, the second one takes out its mean and its
// component along X.
func (d *device) BatchNormELUBackward(a compute.BatchNormELUBackward) {
	n := d.newBatchNorm(a.BatchNormELU)
	mean, invStd := sized(a.Mean, a.C), sized(a.InvStd, a.C)
	dy, dx := sized(a.DY, len(n.x)), sized(a.DX, len(n.x))
	dscale, dbias := sized(a.DScale, a.C), sized(a.DBias, a.C)
	d.parallel(a.C, func(_, c int) {
		m, inv := mean[c], invStd[c]
		scale, bias := n.scale[c], n.bias[c]
		var total, along float64 // Σ du and Σ du·unit
		for token := range a.Tokens {
			sum, dot := n.eluBack(n.row(dx, token, c), n.row(dy, token, c), n.row(n.x, token, c), m, inv, scale, bias)
			total, along = total+sum, along+dot
		}
		dbias[c] += float32(total)
		dscale[c] += float32(along)
		count := float64(a.Tokens * a.D)
		center, slope := float32(total/count), float32(along/count)
		factor := scale * inv
		for token := range a.Tokens {
			n.normBack(n.row(dx, token, c), n.row(n.x, token, c), m, inv, center, slope, factor)
		}
	})
}
