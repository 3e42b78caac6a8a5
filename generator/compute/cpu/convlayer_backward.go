package cpu

import "rpg/generator/compute"

// maxGroups is the largest number of groups of tokens whose sums of weight
// gradients are taken apart from each other.
const maxGroups = 32

// ConvLayerBackward works in groups of tokens. For each token it convolves DY
// with the weights turned round, which gives the gradient of g; from that come
// DX, DCond and DTime. The gradient of the weights is, for each tap, the
// product of DY, [Out, D], and the shifted g, [D, In], or what minimal filtering
// makes of that; it is summed over the group and then, group by group, over all.
// There is memory for the sums of as many groups as keep the workers busy.
func (d *device) ConvLayerBackward(a compute.ConvLayerBackward) {
	b := keep[convLayerBackward](d)
	*b = convLayerBackward{convLayer: d.newConvLayer(a.ConvLayer), dy: inputSignals(a.DY, a.Tokens, a.Out, a.D)}
	if !absent(a.DX) {
		b.dx = outputSignals(a.DX, a.Tokens, a.In, a.D)
	}
	if a.YNorm != nil {
		b.yNorm, b.y = d.newBatchNorm(a.YNorm, a.Out), inputSignals(a.Y, a.Tokens, a.Out, a.D)
		b.yNorm.along, b.yNorm.level = sized(a.YNorm.Along, a.Out), sized(a.YNorm.Level, a.Out)
		if !absent(a.Raw) {
			b.raw = outputSignals(a.Raw, a.Tokens, a.Out, a.D)
		}
	}
	b.addDX = a.AddDX
	if a.DW != nil {
		b.take(a.ConvLayer)
		b.dcond, b.lddcond = matOf(a.DCond, a.Tokens, a.D)
		b.dtime, b.lddtime = matOf(a.DTime, a.Tokens, a.D)
		b.dw, b.dbias = sized(a.DW, a.Out*a.In*a.K), sized(a.DBias, a.Out)
	}
	if b.wantsSums = a.XNorm != nil && a.XNorm.DScale != nil && b.dx.data != nil; b.wantsSums && a.DW == nil {
		b.x, b.xNorm = inputSignals(a.X, a.Tokens, a.In, a.D), d.newBatchNorm(a.XNorm, a.In)
	}
	b.outUp, b.inUp = roundUp(a.Out, tileRows), roundUp(a.In, tileRows)
	b.panels, b.sumCount = (a.In+tileCols-1)/tileCols, b.packedTaps()
	if a.In == 1 && a.K <= tileCols {
		b.tapColumns, b.sumCount = true, 1
	}
	b.group = max(1, (a.Tokens+maxGroups-1)/maxGroups)
	b.groups = (a.Tokens + b.group - 1) / b.group
	b.part = b.sumCount*b.outUp*b.panels*tileCols + b.outUp
	turned := b.inUp * b.packedTaps() * a.Out
	b.round = min(b.groups, 2*d.pool.threads)
	common := d.common(turned + b.inUp + b.outUp + (1+b.round)*b.part)
	b.turned, common = cut(common, turned)
	b.zeros, common = cut(common, max(b.inUp, b.outUp))
	b.total, b.parts = cut(common, b.part)
	clear(b.zeros)
	clear(b.total)
	b.normSums = d.partials(2 * b.groups * a.In)
	clear(b.normSums)
	d.parallel(b.inUp/tileRows, b, func(a any, _, i, _ int) { a.(*convLayerBackward).packBackward(i) })
	for b.first = 0; b.first < a.Tokens; b.first += b.round * b.group {
		d.split(min(b.round*b.group, a.Tokens-b.first), b.group, b, func(a any, worker, lo, hi int) {
			b := a.(*convLayerBackward)
			sums := b.parts[lo/b.group*b.part:][:b.part]
			clear(sums)
			m := b.memory(b.device.scratch(worker, b.memorySize()))
			for token := b.first + lo; token < b.first+hi; token++ {
				b.token(m, sums, token)
			}
		})
		if b.dw != nil {
			d.spans(b.part, b, func(a any, _, lo, hi int) { a.(*convLayerBackward).addParts(lo, hi) })
		}
	}
	if b.dw != nil {
		d.parallel(a.Out, b, func(a any, worker, o, _ int) {
			b := a.(*convLayerBackward)
			if b.filters {
				b.addFilterSums(o, b.device.scratch(worker, b.panels*tileCols))
			} else {
				b.addSums(o)
			}
		})
	}
	if b.wantsSums {
		setGradients(a.XNorm, b.normSums, a.In, float64(a.Tokens*a.D))
	}
	drop(b)
}

type convLayerBackward struct {
	convLayer
	dy, dx, raw      signals // dx and raw may have no data
	addDX            bool
	wantsSums        bool // those of the xNorm
	yNorm            batchNorm
	y                signals   // with a yNorm
	normSums         []float64 // [groups, in, 2]: see setGradients
	dcond, dtime     []float32
	lddcond, lddtime int
	outUp, inUp      int // channels up to full panels
	panels           int // panels of tileCols input channels
	group, groups    int // tokens in a group of sums, number of groups
	// sumCount is the number of matrices [outUp, panels·tileCols] of sums: one for
	// each tap, or point of minimal filtering, whose columns are input channels, or,
	// with tapColumns, for a single input channel, one whose columns are the taps.
	sumCount   int
	tapColumns bool
	first      int       // token of the round in progress
	round      int       // groups in a round
	part       int       // values of the sums of one group, those of the bias last
	parts      []float32 // [round, part]
	total      []float32 // [part]: the sums of all groups of the rounds so far
	turned     []float32
	dw, dbias  []float32 // nil if dx alone is wanted
}

// packBackward fills panel i of the turned weights: [K, Out, tileRows] of its
// input channels, the taps in reverse order.
func (b *convLayerBackward) packBackward(i int) {
	if b.filters {
		b.packFilter(b.turned, i, b.inUp/tileRows, b.out, b.in, true)
		return
	}
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
	x    []float32 // one row each
	skip []float32
	dx   []float32
	rest []float32 // for the convolution and then for the weights' gradient
}

func (b *convLayerBackward) memorySize() int {
	rest := max(b.convolveMemory(b.out, b.in), b.tapsMemory())
	if b.filters {
		rest = max(rest, b.filterMemory())
	}
	return b.outUp*b.padded + (b.in+3)*b.d + rest
}

// memory cuts scratch up and clears the rows of channels that do not exist.
func (b *convLayerBackward) memory(scratch []float32) (m convMemory) {
	m.dy, scratch = cut(scratch, b.outUp*b.padded)
	m.dg, scratch = cut(scratch, b.in*b.d)
	m.x, scratch = cut(scratch, b.d)
	m.skip, scratch = cut(scratch, b.d)
	m.dx, m.rest = cut(scratch, b.d)
	clear(m.dy[b.out*b.padded:])
	return m
}

// token handles one token; sums receives its part of DW and DBias.
func (b *convLayerBackward) token(m convMemory, sums []float32, token int) {
	dbias := sums[len(sums)-b.outUp:]
	for o := range b.out {
		row := b.inside(m.dy, o)
		if b.yNorm.some {
			b.yNorm.back(row, b.dy.row(token, o), b.y.row(token, o), o)
			if b.raw.data != nil {
				copy(b.raw.row(token, o), row)
			}
		} else {
			copy(row, b.dy.row(token, o))
		}
		dbias[o] += float32(b.sum(row))
	}
	b.convolve(m.dg, m.dy, b.turned, b.zeros, b.out, b.in, m.rest)
	switch {
	case b.dw == nil:
		b.back(m, token)
	case b.filters:
		b.filterWeights(m, sums, token)
	case b.tapColumns:
		b.channelWeights(m, sums, token)
	default:
		b.tapWeights(m, sums, token)
	}
}

// back takes the gradient of g to DX alone, and to the sums of the XNorm.
func (b *convLayerBackward) back(m convMemory, token int) {
	time := b.time[token*b.ldtime:]
	for c := range b.in {
		dx := b.dx.row(token, c)
		if !b.addDX {
			clear(dx)
		}
		b.mulAdd(dx, m.dg[c*b.d:], time)
		if b.wantsSums {
			raw := b.x.row(token, c)
			b.takeSums(b.xNorm.apply(m.x, raw, c), dx, raw, token, c)
		}
	}
}

// channel takes the gradient of g of one channel further and writes g itself.
func (b *convLayerBackward) channel(g []float32, m convMemory, token, c int) {
	cond, time := b.cond[token*b.ldcond:], b.time[token*b.ldtime:]
	dcond, dtime := b.dcond[token*b.lddcond:], b.dtime[token*b.lddtime:]
	dg := m.dg[c*b.d:]
	dx := m.dx // if nobody asks for it
	if b.dx.data != nil && !b.addDX {
		dx = b.dx.row(token, c)
	}
	raw := b.x.row(token, c)
	x := b.xNorm.apply(m.x, raw, c)
	if g = g[:b.d]; b.skip.data == nil {
		b.modulateBack(g, dx, dcond, dtime, dg, x, cond, time)
	} else {
		skip := b.skipNorm.apply(m.skip, b.skip.row(token, c), c)
		b.modulateSkipBack(g, dx, dcond, dtime, dg, x, cond, time, skip)
	}
	if b.dx.data == nil {
		return
	}
	if b.addDX {
		b.add(b.dx.row(token, c), dx)
		dx = b.dx.row(token, c)
	}
	if b.wantsSums {
		b.takeSums(x, dx, raw, token, c)
	}
}

// takeSums adds to the sums of the xNorm, for a row raw of X, x = N(raw), given
// the gradient of x. It overwrites x.
func (b *convLayerBackward) takeSums(x, dx, raw []float32, token, c int) {
	sum, along := b.xNorm.sums(x, dx, raw, c)
	sums := b.normSums[2*(token/b.group*b.in+c):]
	sums[0] += sum
	sums[1] += along
}
