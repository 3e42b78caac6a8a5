package cpu

import "rpg/generator/compute"

// ConvLayer computes each token by itself: g goes into working memory with K/2
// zeros at both ends of each channel, so that every tap of the convolution is
// the same rows read one value farther, and tiles of Y are formed from there
// and from the weights, which are packed once.
func (d *device) ConvLayer(a compute.ConvLayer) {
	l := keep[convLayer](d)
	*l = d.newConvLayer(a)
	l.y = sized(a.Y, a.Tokens*a.Out*a.D)
	rows := roundUp(a.Out, tileRows)
	l.packed, l.start = cut(d.common(rows*a.K*a.In+rows), rows*a.K*a.In)
	clear(l.start)
	copy(l.start, l.bias)
	if a.YNorm != nil {
		l.measures = d.partials(2 * (a.Tokens + 1) * a.Out)
	}
	if l.activate = a.ELU; a.Packed != nil {
		l.packed = sized(a.Packed, rows*a.K*a.In)
	} else {
		d.parallel(rows/tileRows, l, func(a any, _, i, _ int) { a.(*convLayer).packForward(i) })
	}
	d.parallel(a.Tokens, l, func(a any, worker, token, _ int) {
		l := a.(*convLayer)
		scratch := l.device.scratch(worker, l.in*l.padded+tileRows*tileCols+l.d)
		g, scratch := cut(scratch, l.in*l.padded)
		skip, tile := cut(scratch, l.d)
		l.pad(g, skip, token)
		y := l.y[token*l.out*l.d:][:l.out*l.d]
		l.convolve(y, g, l.packed, l.start, l.in, l.out, tile)
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
	panels := roundUp(a.Out, tileRows) / tileRows
	packed := make([]float32, panels*tileRows*a.K*a.In)
	l := convLayer{in: a.In, out: a.Out, k: a.K, weights: sized(a.W, a.Out*a.In*a.K), packed: packed}
	for i := range panels {
		l.packForward(i)
	}
	return buffer(packed)
}

// convLayer holds the checked arguments that both directions share.
type convLayer struct {
	loops
	device          *device
	kernel          *kernel
	in, out, k, d   int
	padded          int // values of a row with its zeros
	tile            tileFunc
	x, skip         []float32
	cond, time      []float32
	ldcond, ldtime  int
	weights, bias   []float32
	xNorm, skipNorm batchNorm

	// Of the forward pass: the output, the packed weights, and from what the sums
	// of each channel start.
	y, packed, start []float32
	activate         bool      // ELU at the end
	measures         []float64 // of the rows of y, when it is normalized
}

func (d *device) newConvLayer(a compute.ConvLayer) convLayer {
	if a.Tokens < 0 || a.In < 1 || a.Out < 1 || a.D < 1 || a.K < 1 || a.K%2 == 0 {
		panic(errShape)
	}
	l := convLayer{loops: d.loops(), device: d, kernel: d.kernel, in: a.In, out: a.Out, k: a.K, d: a.D, tile: chooseTile(d.kernel.name)}
	// The last tile reads tileCols values from the last tap on.
	l.padded = roundUp(roundUp(a.D, tileCols)+a.K-1, 16)
	l.x = sized(a.X, a.Tokens*a.In*a.D)
	if a.Skip != nil {
		l.skip = sized(a.Skip, a.Tokens*a.In*a.D)
	}
	l.cond, l.ldcond = inputOf(a.Cond, a.Tokens, a.D)
	l.time, l.ldtime = inputOf(a.Time, a.Tokens, a.D)
	l.xNorm, l.skipNorm = d.newBatchNorm(a.XNorm, a.In), d.newBatchNorm(a.SkipNorm, a.In)
	l.weights, l.bias = sized(a.W, a.Out*a.In*a.K), sized(a.Bias, a.Out)
	return l
}

// packForward fills panel i of the weights: [K, In, tileRows] of its output
// channels, 0 for channels that do not exist.
func (l *convLayer) packForward(i int) {
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
	half := l.k / 2
	cond, time := l.cond[token*l.ldcond:][:l.d], l.time[token*l.ldtime:][:l.d]
	for c := range l.in {
		row := g[c*l.padded : (c+1)*l.padded]
		clear(row[:half])
		clear(row[half+l.d:])
		row = row[half:][:l.d]
		at := (token*l.in + c) * l.d
		x := l.xNorm.apply(row, l.x[at:at+l.d], c)
		if l.skip == nil {
			l.modulate(row, x, cond, time)
		} else {
			l.modulateSkip(row, x, cond, time, l.skipNorm.apply(skip, l.skip[at:at+l.d], c))
		}
	}
}

// convolve computes dst [out, d] from src [in, padded]; w is packed, init, the
// value from which sums start, has a value for each row of each panel. tile is
// working memory for one tile.
func (l *convLayer) convolve(dst, src, w, init []float32, in, out int, tile []float32) {
	for j := 0; j < l.d; j += tileCols {
		for o := 0; o < out; o += tileRows {
			panel := &w[o*l.k*in]
			rows, cols := min(tileRows, out-o), min(tileCols, l.d-j)
			if rows == tileRows && cols == tileCols {
				l.tile(l.k, in, panel, 1, tileRows, &src[j], 1, l.padded, &dst[o*l.d+j], l.d, &init[o])
				continue
			}
			l.tile(l.k, in, panel, 1, tileRows, &src[j], 1, l.padded, &tile[0], tileCols, &init[o])
			for r := range rows {
				copy(dst[(o+r)*l.d+j:][:cols], tile[r*tileCols:])
			}
		}
	}
}
