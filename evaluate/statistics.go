package evaluate

import (
	"math"
	"math/bits"
	"slices"
)

// z95 is the standard normal quantile of a two-sided 95 % interval.
const z95 = 1.959963984540054

// Wilson gives the 95 % Wilson score interval of a proportion of which k of n
// cases were seen, as fractions. Unlike the textbook interval it stays within
// 0 and 1 and is honest near both. Without cases it is all of 0 to 1.
func Wilson(k, n int) (low, high float64) {
	if n <= 0 {
		return 0, 1
	}
	p, m := float64(k)/float64(n), float64(n)
	centre := p + z95*z95/(2*m)
	half := z95 * math.Sqrt(p*(1-p)/m+z95*z95/(4*m*m))
	scale := 1 + z95*z95/m
	low, high = (centre-half)/scale, (centre+half)/scale
	// At the ends the exact bound is 0 or 1; rounding must not leave it.
	if k == 0 {
		low = 0
	}
	if k == n {
		high = 1
	}
	return low, high
}

// Summary sums up one figure over the models of a group.
type Summary struct {
	Mean float64 `json:"mean"`
	Std  float64 `json:"std"` // over the models, divisor count-1; 0 for one model
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
}

func summarize(values []float64) Summary {
	s := Summary{Min: math.Inf(1), Max: math.Inf(-1)}
	for _, v := range values {
		s.Mean += v / float64(len(values))
		s.Min, s.Max = min(s.Min, v), max(s.Max, v)
	}
	if len(values) > 1 {
		for _, v := range values {
			s.Std += (v - s.Mean) * (v - s.Mean) / float64(len(values)-1)
		}
		s.Std = math.Sqrt(s.Std)
	}
	return s
}

// median gives the middle value, or the mean of the two middle ones. It leaves
// values as they are; without values it is NaN.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	v := slices.Sorted(slices.Values(values))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// A Bitset marks images: image i is bit i%64 of word i/64.
type Bitset []uint64

// NewBitset gives a set for n images with none marked.
func NewBitset(n int) Bitset { return make(Bitset, (n+63)/64) }

// Set marks image i.
func (b Bitset) Set(i int) { b[i/64] |= 1 << (i % 64) }

// Has says whether image i is marked.
func (b Bitset) Has(i int) bool { return i/64 < len(b) && b[i/64]>>(i%64)&1 == 1 }

// Len counts the marked images.
func (b Bitset) Len() int {
	n := 0
	for _, w := range b {
		n += bits.OnesCount64(w)
	}
	return n
}

// IoU is how alike two sets of wrongly predicted images are: the number in both
// over the number in either, 0 to 1 (facts.md 3.1, "similarity"). Two models
// without any error are alike: 1. It is computed on the WRONG images: on the
// right ones it is close to 1 for any two good models and says nothing.
func IoU(a, b Bitset) float64 {
	both, either := 0, 0
	for i := range a {
		both += bits.OnesCount64(a[i] & b[i])
		either += bits.OnesCount64(a[i] | b[i])
	}
	if either == 0 {
		return 1
	}
	return float64(both) / float64(either)
}
