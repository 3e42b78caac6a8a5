package cpu

import "rpg/generator/compute"

// AttentionBackward takes one head of one sequence at a time, in parallel, and in
// it block by block of keys the blocks of queries that see them. With W the
// weights, S the scores before their scale and r_i = dY_i·Y_i:
//
//	dV = Wᵀ·dY,  dS = W ∘ (dY·Vᵀ - r)/sqrt(P),  dQ = dS·K,  dK = dSᵀ·Q
//
// dQ is summed in the order of the blocks of keys.
func (d *device) AttentionBackward(a compute.AttentionBackward) {
	if a.First != 0 {
		panic(errShape)
	}
	b := keep[attentionBackward](d)
	b.attention = d.newAttention(a.Attention)
	rows, width := a.N*a.L, a.H*a.P
	b.y, b.lse = input(a.Y, rows, width), input(a.LSE, rows, a.H)
	b.dy = input(a.DY, rows, width)
	b.dq, b.dk, b.dv = output(a.DQ, rows, width), output(a.DK, rows, width), output(a.DV, rows, width)
	d.parallel(a.N*a.H, b, func(a any, worker, i, _ int) {
		b := a.(*attentionBackward)
		b.head(b.device.scratch(worker, b.memory()), i/b.h, i%b.h)
	})
	drop(b)
}

type attentionBackward struct {
	attention
	dy, dq, dk, dv matrix
}

func (b *attentionBackward) memory() int {
	return 6*b.block + 2*b.squares + roundUp(b.l, attentionBlock)*b.p + b.l + b.productMemory()
}

// attentionHead is the working memory of one head of one sequence.
type attentionHead struct {
	seq, head       int
	q, dy           []float32 // a block of queries, times the scale, and of dY
	k, v            []float32 // a block of keys and values, transposed
	dk, dv          []float32 // sums of a block
	scores, dscores []float32
	dq              []float32 // [l, p], before the scale
	along           []float32 // [l]: dY_i·Y_i
	rest            []float32
}

// head computes the gradients of one head of one sequence.
func (b *attentionBackward) head(scratch []float32, seq, head int) {
	m := attentionHead{seq: seq, head: head}
	for _, part := range []*[]float32{&m.q, &m.dy, &m.k, &m.v, &m.dk, &m.dv} {
		*part, scratch = cut(scratch, b.block)
	}
	m.scores, scratch = cut(scratch, b.squares)
	m.dscores, scratch = cut(scratch, b.squares)
	m.dq, scratch = cut(scratch, roundUp(b.l, attentionBlock)*b.p)
	m.along, m.rest = cut(scratch, b.l)
	clear(m.dq)
	lo, hi := head*b.p, (head+1)*b.p
	for i := range m.along {
		row := seq*b.l + i
		m.along[i] = float32(b.dot(b.dy.row(row)[lo:hi], b.y.row(row)[lo:hi]))
	}
	for j0 := 0; j0 < b.l; j0 += attentionBlock {
		keys := min(attentionBlock, b.l-j0)
		k, ldk := b.headRows(b.k, seq*b.l+j0, head)
		v, ldv := b.headRows(b.v, seq*b.l+j0, head)
		b.device.turn(m.k, attentionBlock, k, ldk, keys, b.p)
		b.device.turn(m.v, attentionBlock, v, ldv, keys, b.p)
		clear(m.dk)
		clear(m.dv)
		for i0 := j0; i0 < b.l; i0 += attentionBlock {
			b.blocks(&m, i0, j0, keys)
		}
		for j := range keys {
			row := seq*b.l + j0 + j
			copy(b.dk.row(row)[lo:hi], m.dk[j*b.p:])
			copy(b.dv.row(row)[lo:hi], m.dv[j*b.p:])
		}
	}
	for i := range b.l {
		b.loops.scale(b.dq.row(seq*b.l + i)[lo:hi], m.dq[i*b.p:], b.scale)
	}
}

// blocks adds what the queries from i0 on have to do with the keys from j0 on.
func (b *attentionBackward) blocks(m *attentionHead, i0, j0, keys int) {
	const wide = attentionBlock
	count, row := min(wide, b.l-i0), m.seq*b.l+i0
	rows := b.load(m.q, b.q, row, m.head, count, b.scale)
	b.load(m.dy, b.dy, row, m.head, count, 1)
	b.device.product(m.rest, false, rows, wide, b.p, m.q, b.p, m.k, wide, 0, m.scores, wide, full)
	b.device.product(m.rest, false, rows, wide, b.p, m.dy, b.p, m.v, wide, 0, m.dscores, wide, full)
	for i := range rows {
		seen := 0
		if i < count {
			seen = min(keys, i0+i+1-j0)
			b.attendBack(m.scores[i*wide:][:seen], m.dscores[i*wide:], b.lse.row(row + i)[m.head], m.along[i0+i])
		}
		clear(m.scores[i*wide+seen : (i+1)*wide])
		clear(m.dscores[i*wide+seen : (i+1)*wide])
	}
	k, ldk := b.headRows(b.k, m.seq*b.l+j0, m.head)
	b.device.product(m.rest, true, wide, b.p, rows, m.scores, wide, m.dy, b.p, 1, m.dv, b.p, full)
	b.device.product(m.rest, true, wide, b.p, rows, m.dscores, wide, m.q, b.p, 1, m.dk, b.p, full)
	b.device.product(m.rest, false, rows, b.p, keys, m.dscores, wide, k, ldk, 1, m.dq[i0*b.p:], b.p, full)
}
