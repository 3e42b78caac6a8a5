package cpu

import (
	"math"

	"rpg/generator/compute"
)

// errFewValues is the constant text of a programmer error.
const errFewValues = "compute: batch statistics need two values a channel"

// batchNorm holds the checked parts of a compute.BatchNorm that one row needs,
// the values of one channel of one token; none has no normalization.
type batchNorm struct {
	loops
	some         bool
	scale, bias  []float32
	mean, invStd []float32
	along, level []float32
}

func (d *device) newBatchNorm(a *compute.BatchNorm, channels int) batchNorm {
	if a == nil {
		return batchNorm{}
	}
	return batchNorm{loops: d.loops(), some: true,
		scale: sized(a.Scale, channels), bias: sized(a.Bias, channels),
		mean: sized(a.Mean, channels), invStd: sized(a.InvStd, channels)}
}

// apply returns N of a row of channel c, which is in memory, or the row itself.
func (n *batchNorm) apply(memory, row []float32, c int) []float32 {
	if !n.some {
		return row
	}
	n.elu(memory, row, n.mean[c], n.scale[c]*n.invStd[c], n.bias[c])
	return memory
}

// sums returns, for a row x of channel c and y = N(x), given dy, the sum of the
// gradient of u and that of its products with unit. It overwrites y.
func (n *batchNorm) sums(y, dy, x []float32, c int) (sum, along float64) {
	return n.eluBackFrom(y, dy, y, x, n.mean[c], n.invStd[c])
}

// back sets dst to the gradient of a row y of channel c, given dy, that of N(y).
func (n *batchNorm) back(dst, dy, y []float32, c int) {
	n.eluNormBack(dst, dy, y, n.mean[c], n.invStd[c], n.scale[c], n.bias[c], n.level[c], n.along[c])
}

// measure returns the sum of a row, and of the squares of its differences to
// center of it.
func (l loops) measure(row []float32) (sum, squares float64) {
	sum = l.sum(row)
	return sum, l.squares(row, center(sum, len(row)))
}

// center is the mean of a row of n values of this sum, rounded.
func center(sum float64, n int) float32 { return float32(sum / float64(n)) }

// setStatistics sets the statistics of each channel, given what measure said of
// the rows of width values each, [tokens, channels, 2], and memory for 2 values a
// channel (Chan, Golub & LeVeque 1979).
func setStatistics(a *compute.BatchNorm, rows, memory []float64, channels, width int) {
	count := float64(len(rows) / 2 / channels * width)
	if count < 2 {
		panic(errFewValues)
	}
	mean, variance := memory[:channels], memory[channels:2*channels]
	clear(memory[:2*channels])
	for i := 0; i < len(rows); i += 2 * channels {
		for c := range mean {
			mean[c] += rows[i+2*c] / count
		}
	}
	for i := 0; i < len(rows); i += 2 * channels {
		for c := range variance {
			sum, squares := rows[i+2*c], rows[i+2*c+1]
			middle := float64(center(sum, width))
			shift := middle - mean[c]
			variance[c] += (squares + shift*(2*(sum-float64(width)*middle)+float64(width)*shift)) / count
		}
	}
	means, invStds := sized(a.Mean, channels), sized(a.InvStd, channels)
	runningMean, runningVar := sized(a.RunningMean, channels), sized(a.RunningVar, channels)
	keep, move := 1-float64(a.Momentum), float64(a.Momentum)
	for c, m := range mean {
		v := max(0, variance[c])
		means[c], invStds[c] = float32(m), float32(1/math.Sqrt(v+float64(a.Eps)))
		runningMean[c] = float32(keep*float64(runningMean[c]) + move*m)
		runningVar[c] = float32(keep*float64(runningVar[c]) + move*v*count/(count-1))
	}
}

// setGradients takes in the sums of all tokens, by group of tokens:
// [groups, channels, 2].
func setGradients(a *compute.BatchNorm, sums []float64, channels int, count float64) {
	dscale, dbias := sized(a.DScale, channels), sized(a.DBias, channels)
	along, level := sized(a.Along, channels), sized(a.Level, channels)
	for c := range channels {
		var du, duUnit float64
		for i := c; i < len(sums)/2; i += channels {
			du += sums[2*i]
			duUnit += sums[2*i+1]
		}
		dbias[c] += float32(du)
		dscale[c] += float32(duUnit)
		level[c], along[c] = float32(du/count), float32(duUnit/count)
	}
}
