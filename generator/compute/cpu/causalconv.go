package cpu

import "rpg/generator/compute"

// CausalConv runs in groups of rows: the rows before a group are only read.
func (d *device) CausalConv(a compute.CausalConv) {
	c := keep[causalConv](d)
	*c = d.newCausalConv(a, d.common((a.K+1)*a.X.Cols))
	c.y = output(a.Y, a.N*a.L, c.channels)
	d.rows(a.N*a.L, c.channels, c, func(a any, _, lo, hi int) {
		c := a.(*causalConv)
		for row := lo; row < hi; row++ {
			out := c.y.row(row)
			c.linear(out, row, 0)
			c.silu(out, out)
		}
	})
	drop(c)
}

// causalConv holds the checked arguments of a causal convolution.
type causalConv struct {
	loops
	l, k, channels int
	x, bias        []float32
	ldx            int
	earlier        []float32 // the rows before each sequence, nil when absent
	ldEarlier      int
	w              []float32 // transposed: [K, C]
	zeros          []float32 // [C], for rows that do not exist
	y              matrix    // of the forward pass
}

// newCausalConv checks the arguments; memory, [K+1, C], is for w and zeros.
func (d *device) newCausalConv(a compute.CausalConv, memory []float32) causalConv {
	if a.N < 0 || a.L < 0 || a.K < 1 {
		panic(errShape)
	}
	c := causalConv{loops: d.loops(), l: a.L, k: a.K, channels: a.X.Cols, bias: sized(a.Bias, a.X.Cols)}
	c.x, c.ldx = inputOf(a.X, a.N*a.L, c.channels)
	if !absent(a.Before) {
		c.earlier, c.ldEarlier = inputOf(a.Before, a.N*(a.K-1), c.channels)
	}
	c.w, c.zeros = cut(memory, a.K*c.channels)
	for i, v := range sized(a.W, a.K*c.channels) {
		c.w[i%a.K*c.channels+i/a.K] = v
	}
	clear(c.zeros)
	return c
}

// before returns the values, from channel c0 on, of the row that lies back rows
// before the given one: zeros if its sequence has none there.
func (c *causalConv) before(row, back, c0 int) []float32 {
	switch l := row % c.l; {
	case l >= back:
		return c.x[(row-back)*c.ldx+c0:]
	case c.earlier != nil:
		return c.earlier[(row/c.l*(c.k-1)+c.k-1+l-back)*c.ldEarlier+c0:]
	}
	return c.zeros[c0:]
}

// linear computes channels c0.. of one row before SiLU.
func (c *causalConv) linear(out []float32, row, c0 int) {
	if c.k == 4 {
		c.taps4(out, c.bias[c0:], c.taps(c0), [4][]float32{
			c.before(row, 3, c0), c.before(row, 2, c0), c.before(row, 1, c0), c.before(row, 0, c0)})
		return
	}
	copy(out, c.bias[c0:])
	for k := range c.k {
		c.mulAdd(out, c.before(row, c.k-1-k, c0), c.w[k*c.channels+c0:])
	}
}

// taps returns the four rows of w from channel c0 on.
func (c *causalConv) taps(c0 int) [4][]float32 {
	w, n := c.w[c0:], c.channels
	return [4][]float32{w, w[n:], w[2*n:], w[3*n:]}
}
