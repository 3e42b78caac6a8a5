package cpu

import (
	"math"

	"rpg/generator/compute"
)

// errFewValues is the constant text of a programmer error.
const errFewValues = "compute: batch statistics need two values a channel"

// BatchNormELU takes the statistics in two passes, mean and then variance, in
// float64: over groups of tokens first, then over the groups in their order.
func (d *device) BatchNormELU(a compute.BatchNormELU) {
	n := d.newBatchNorm(a)
	n.y = sized(a.Y, len(n.x))
	runningMean, runningVar := sized(a.RunningMean, a.C), sized(a.RunningVar, a.C)
	n.lines, n.memory = cut(n.memory, 3*a.C)
	if !a.Train {
		for c := range a.C {
			n.fold(n.lines[3*c:], c, float64(runningMean[c]), 1/math.Sqrt(float64(runningVar[c])+float64(a.Eps)))
		}
	} else {
		if a.Tokens*a.D < 2 {
			panic(errFewValues)
		}
		mean, invStd := sized(a.Mean, a.C), sized(a.InvStd, a.C)
		n.mean = mean
		count := float64(a.Tokens * a.D)
		n.sums(d, func(n *batchNorm, row, c int) (float64, float64) { return n.sum(n.row(n.x, row)), 0 })
		for c := range a.C {
			// Kept in two parts: squares are of differences to the first one.
			m, _ := n.total(c)
			hi, lo := split(m / count)
			mean[c], n.lines[3*c] = hi, lo
		}
		n.sums(d, func(n *batchNorm, row, c int) (float64, float64) { return n.squares(n.row(n.x, row), n.mean[c]), 0 })
		for c := range a.C {
			squares, _ := n.total(c)
			lo := float64(n.lines[3*c])
			m, v := float64(mean[c])+lo, max(0, squares/count-lo*lo)
			inv := 1 / math.Sqrt(v+float64(a.Eps))
			invStd[c] = float32(inv)
			keep, move := 1-float64(a.Momentum), float64(a.Momentum)
			runningMean[c] = float32(keep*float64(runningMean[c]) + move*m)
			runningVar[c] = float32(keep*float64(runningVar[c]) + move*v*count/(count-1))
			n.fold(n.lines[3*c:], c, m, inv)
		}
	}
	d.rows(a.Tokens*a.C, a.D, n, func(a any, _, lo, hi int) {
		n := a.(*batchNorm)
		for row := lo; row < hi; row++ {
			line := n.lines[row%n.channels*3:]
			n.elu(n.row(n.y, row), n.row(n.x, row), line[0], line[1], line[2])
		}
	})
	drop(n)
}

// batchNorm holds the checked arguments that both directions share.
type batchNorm struct {
	loops
	tokens, channels, d int
	x, weight, bias     []float32
	group, groups       int       // tokens in a group of sums, number of groups
	memory              []float32 // for sums, [groups, C, 4], and 3·C values more
	lines               []float32 // [C, 3]: see fold and BatchNormELUBackward
	mean, invStd        []float32
	y                   []float32 // of the forward pass
	dy, dx              []float32 // of the backward pass
	measure             func(n *batchNorm, row, c int) (float64, float64)
}

func (d *device) newBatchNorm(a compute.BatchNormELU) *batchNorm {
	if a.Tokens < 0 || a.C < 0 || a.D < 0 {
		panic(errShape)
	}
	n := keep[batchNorm](d)
	*n = batchNorm{
		loops: d.loops(), tokens: a.Tokens, channels: a.C, d: a.D,
		x: sized(a.X, a.Tokens*a.C*a.D), weight: sized(a.Scale, a.C), bias: sized(a.Bias, a.C),
	}
	const most = 64 // groups: more would be long to add up
	n.group = max(1, span/max(1, a.C*a.D), (a.Tokens+most-1)/most)
	n.groups = (a.Tokens + n.group - 1) / n.group
	n.memory = d.common((4*n.groups + 3) * a.C)
	return n
}

// row returns the values of one channel of one token; row is token·C + channel.
func (n *batchNorm) row(x []float32, row int) []float32 { return x[row*n.d : (row+1)*n.d] }

// sums adds up what measure returns for the rows of each channel, group by
// group; see total.
func (n *batchNorm) sums(d *device, measure func(n *batchNorm, row, c int) (float64, float64)) {
	n.measure = measure
	d.split(n.tokens, n.group, n, func(a any, _, first, end int) {
		n := a.(*batchNorm)
		for c := range n.channels {
			var s0, s1 float64
			for token := first; token < end; token++ {
				v0, v1 := n.measure(n, token*n.channels+c, c)
				s0, s1 = s0+v0, s1+v1
			}
			parts := n.memory[(first/n.group*n.channels+c)*4:][:4]
			parts[0], parts[1] = split(s0)
			parts[2], parts[3] = split(s1)
		}
	})
}

// total returns the sums of channel c over all groups.
func (n *batchNorm) total(c int) (s0, s1 float64) {
	for i := range n.groups {
		parts := n.memory[(i*n.channels+c)*4:][:4]
		s0 += float64(parts[0]) + float64(parts[1])
		s1 += float64(parts[2]) + float64(parts[3])
	}
	return s0, s1
}

// split returns v as a sum of two numbers.
func split(v float64) (hi, lo float32) {
	hi = float32(v)
	return hi, float32(v - float64(hi))
}

// fold turns the normalization of channel c into dst, [3]:
//
//	u = (x - dst[0])·dst[1] + dst[2]
//
// dst[0] is the mean in float32; what its rounding takes off is in dst[2].
func (n *batchNorm) fold(dst []float32, c int, mean, inv float64) {
	factor, center := float64(n.weight[c])*inv, float32(mean)
	dst[0], dst[1] = center, float32(factor)
	dst[2] = float32(float64(n.bias[c]) - (mean-float64(center))*factor)
}

// BatchNormELUBackward takes two passes: one leaves the gradient before ELU in
// DX and sums it, the other one takes out its mean and its component along X.
func (d *device) BatchNormELUBackward(a compute.BatchNormELUBackward) {
	n := d.newBatchNorm(a.BatchNormELU)
	n.mean, n.invStd = sized(a.Mean, a.C), sized(a.InvStd, a.C)
	n.dy, n.dx = sized(a.DY, len(n.x)), sized(a.DX, len(n.x))
	dscale, dbias := sized(a.DScale, a.C), sized(a.DBias, a.C)
	n.lines, n.memory = cut(n.memory, 3*a.C) // of each channel: the mean, the slope and the factor
	n.sums(d, func(n *batchNorm, row, c int) (float64, float64) {
		return n.eluBack(n.row(n.dx, row), n.row(n.dy, row), n.row(n.x, row), n.mean[c], n.invStd[c], n.weight[c], n.bias[c])
	})
	count := float64(a.Tokens * a.D)
	for c := range a.C {
		total, along := n.total(c) // Σ du and Σ du·unit
		dbias[c] += float32(total)
		dscale[c] += float32(along)
		line := n.lines[3*c:]
		line[0], line[1], line[2] = float32(total/count), float32(along/count), n.weight[c]*n.invStd[c]
	}
	d.rows(a.Tokens*a.C, a.D, n, func(a any, _, lo, hi int) {
		n := a.(*batchNorm)
		for row := lo; row < hi; row++ {
			c := row % n.channels
			line := n.lines[3*c:]
			n.normBack(n.row(n.dx, row), n.row(n.x, row), n.mean[c], n.invStd[c], line[0], line[1], line[2])
		}
	})
	drop(n)
}
