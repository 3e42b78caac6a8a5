package cpu

import "rpg/generator/compute"

// channelBlock is the number of channels that one item of the backward pass
// takes.
const channelBlock = 256

// CausalConvBackward runs in parallel over sequences and blocks of channels.
// The gradients of W and Bias are summed over a sequence, from its last row to
// its first, and then over the sequences in their order.
func (d *device) CausalConvBackward(a compute.CausalConvBackward) {
	rows, channels := a.N*a.L, a.X.Cols
	memory, parts := cut(d.common((a.K+1)*channels*(a.N+1)), (a.K+1)*channels)
	b := keep[causalConvBackward](d)
	b.causalConv, b.device, b.parts = d.newCausalConv(a.CausalConv, memory), d, parts
	b.dy, b.lddy = inputOf(a.DY, rows, channels)
	b.dx, b.lddx = matOf(a.DX, rows, channels)
	if !absent(a.DBefore) {
		b.dearlier, b.ldDearlier = matOf(a.DBefore, a.N*(a.K-1), channels)
	}
	dw, dbias := sized(a.DW, channels*a.K), sized(a.DBias, channels)
	b.blocks = (channels + channelBlock - 1) / channelBlock
	d.parallel(a.N*b.blocks, b, func(a any, worker, i, _ int) {
		b := a.(*causalConvBackward)
		seq, c0 := i/b.blocks, i%b.blocks*channelBlock
		width, size := min(channelBlock, b.channels-c0), (b.k+1)*b.channels
		b.sequence(b.device.scratch(worker, b.k*width), b.parts[seq*size:(seq+1)*size], seq*b.l, c0, width)
	})
	for seq := range a.N {
		part := parts[seq*len(memory):]
		b.add(dbias, part[:channels])
		for i, v := range part[channels:][:len(dw)] {
			dw[i%channels*a.K+i/channels] += v
		}
	}
	drop(b)
}

type causalConvBackward struct {
	causalConv
	device     *device
	blocks     int       // of channels
	parts      []float32 // [N, K+1, C]: sums of each sequence
	dy, dx     []float32
	lddy, lddx int
	dearlier   []float32 // nil when absent
	ldDearlier int
}

// sequence handles channels c0..c0+width-1 of the sequence that begins at row
// first. part, [1+K, C], receives the gradients of bias and w, the latter
// transposed. ring, [K, width], keeps the gradient before SiLU of the last K
// rows: that of row r is at r%K.
func (b *causalConvBackward) sequence(ring, part []float32, first, c0, width int) {
	sums := func(i int) []float32 { return part[i*b.channels+c0:][:width] }
	for i := range b.k + 1 {
		clear(sums(i))
	}
	// after is the gradient before SiLU of row l+ahead.
	after := func(l, ahead int) []float32 {
		if l+ahead >= b.l {
			return b.zeros[c0:]
		}
		return ring[(l+ahead)%b.k*width:][:width]
	}
	for l := b.l - 1; l >= 0; l-- {
		row := first + l
		dv := after(l, 0)
		b.linear(dv, row, c0)
		b.siluBack(dv, b.dy[row*b.lddy+c0:], dv)
		dx := b.dx[row*b.lddx+c0:][:width]
		if b.k == 4 {
			b.taps4Back(sums(0), [4][]float32{sums(1), sums(2), sums(3), sums(4)}, dv, [4][]float32{
				b.before(row, 3, c0), b.before(row, 2, c0), b.before(row, 1, c0), b.before(row, 0, c0)})
			b.taps4(dx, b.zeros[c0:], b.taps(c0), [4][]float32{after(l, 3), after(l, 2), after(l, 1), dv})
			continue
		}
		b.add(sums(0), dv)
		clear(dx)
		for k := range b.k { // row l+K-1-k reads this row with weight k
			b.mulAdd(sums(1+k), dv, b.before(row, b.k-1-k, c0))
			b.mulAdd(dx, after(l, b.k-1-k), b.w[k*b.channels+c0:])
		}
	}
	if b.dearlier == nil {
		return
	}
	for back := 1; back < b.k; back++ { // the row that lies back rows before the first one
		dx := b.dearlier[(first/b.l*(b.k-1)+b.k-1-back)*b.ldDearlier+c0:][:width]
		clear(dx)
		for k := range b.k - back { // row K-1-k-back reads it with weight k
			b.mulAdd(dx, after(-back, b.k-1-k), b.w[k*b.channels+c0:])
		}
	}
}
