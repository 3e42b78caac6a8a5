package tokenize

import "math"

// Positions gives what tells the tokens apart, [L*M]: row l, of width M, is the
// position of token l. For the i-th token of weight j the first half of the row
// is sin and cos, in turn, of i*10000^(-2m/(M/2)) for m = 0, 1, ..., M/4-1, and
// the second half the same of j. M must be a positive multiple of 4.
func (l *Layout) Positions(M int) []float32 {
	positions := make([]float32, l.Tokens()*M)
	l.FillPositions(positions, M, 0)
	return positions
}

// FillPositions fills dst, a multiple of M long, with the rows of Positions from
// row first on. Rows behind the last one are left as they are.
func (l *Layout) FillPositions(dst []float32, M, first int) {
	if M < 4 || M%4 != 0 {
		panic("tokenize: the width of positions is not a positive multiple of 4")
	}
	half := M / 2
	frequency := make([]float64, half/2)
	for m := range frequency {
		frequency[m] = math.Pow(10000, -2*float64(m)/float64(half))
	}
	wave := func(dst []float32, n int) {
		for m, f := range frequency {
			sin, cos := math.Sincos(float64(n) * f)
			dst[2*m], dst[2*m+1] = float32(sin), float32(cos)
		}
	}
	ofWeight := make([]float32, half)
	for j := range l.Weights {
		w := &l.Weights[j]
		lo, hi := max(first, w.First), min(first+len(dst)/M, w.First+w.Tokens)
		if lo >= hi {
			continue
		}
		wave(ofWeight, j)
		for at := lo; at < hi; at++ {
			row := dst[(at-first)*M : (at-first+1)*M]
			wave(row[:half], at-w.First)
			copy(row[half:], ofWeight)
		}
	}
}
