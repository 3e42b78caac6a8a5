package cpu

import "rpg/generator/compute"

// channelBlock is the number of channels that one item of a channel-wise
// operation takes.
const channelBlock = 64

// CausalConv runs in groups of rows: the rows before a group are only read.
func (d *device) CausalConv(a compute.CausalConv) {
	c := newCausalConv(a)
	y, ldy := matOf(a.Y, a.N*a.L, c.channels)
	d.rows(a.N*a.L, c.channels, func(lo, hi int) {
		for row := lo; row < hi; row++ {
			out := y[row*ldy : row*ldy+c.channels]
			c.linear(out, row, 0)
			for i, v := range out {
				out[i] = v / (1 + exp(-v))
			}
		}
	})
}

// causalConv holds the checked arguments of a causal convolution.
type causalConv struct {
	l, k, channels int
	x, w, bias     []float32
	ldx            int
}

func newCausalConv(a compute.CausalConv) causalConv {
	if a.N < 0 || a.L < 0 || a.K < 1 {
		panic(errShape)
	}
	c := causalConv{l: a.L, k: a.K, channels: a.X.Cols}
	c.x, c.ldx = inputOf(a.X, a.N*a.L, a.X.Cols)
	c.w, c.bias = sized(a.W, c.channels*a.K), sized(a.Bias, c.channels)
	return c
}

// linear computes channels c0.. of one row before SiLU.
func (c *causalConv) linear(out []float32, row, c0 int) {
	copy(out, c.bias[c0:])
	back := min(c.k-1, row%c.l) // rows before this one that count
	if c.k == 4 && back == 3 {
		x0 := c.x[(row-3)*c.ldx+c0:][:len(out)]
		x1 := c.x[(row-2)*c.ldx+c0:][:len(out)]
		x2 := c.x[(row-1)*c.ldx+c0:][:len(out)]
		x3 := c.x[row*c.ldx+c0:][:len(out)]
		w := c.w[c0*4:]
		for i := range out {
			v := w[4*i : 4*i+4 : 4*i+4]
			out[i] += v[0]*x0[i] + v[1]*x1[i] + v[2]*x2[i] + v[3]*x3[i]
		}
		return
	}
	for k := c.k - 1 - back; k < c.k; k++ {
		x := c.x[(row-c.k+1+k)*c.ldx+c0:][:len(out)]
		for i, v := range x {
			out[i] += c.w[(c0+i)*c.k+k] * v
		}
	}
}

// CausalConvBackward runs in blocks of channels, each of which owns its part of
// DW and DBias: the sums over rows are taken from the last row to the first.
func (d *device) CausalConvBackward(a compute.CausalConvBackward) {
	c := newCausalConv(a.CausalConv)
	rows := a.N * a.L
	b := causalConvBackward{causalConv: c}
	b.dy, b.lddy = inputOf(a.DY, rows, c.channels)
	b.dx, b.lddx = matOf(a.DX, rows, c.channels)
	b.dw, b.dbias = sized(a.DW, c.channels*a.K), sized(a.DBias, c.channels)
	d.parallel((c.channels+channelBlock-1)/channelBlock, func(worker, i int) {
		lo := i * channelBlock
		width := min(channelBlock, c.channels-lo)
		scratch := d.scratch(worker, a.K*width)
		for seq := range a.N {
			b.sequence(scratch, seq*a.L, lo, width)
		}
	})
}

type causalConvBackward struct {
	causalConv
	dy, dx     []float32
	lddy, lddx int
	dw, dbias  []float32
}

// sequence handles channels c0..c0+width-1 of the sequence that begins at row
// first. ring, [K, width], keeps the gradient before SiLU of the last K rows:
// that of row r is at r%K.
func (b *causalConvBackward) sequence(ring []float32, first, c0, width int) {
	dbias := b.dbias[c0 : c0+width]
	w, dw := b.w[c0*b.k:(c0+width)*b.k], b.dw[c0*b.k:(c0+width)*b.k]
	for l := b.l - 1; l >= 0; l-- {
		row := first + l
		at := l % b.k * width
		dv := ring[at : at+width]
		b.linear(dv, row, c0)
		dy := b.dy[row*b.lddy+c0:][:width]
		for i, v := range dv {
			s := 1 / (1 + exp(-v))
			dv[i] = dy[i] * s * (1 + v*(1-s))
			dbias[i] += dv[i]
		}
		dx := b.dx[row*b.lddx+c0:][:width]
		clear(dx)
		for k := range b.k {
			ahead := b.k - 1 - k // row r+ahead read this row with weight k
			if l+ahead < b.l {
				later := ring[(l+ahead)%b.k*width:][:width]
				for i, v := range later {
					dx[i] += v * w[i*b.k+k]
				}
			}
			if l >= ahead {
				x := b.x[(row-ahead)*b.ldx+c0:][:width]
				for i, v := range x {
					dw[i*b.k+k] += dv[i] * v
				}
			}
		}
	}
}
