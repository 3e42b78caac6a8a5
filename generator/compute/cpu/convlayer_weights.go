package cpu

// The three ways in which a token's part of the gradient of the weights is
// summed: each also calls channel for all channels.

// tapsMemory is the working memory of tapWeights and channelWeights.
func (b *convLayerBackward) tapsMemory() int {
	return max((b.d+b.k-1)*tileCols+tileCols*b.d, b.padded+tileCols)
}

// channelWeights is for a single input channel: the columns of the sums are the
// taps.
func (b *convLayerBackward) channelWeights(m convMemory, sums []float32, token int) {
	g := m.rest[:b.padded+tileCols]
	clear(g)
	b.channel(g[b.lead:], m, token, 0)
	for o := 0; o < b.out; o += tileRows {
		b.tile(1, b.d, &m.dy[o*b.padded+b.lead], b.padded, 1, &g[0], 0, 1, &sums[o*tileCols], tileCols, nil)
	}
}

// tapWeights is for all sizes: a matrix of sums for each tap, whose columns are
// input channels.
func (b *convLayerBackward) tapWeights(m convMemory, sums []float32, token int) {
	ld := b.panels * tileCols
	// Channels side by side, [d+k-1, tileCols], zeros around.
	g, rows := cut(m.rest, (b.d+b.k-1)*tileCols)
	clear(g[:b.lead*tileCols])
	clear(g[(b.lead+b.d)*tileCols:])
	for p := range b.panels {
		channels := min(tileCols, b.in-p*tileCols)
		for c := range channels {
			b.channel(rows[c*b.d:], m, token, p*tileCols+c)
		}
		b.kernel.pack(g[b.lead*tileCols:], tileCols, operand{rows, b.d, true}, 0, channels, 0, b.d)
		// In pieces of the signal, so that a piece of g stays in the first cache.
		for first := 0; first < b.d; first += depth {
			n := min(depth, b.d-first)
			for o := 0; o < b.out; o += tileRows {
				dy := &m.dy[o*b.padded+b.lead+first]
				for t := range b.k {
					b.tile(1, n, dy, b.padded, 1, &g[(first+t)*tileCols], 0, tileCols, &sums[(t*b.outUp+o)*ld+p*tileCols], ld, nil)
				}
			}
		}
	}
}

// addParts adds the sums of a round's groups, in their order, to the total, in
// places lo..hi-1.
func (b *convLayerBackward) addParts(lo, hi int) {
	groups := (min(b.round*b.group, b.tokens-b.first) + b.group - 1) / b.group
	for i := range groups {
		b.add(b.total[lo:hi], b.parts[i*b.part+lo:i*b.part+hi])
	}
}

// addSums adds the total for output channel o to its gradients.
func (b *convLayerBackward) addSums(o int) {
	b.dbias[o] += b.total[b.part-b.outUp+o]
	sums := b.total
	dw := b.dw[o*b.in*b.k:][:b.in*b.k]
	if b.tapColumns {
		for t := range dw {
			dw[t] += sums[o*tileCols+t]
		}
		return
	}
	ld := b.panels * tileCols
	for t := range b.k {
		for c, v := range sums[(t*b.outUp+o)*ld:][:b.in] {
			dw[c*b.k+t] += v
		}
	}
}

// filterMemory is the working memory of filterWeights.
func (b *convLayerBackward) filterMemory() int {
	return b.in*b.padded + 4*phase + (b.in+b.outUp)*filterRow + filterTiles*b.panels*tileCols
}

// filterWeights is minimal filtering: a matrix of sums for each point.
func (b *convLayerBackward) filterWeights(m convMemory, sums []float32, token int) {
	g, memory := cut(m.rest, b.in*b.padded)
	phases, memory := cut(memory, 4*phase)
	v, memory := cut(memory, b.in*filterRow)
	u, memory := cut(memory, b.outUp*filterRow)
	ld := b.panels * tileCols
	turned := memory[:filterTiles*ld]
	for c := range b.in {
		b.channel(b.inside(g, c), m, token, c)
	}
	for block := range (b.d + filterBlock - 1) / filterBlock {
		b.filterSignals(v, g, phases, block, b.in, b.padded)
		for o := range b.outUp {
			b.split4(phases, m.dy[o*b.padded+block*filterBlock:])
			b.filterSlope(u[o*filterRow:], phases)
		}
		for j := range filterPoints {
			at := j * filterTiles
			b.device.turn(turned, ld, v[at:], filterRow, b.in, filterTiles)
			for c := 0; c < ld; c += tileCols {
				for o := 0; o < b.outUp; o += tileRows {
					b.tile(1, filterTiles, &u[o*filterRow+at], filterRow, 1, &turned[c], 0, ld, &sums[(j*b.outUp+o)*ld+c], ld, nil)
				}
			}
		}
	}
}

// addFilterSums adds the total for output channel o to its gradients. row is
// memory for a row of input channels.
func (b *convLayerBackward) addFilterSums(o int, row []float32) {
	b.dbias[o] += b.total[b.part-b.outUp+o]
	ld := b.panels * tileCols
	dw := b.dw[o*b.in*b.k:][:b.in*b.k]
	factors := weightFactors()
	for j := range filterPoints {
		total := b.total[(j*b.outUp+o)*ld:][:ld]
		for k := range b.k {
			if factors[k][j] == 0 {
				continue
			}
			b.scale(row, total, factors[k][j])
			for c, v := range row[:b.in] {
				dw[c*b.k+k] += v
			}
		}
	}
}
