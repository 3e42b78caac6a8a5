package cpu

import "rpg/generator/compute"

// ConvLayer computes each token by itself: g goes into working memory with zeros
// at both ends of each channel. If minimal filtering pays (filters), the rest is
// there. Else every tap of the convolution is the same rows read one value
// farther, and tiles of Y are formed from there and from the weights, which are
// packed once.
func (d *device) ConvLayer(a compute.ConvLayer) {
	l := keep[convLayer](d)
	*l = d.newConvLayer(a)
	l.take(a)
	l.y = outputSignals(a.Y, a.Tokens, a.Out, a.D)
	rows := roundUp(a.Out, tileRows)
	l.packed, l.start = cut(d.common(rows*l.packedTaps()*a.In+2*rows), rows*l.packedTaps()*a.In)
	l.start, l.zeros = cut(l.start, rows)
	clear(l.zeros)
	clear(l.start)
	copy(l.start, l.bias)
	if a.YNorm != nil {
		l.measures = d.partials(2 * (a.Tokens + 1) * a.Out)
	}
	if l.activate = a.ELU; a.Packed != nil {
		l.packed = sized(a.Packed, rows*l.packedTaps()*a.In)
	} else {
		d.parallel(rows/tileRows, l, func(a any, _, i, _ int) { a.(*convLayer).packForward(i) })
	}
	d.parallel(a.Tokens, l, func(a any, worker, token, _ int) {
		l := a.(*convLayer)
		g, rest := cut(l.device.scratch(worker, l.in*l.padded+max(l.d, l.convolveMemory(l.in, l.out))), l.in*l.padded)
		l.pad(g, rest[:l.d], token)
		y := l.y.token(token)
		l.convolve(y, g, l.packed, l.start, l.in, l.out, rest)
		if l.activate {
			l.elu(y, y, 0, 1, 0)
		}
		if l.measures != nil {
			for o := range l.out {
				at := 2 * (token*l.out + o)
				l.measures[at], l.measures[at+1] = l.measure(y[o*l.d : (o+1)*l.d])
			}
		}
	})
	if a.YNorm != nil {
		rows := 2 * a.Tokens * a.Out
		setStatistics(a.YNorm, l.measures[:rows], l.measures[rows:], a.Out, a.D)
	}
	drop(l)
}

// PackConvLayer returns the panels of the weights.
func (d *device) PackConvLayer(a compute.ConvLayer) compute.Buffer {
	l := convLayer{in: a.In, out: a.Out, k: a.K, filters: filters(a.In, a.Out, a.K, a.D), weights: sized(a.W, a.Out*a.In*a.K)}
	panels := roundUp(a.Out, tileRows) / tileRows
	l.packed = make([]float32, panels*tileRows*l.packedTaps()*a.In)
	for i := range panels {
		l.packForward(i)
	}
	return buffer(l.packed)
}

// convLayer holds the checked arguments that both directions share.
type convLayer struct {
	loops
	device          *device
	kernel          *kernel
	tokens          int
	in, out, k, d   int
	filters         bool // by minimal filtering
	lead            int  // zeros before a row
	padded          int  // values of a row with its zeros
	tile            tileFunc
	x, skip         signals // skip may have no data
	xNorm, skipNorm batchNorm
	cond, time      []float32
	ldcond, ldtime  int
	weights, bias   []float32

	// Of the forward pass: the output, the packed weights, and from what the sums
	// of each channel start.
	y             signals
	packed, start []float32
	zeros         []float32 // as many as channels, up to full panels
	activate      bool      // ELU at the end
	measures      []float64 // of the rows of y, when it is normalized
}

// signals are channels of width d of tokens that are stride values apart.
type signals struct {
	data                []float32
	stride, channels, d int
}

func inputSignals(m compute.Matrix, tokens, channels, d int) signals {
	data, stride := inputOf(m, tokens, channels*d)
	return signals{data, stride, channels, d}
}

func outputSignals(m compute.Matrix, tokens, channels, d int) signals {
	data, stride := matOf(m, tokens, channels*d)
	return signals{data, stride, channels, d}
}

// row returns the values of channel c of a token.
func (s signals) row(token, c int) []float32 { return s.data[token*s.stride+c*s.d:][:s.d] }

// token returns all channels of a token.
func (s signals) token(token int) []float32 { return s.data[token*s.stride:][:s.channels*s.d] }

// packedTaps is the number of packed values that a weight's taps become.
func (l *convLayer) packedTaps() int {
	if l.filters {
		return filterPoints
	}
	return l.k
}

// convolveMemory is the working memory of convolve.
func (l *convLayer) convolveMemory(in, out int) int {
	if l.filters {
		return 2*filterBlock + 4*phase + (in+roundUp(out, tileRows))*filterRow
	}
	return tileRows * tileCols
}

func (d *device) newConvLayer(a compute.ConvLayer) convLayer {
	if a.Tokens < 0 || a.In < 1 || a.Out < 1 || a.D < 1 || a.K < 1 || a.K%2 == 0 {
		panic(errShape)
	}
	l := convLayer{loops: d.loops(), device: d, kernel: d.kernel, tokens: a.Tokens, in: a.In, out: a.Out, k: a.K, d: a.D, tile: chooseTile(d.kernel.name)}
	// The last tile reads tileCols values from the last tap on.
	l.lead, l.padded = a.K/2, roundUp(roundUp(a.D, tileCols)+a.K-1, 16)
	if l.filters = filters(a.In, a.Out, a.K, a.D); l.filters {
		l.lead, l.padded = filterLead, filterLength(a.D)
	}
	l.time, l.ldtime = inputOf(a.Time, a.Tokens, a.D)
	l.weights, l.bias = sized(a.W, a.Out*a.In*a.K), sized(a.Bias, a.Out)
	return l
}

// take checks the inputs of which g is made.
func (l *convLayer) take(a compute.ConvLayer) {
	l.x = inputSignals(a.X, a.Tokens, a.In, a.D)
	if !absent(a.Skip) {
		l.skip = inputSignals(a.Skip, a.Tokens, a.In, a.D)
	}
	l.cond, l.ldcond = inputOf(a.Cond, a.Tokens, a.D)
	l.xNorm, l.skipNorm = l.device.newBatchNorm(a.XNorm, a.In), l.device.newBatchNorm(a.SkipNorm, a.In)
}

// packForward fills panel i of the weights: [K, In, tileRows] of its output
// channels, 0 for channels that do not exist.
func (l *convLayer) packForward(i int) {
	if l.filters {
		l.packFilter(l.packed, i, roundUp(l.out, tileRows)/tileRows, l.in, l.out, false)
		return
	}
	size := l.k * l.in * tileRows
	w := l.packed[i*size : (i+1)*size]
	clear(w)
	for r := range min(tileRows, l.out-i*tileRows) {
		from := l.weights[(i*tileRows+r)*l.in*l.k:]
		for c := range l.in {
			for t := range l.k {
				w[(t*l.in+c)*tileRows+r] = from[c*l.k+t]
			}
		}
	}
}

// pad writes g of one token, [In, padded]. skip is memory for a row.
func (l *convLayer) pad(g, skip []float32, token int) {
	cond, time := l.cond[token*l.ldcond:][:l.d], l.time[token*l.ldtime:][:l.d]
	for c := range l.in {
		row := l.inside(g, c)
		x := l.xNorm.apply(row, l.x.row(token, c), c)
		if l.skip.data == nil {
			l.modulate(row, x, cond, time)
		} else {
			l.modulateSkip(row, x, cond, time, l.skipNorm.apply(skip, l.skip.row(token, c), c))
		}
	}
}

// inside returns the signal of row c of padded rows, after clearing what is
// around it.
func (l *convLayer) inside(rows []float32, c int) []float32 {
	row := rows[c*l.padded : (c+1)*l.padded]
	clear(row[:l.lead])
	clear(row[l.lead+l.d:])
	return row[l.lead:][:l.d]
}

// convolve computes dst [out, d] from src [in, padded]; w is packed, init, the
// value from which sums start, has a value for each row of each panel. memory is
// for convolveMemory values.
func (l *convLayer) convolve(dst, src, w, init []float32, in, out int, memory []float32) {
	if l.filters {
		rows := roundUp(out, tileRows)
		row, memory := cut(memory, 2*filterBlock)
		phases, memory := cut(memory, 4*phase)
		v, m := cut(memory, in*filterRow)
		for b := range (l.d + filterBlock - 1) / filterBlock {
			l.filterSignals(v, src, phases, b, in, l.padded)
			l.filterProducts(m, v, w, in, rows)
			l.filterOutputs(dst, m, init, row, b, out, l.d)
		}
		return
	}
	for j := 0; j < l.d; j += tileCols {
		for o := 0; o < out; o += tileRows {
			panel := &w[o*l.k*in]
			rows, cols := min(tileRows, out-o), min(tileCols, l.d-j)
			if rows == tileRows && cols == tileCols {
				l.tile(l.k, in, panel, 1, tileRows, &src[j], 1, l.padded, &dst[o*l.d+j], l.d, &init[o])
				continue
			}
			l.tile(l.k, in, panel, 1, tileRows, &src[j], 1, l.padded, &memory[0], tileCols, &init[o])
			for r := range rows {
				copy(dst[(o+r)*l.d+j:][:cols], memory[r*tileCols:])
			}
		}
	}
}
