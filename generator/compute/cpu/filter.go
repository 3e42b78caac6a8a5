package cpu

// Minimal filtering (Winograd 1980) computes 4 neighbouring outputs of a filter
// of 7 taps, y_i = Σ_k w_k·x_{i+k}, with 10 multiplications in place of 28. With
// the points p_0 … p_8 and infinity (Toom and Cook) and d_j = Π_{l≠j} (p_j-p_l):
//
//	V_j = the coefficients of Π_{l≠j} (z-p_l), times x_0 … x_9
//	U_j = Σ_k p_j^k·w_k / d_j
//	y_i = Σ_j p_j^i·U_j·V_j
//
// and for infinity V = the coefficients of Π (z-p_l), times x; U = w_6; its
// product belongs to y_3 alone. Sums over input channels are taken of U_j·V_j,
// before the last step, so all the work is in 10 matrix products.
//
// The gradient of the weights is a filter too, of 4 taps and 7 outputs: over all
// tiles of the signal dw_k += Σ_{i<4} dy_i·x_{k+i}. It has the same points, the
// same V, U_j = Σ_i p_j^i·dy_i and, at the very end, the factors p_j^k / d_j.
//
// The points are 0 and pairs ±a, which share their even and odd parts. The root
// mean square error of y is 2e-6 of that of y, about ten times that of a plain
// sum (TestFilterError); which is why the points are what they are.

const (
	filterTaps   = 7
	filterStep   = 4  // outputs of a tile
	filterPoints = 10 // 0, +a_0, -a_0, …, +a_3, -a_3, infinity
	filterTiles  = 64 // tiles of a block
	filterBlock  = filterStep * filterTiles
	// A row of a block, for one channel, holds the values of each point side by
	// side; the rest spreads the rows over the sets of the cache.
	filterRow = filterPoints*filterTiles + 16
	// Of a padded signal: what precedes it, and what there must be behind its last
	// block. A tile begins 3 values before its outputs, at (filterLead-3) of 4.
	filterLead = 4
	filterTail = 32
	// The values of every fourth position: see split4.
	phase = filterTiles + 8
)

// filterA are the points a. The assembly has them too.
func filterA() [4]float64 { return [4]float64{0.375, 0.875, 1.25, 2.25} }

// filters says whether a convolution of these sizes is done by minimal filtering.
func filters(in, out, k, d int) bool {
	return k == filterTaps && in >= 8 && out >= 8 && 3*roundUp(d, filterBlock) <= 4*d
}

// filterLength is the length of a padded signal.
func filterLength(d int) int { return roundUp(d, filterBlock) + filterTail }

// scales returns 1/d_j of 0 and of each pair ±a, for which it is the same.
func scales() (zero float64, pair [4]float64) {
	a := filterA()
	zero = 1
	for i, v := range a {
		zero *= -v * v
		pair[i] = 2 * v * v // (a-0)·(a+a)
		for l, w := range a {
			if l != i {
				pair[i] *= v*v - w*w
			}
		}
		pair[i] = 1 / pair[i]
	}
	return 1 / zero, pair
}

// packFilter fills panel i of transformed weights: of [filterPoints] matrices,
// each [panels, channels, tileRows], the rows from i·tileRows on, of which rows
// in all exist. The row is an output channel and the channel an input channel
// or, with turned, the other way round and the taps in reverse order.
func (l *convLayer) packFilter(u []float32, i, panels, channels, rows int, turned bool) {
	zero, pair := scales()
	a := filterA()
	size := panels * channels * tileRows
	for c := range channels {
		for r := range tileRows {
			at, row := (i*channels+c)*tileRows+r, i*tileRows+r
			if row >= rows {
				for j := range filterPoints {
					u[j*size+at] = 0
				}
				continue
			}
			var w [filterTaps]float64
			if turned {
				for k, v := range l.weights[(c*l.in+row)*filterTaps:][:filterTaps] {
					w[filterTaps-1-k] = float64(v)
				}
			} else {
				for k, v := range l.weights[(row*l.in+c)*filterTaps:][:filterTaps] {
					w[k] = float64(v)
				}
			}
			u[at] = float32(zero * w[0])
			for l, v := range a {
				z := v * v
				even, odd := w[0]+z*(w[2]+z*(w[4]+z*w[6])), v*(w[1]+z*(w[3]+z*w[5]))
				u[(1+2*l)*size+at] = float32(pair[l] * (even + odd))
				u[(2+2*l)*size+at] = float32(pair[l] * (even - odd))
			}
			u[9*size+at] = float32(w[6])
		}
	}
}

// filterSignals transforms block b of padded signals src, [channels, length],
// into dst, [channels, filterRow]. phases is working memory, 4·phase.
func (l loops) filterSignals(dst, src, phases []float32, b, channels, length int) {
	for c := range channels {
		l.split4(phases, src[c*length+b*filterBlock:])
		l.filterIn(dst[c*filterRow:][:filterRow], phases)
	}
}

// filterOutputs turns products, [channels, filterRow], into block b of dst,
// [channels, d], each value plus start of its channel. row is working memory for
// 2·filterBlock values.
func (l loops) filterOutputs(dst, products, start, row []float32, b, channels, d int) {
	phases, whole := row[:filterBlock], row[filterBlock:]
	for c := range channels {
		l.filterOut(phases, products[c*filterRow:], start[c])
		out := dst[c*d+b*filterBlock : (c+1)*d]
		if len(out) >= filterBlock {
			l.merge4(out[:filterBlock], phases)
		} else {
			l.merge4(whole[:filterBlock], phases)
			copy(out, whole)
		}
	}
}

// filterProducts computes, point by point, m = u·v for transformed weights u,
// of rows up to full panels, and signals v, [channels, filterRow].
func (l *convLayer) filterProducts(m, v, u []float32, channels, rows int) {
	for j := range filterPoints {
		panels := u[j*rows*channels:]
		for half := 0; half < filterTiles; half += tileCols {
			at := j*filterTiles + half
			for r := 0; r < rows; r += tileRows {
				l.tile(1, channels, &panels[r*channels], 1, tileRows, &v[at], 0, filterRow, &m[r*filterRow+at], filterRow, &l.zeros[0])
			}
		}
	}
}

// weightFactors are p_j^k/d_j: dw_k is their product with the sums of point j.
func weightFactors() (f [filterTaps][filterPoints]float32) {
	zero, pair := scales()
	f[0][0] = float32(zero)
	for l, v := range filterA() {
		power := pair[l]
		for k := range filterTaps {
			f[k][1+2*l], f[k][2+2*l] = float32(power), float32(power)
			if k%2 == 1 {
				f[k][2+2*l] = -f[k][2+2*l]
			}
			power *= v
		}
	}
	f[filterTaps-1][9] = 1
	return f
}
