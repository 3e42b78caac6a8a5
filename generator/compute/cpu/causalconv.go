package cpu

import "rpg/generator/compute"

// channelBlock is the number of channels that one item of the backward pass
// takes.
const channelBlock = 64

// CausalConv runs in groups of rows: the rows before a group are only read.
func (d *device) CausalConv(a compute.CausalConv) {
	c := d.newCausalConv(a)
	y, ldy := matOf(a.Y, a.N*a.L, c.channels)
	d.rows(a.N*a.L, c.channels, func(lo, hi int) {
		for row := lo; row < hi; row++ {
			out := y[row*ldy : row*ldy+c.channels]
			c.linear(out, row, 0)
			c.silu(out, out)
		}
	})
}

// causalConv holds the checked arguments of a causal convolution.
type causalConv struct {
	loops
	l, k, channels int
	x, bias        []float32
	ldx            int
	w              []float32 // transposed: [K, C]
}

// newCausalConv checks the arguments and puts w into the beginning of common
// memory.
func (d *device) newCausalConv(a compute.CausalConv) causalConv {
	if a.N < 0 || a.L < 0 || a.K < 1 {
		panic(errShape)
	}
	c := causalConv{loops: d.loops(), l: a.L, k: a.K, channels: a.X.Cols}
	c.x, c.ldx = inputOf(a.X, a.N*a.L, a.X.Cols)
	c.bias, c.w = sized(a.Bias, c.channels), d.common(c.channels*a.K)
	for i, v := range sized(a.W, c.channels*a.K) {
		c.w[i%a.K*c.channels+i/a.K] = v
	}
	return c
}

// linear computes channels c0.. of one row before SiLU.
func (c *causalConv) linear(out []float32, row, c0 int) {
	copy(out, c.bias[c0:])
	for back := min(c.k-1, row%c.l); back >= 0; back-- {
		c.mulAdd(out, c.x[(row-back)*c.ldx+c0:], c.w[(c.k-1-back)*c.channels+c0:])
	}
}

// CausalConvBackward runs in blocks of channels, each of which owns its part of
// DW and DBias: the sums over rows are taken from the last row to the first.
func (d *device) CausalConvBackward(a compute.CausalConvBackward) {
	c := d.newCausalConv(a.CausalConv)
	rows := a.N * a.L
	b := causalConvBackward{causalConv: c}
	b.dy, b.lddy = inputOf(a.DY, rows, c.channels)
	b.dx, b.lddx = matOf(a.DX, rows, c.channels)
	dw, dbias := sized(a.DW, c.channels*a.K), sized(a.DBias, c.channels)
	d.parallel((c.channels+channelBlock-1)/channelBlock, func(worker, i int) {
		c0 := i * channelBlock
		width := min(channelBlock, c.channels-c0)
		ring, rest := cut(d.scratch(worker, (2*a.K+1)*width), a.K*width)
		sums, ones := cut(rest, a.K*width)
		clear(sums)
		for j := range ones {
			ones[j] = 1
		}
		for seq := range a.N {
			b.sequence(ring, sums, ones, dbias[c0:c0+width], seq*a.L, c0)
		}
		for j, v := range sums {
			dw[(c0+j%width)*a.K+j/width] += v
		}
	})
}

type causalConvBackward struct {
	causalConv
	dy, dx     []float32
	lddy, lddx int
}

// sequence handles channels from c0 on, as many as dbias has, of the sequence
// that begins at row first. ring, [K, width], keeps the gradient before SiLU of
// the last K rows: that of row r is at r%K. dw, [K, width], receives the
// gradient of w.
func (b *causalConvBackward) sequence(ring, dw, ones, dbias []float32, first, c0 int) {
	width := len(dbias)
	for l := b.l - 1; l >= 0; l-- {
		row := first + l
		at := l % b.k * width
		dv := ring[at : at+width]
		b.linear(dv, row, c0)
		b.siluBack(dv, b.dy[row*b.lddy+c0:], dv)
		b.mulAdd(dbias, dv, ones)
		dx := b.dx[row*b.lddx+c0:][:width]
		clear(dx)
		for ahead := range b.k { // row r+ahead read this row with weight K-1-ahead
			k := b.k - 1 - ahead
			if l+ahead < b.l {
				b.mulAdd(dx, ring[(l+ahead)%b.k*width:], b.w[k*b.channels+c0:])
			}
			if l >= ahead {
				b.mulAdd(dw[k*width:(k+1)*width], dv, b.x[(row-ahead)*b.ldx+c0:])
			}
		}
	}
}
