package cpu

import "rpg/generator/compute"

// maxGroups is the largest number of groups of tokens whose sums of weight
// gradients are kept apart until the end.
const maxGroups = 32

// ConvLayerBackward works in groups of tokens. For each token it convolves DY
// with the weights turned round, which gives the gradient of g; from that come
// DX, DCond and DTime. The gradient of the weights is, for each tap, the
// product of DY, [Out, D], and the shifted g, [D, In]; it is summed over the
// group and then, group by group, added to DW.
func (d *device) ConvLayerBackward(a compute.ConvLayerBackward) {
	b := keep[convLayerBackward](d)
	*b = convLayerBackward{convLayer: d.newConvLayer(a.ConvLayer), dy: sized(a.DY, a.Tokens*a.Out*a.D)}
	if a.DX != nil {
		b.dx = sized(a.DX, a.Tokens*a.In*a.D)
	}
	if a.YNorm != nil {
		b.yNorm, b.y = d.newBatchNorm(a.YNorm, a.Out), sized(a.Y, a.Tokens*a.Out*a.D)
		b.yNorm.along, b.yNorm.level = sized(a.YNorm.Along, a.Out), sized(a.YNorm.Level, a.Out)
	}
	b.addDX = a.AddDX
	b.dcond, b.lddcond = matOf(a.DCond, a.Tokens, a.D)
	b.dtime, b.lddtime = matOf(a.DTime, a.Tokens, a.D)
	b.dw, b.dbias = sized(a.DW, a.Out*a.In*a.K), sized(a.DBias, a.Out)
	b.outUp, b.inUp = roundUp(a.Out, tileRows), roundUp(a.In, tileRows)
	b.panels, b.sumCount = (a.In+tileCols-1)/tileCols, a.K
	if a.In == 1 && a.K <= tileCols {
		b.tapColumns, b.sumCount = true, 1
	}

	b.group = max(1, (a.Tokens+maxGroups-1)/maxGroups)
	b.groups = (a.Tokens + b.group - 1) / b.group
	b.part = b.sumCount*b.outUp*b.panels*tileCols + b.outUp
	common := d.common(b.inUp*a.K*a.Out + b.inUp + b.groups*b.part)
	b.turned, common = cut(common, b.inUp*a.K*a.Out)
	b.zeros, b.parts = cut(common, b.inUp)
	clear(b.zeros)
	b.normSums = d.partials(2 * b.groups * a.In)
	clear(b.normSums)
	d.parallel(b.inUp/tileRows, b, func(a any, _, i, _ int) { a.(*convLayerBackward).packBackward(i) })
	d.split(a.Tokens, b.group, b, func(a any, worker, first, end int) {
		b := a.(*convLayerBackward)
		sums := b.parts[first/b.group*b.part:][:b.part]
		clear(sums)
		m := b.memory(b.device.scratch(worker, b.memorySize()))
		for token := first; token < end; token++ {
			b.token(m, sums, token)
		}
	})
	d.parallel(a.Out, b, func(a any, _, o, _ int) {
		b := a.(*convLayerBackward)
		for i := range b.groups {
			b.addSums(o, b.parts[i*b.part:(i+1)*b.part])
		}
	})
	if a.XNorm != nil && a.DX != nil {
		setGradients(a.XNorm, b.normSums, a.In, float64(a.Tokens*a.D))
	}
	drop(b)
}

type convLayerBackward struct {
	convLayer
	dy, dx           []float32
	addDX            bool
	yNorm            batchNorm
	y                []float32 // with a yNorm
	normSums         []float64 // [groups, in, 2]: see setGradients
	dcond, dtime     []float32
	lddcond, lddtime int
	outUp, inUp      int // channels up to full panels
	panels           int // panels of tileCols input channels
	group, groups    int // tokens in a group of sums, number of groups
	// sumCount is the number of matrices [outUp, panels·tileCols] of sums: one for each
	// tap, whose columns are input channels, or, with tapColumns, for a single
	// input channel, one whose columns are the taps.
	sumCount      int
	tapColumns    bool
	part          int       // values of the sums of one group
	parts         []float32 // [groups, part]
	turned, zeros []float32
	dw, dbias     []float32
}

// packBackward fills panel i of the turned weights: [K, Out, tileRows] of its
// input channels, the taps in reverse order.
func (b *convLayerBackward) packBackward(i int) {
	size := b.k * b.out * tileRows
	w := b.turned[i*size : (i+1)*size]
	clear(w)
	for r := range min(tileRows, b.in-i*tileRows) {
		c := i*tileRows + r
		for o := range b.out {
			from := b.weights[(o*b.in+c)*b.k:][:b.k]
			for t, v := range from {
				w[((b.k-1-t)*b.out+o)*tileRows+r] = v
			}
		}
	}
}

// convMemory is the working memory for one token.
type convMemory struct {
	dy   []float32 // [outUp, padded], with zeros at both ends
	dg   []float32 // [in, d]
	g    []float32 // [panels, d+k-1, tileCols]: channels side by side, zeros around; for one channel [padded+tileCols]
	rows []float32 // [tileCols, d]: channels of one panel of g
	tile []float32 // one tile
	x    []float32 // one row each
	skip []float32
	dx   []float32
}

func (b *convLayerBackward) memorySize() int {
	return b.outUp*b.padded + (b.in+tileCols)*b.d + b.sizeG() + tileRows*tileCols + 3*b.d
}

func (b *convLayerBackward) sizeG() int {
	if b.tapColumns {
		return b.padded + tileCols
	}
	return b.panels * (b.d + b.k - 1) * tileCols
}

// memory cuts scratch up and sets the zeros that stay.
func (b *convLayerBackward) memory(scratch []float32) (m convMemory) {
	cut := func(n int) (piece []float32) {
		piece, scratch = scratch[:n], scratch[n:]
		return piece
	}
	m.dy, m.dg = cut(b.outUp*b.padded), cut(b.in*b.d)
	m.g, m.tile, m.rows = cut(b.sizeG()), cut(tileRows*tileCols), cut(tileCols*b.d)
	m.x, m.skip, m.dx = cut(b.d), cut(b.d), cut(b.d)
	clear(m.dy)
	clear(m.g)
	return m
}

// token handles one token; sums receives its part of DW and DBias.
func (b *convLayerBackward) token(m convMemory, sums []float32, token int) {
	half := b.k / 2
	dbias := sums[len(sums)-b.outUp:]
	for o := range b.out {
		at := (token*b.out + o) * b.d
		row := m.dy[o*b.padded+half:][:b.d]
		if b.yNorm.some {
			b.yNorm.back(row, b.dy[at:at+b.d], b.y[at:at+b.d], o)
		} else {
			copy(row, b.dy[at:at+b.d])
		}
		dbias[o] += float32(b.sum(row))
	}
	b.convolve(m.dg, m.dy, b.turned, b.zeros, b.out, b.in, m.tile)
	if b.tapColumns {
		b.channel(m.g[half:], m, token, 0)
		for o := 0; o < b.out; o += tileRows {
			b.tile(1, b.d, &m.dy[o*b.padded+half], b.padded, 1, &m.g[0], 0, 1, &sums[o*tileCols], tileCols, nil)
		}
		return
	}
	ld := b.panels * tileCols
	for p := range b.panels {
		channels := min(tileCols, b.in-p*tileCols)
		for c := range channels {
			b.channel(m.rows[c*b.d:], m, token, p*tileCols+c)
		}
		g := m.g[p*(b.d+b.k-1)*tileCols:]
		b.kernel.pack(g[half*tileCols:], tileCols, operand{m.rows, b.d, true}, 0, channels, 0, b.d)
		// In pieces of the signal, so that a piece of g stays in the first cache.
		for first := 0; first < b.d; first += depth {
			n := min(depth, b.d-first)
			for o := 0; o < b.out; o += tileRows {
				dy := &m.dy[o*b.padded+half+first]
				for t := range b.k {
					b.tile(1, n, dy, b.padded, 1, &g[(first+t)*tileCols], 0, tileCols, &sums[(t*b.outUp+o)*ld+p*tileCols], ld, nil)
				}
			}
		}
	}
}

// channel takes the gradient of g of one channel further and writes g itself.
func (b *convLayerBackward) channel(g []float32, m convMemory, token, c int) {
	cond, time := b.cond[token*b.ldcond:], b.time[token*b.ldtime:]
	dcond, dtime := b.dcond[token*b.lddcond:], b.dtime[token*b.lddtime:]
	dg := m.dg[c*b.d:]
	at := (token*b.in + c) * b.d
	dx := m.dx // if nobody asks for it
	if b.dx != nil && !b.addDX {
		dx = b.dx[at : at+b.d]
	}
	raw := b.x[at : at+b.d]
	x := b.xNorm.apply(m.x, raw, c)
	if g = g[:b.d]; b.skip == nil {
		b.modulateBack(g, dx, dcond, dtime, dg, x, cond, time)
	} else {
		skip := b.skipNorm.apply(m.skip, b.skip[at:at+b.d], c)
		b.modulateSkipBack(g, dx, dcond, dtime, dg, x, cond, time, skip)
	}
	if b.dx == nil {
		return
	}
	if b.addDX {
		b.add(b.dx[at:at+b.d], dx)
		dx = b.dx[at : at+b.d]
	}
	if b.xNorm.some {
		sum, along := b.xNorm.inside(m.x, dx, raw, c)
		sums := b.normSums[2*(token/b.group*b.in+c):]
		sums[0] += sum
		sums[1] += along
	}
}

// addSums adds a group's sums for output channel o to its gradients.
func (b *convLayerBackward) addSums(o int, sums []float32) {
	b.dbias[o] += sums[len(sums)-b.outUp+o]
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
