package cpu

import (
	"math"

	"rpg/generator/compute"
)

// SSDBackward mirrors SSD: first the gradients of the states go back from chunk
// to chunk, in parallel over sequences and heads; then chunks are independent,
// and each sums what its heads give to DB, DC and C·Bᵀ in the order of the
// heads.
func (d *device) SSDBackward(a compute.SSDBackward) {
	b := keep[ssdBackward](d)
	b.ssd = d.newSSD(a.SSD)
	rows := a.N * a.L
	b.dy, b.lddy = inputOf(a.DY, rows, a.H*a.P)
	b.dx, b.lddx = matOf(a.DX, rows, a.H*a.P)
	b.db, b.lddb = matOf(a.DB, rows, a.S)
	b.dc, b.lddc = matOf(a.DC, rows, a.S)
	b.ddt, b.ldddt = matOf(a.DDT, rows, a.H)
	if a.Start != nil {
		b.start = sized(a.Start, a.N*a.H*a.P*a.S)
	}
	if a.DStart != nil {
		b.dstart = sized(a.DStart, a.N*a.H*a.P*a.S)
	}
	if a.DEnd != nil {
		b.dend = sized(a.DEnd, a.N*a.H*a.P*a.S)
	}
	ddtBias, daLog, dd := sized(a.DDTBias, a.H), sized(a.DALog, a.H), sized(a.DD, a.H)

	items := a.N * b.chunks
	rates, common := cut(d.common(2*a.H*rows+len(b.states)+3*a.H*items), 2*a.H*rows)
	b.dstates, b.sums = cut(common, len(b.states))
	b.keepRates(rates)
	d.parallel(a.N*a.H, b, func(a any, worker, i, _ int) {
		b := a.(*ssdBackward)
		b.passStates(b.device, b.device.scratch(worker, b.passMemory(b.device)), i/b.h, i%b.h)
	})
	d.parallel(items, b, func(a any, worker, i, _ int) {
		b := a.(*ssdBackward)
		b.chunkBackward(b.device, b.device.scratch(worker, b.memory(b.device)), i)
	})
	for head := range a.H {
		var total [3]float64
		for i := range items {
			for j, v := range b.sums[(i*a.H+head)*3:][:3] {
				total[j] += float64(v)
			}
		}
		ddtBias[head] += float32(total[0])
		daLog[head] += float32(total[1])
		dd[head] += float32(total[2])
	}
	drop(b)
}

type ssdBackward struct {
	ssd
	dy, dx, db, dc, ddt           []float32
	lddy, lddx, lddb, lddc, ldddt int
	dstart, dend                  []float32 // nil when absent
	dstates                       []float32 // gradients of the states at the ENDS of chunks, like States; without dend none for the last chunk
	sums                          []float32 // [n·chunks, h, 3]: parts of the gradients of dtBias, aLog, d
}

func (b *ssdBackward) passMemory(d *device) int {
	return b.chunk*(b.s+1) + d.sgemmScratch(b.p, b.s, b.chunk)
}

// passStates computes the gradients of one head's states at the ends of chunks.
func (b *ssdBackward) passStates(d *device, scratch []float32, seq, head int) {
	upTo, scratch := cut(scratch, b.chunk)
	c, scratch := cut(scratch, b.chunk*b.s)
	edge := (seq*b.h + head) * b.p * b.s // of this head in dstart and dend
	if b.dend != nil {
		copy(b.state(b.dstates, seq, b.chunks-1, head), b.dend[edge:])
	}
	for k := b.chunks - 1; k >= 0; k-- {
		var before []float32
		if k > 0 {
			before = b.state(b.dstates, seq, k-1, head)
		} else if b.dstart != nil {
			before = b.dstart[edge : edge+b.p*b.s]
		} else {
			break
		}
		row, q := b.rowsOf(seq, k)
		_, decays := b.rates(row, q, head)
		productsUpTo(upTo, decays)
		for i, v := range upTo[:q] {
			b.scale(c[i*b.s:(i+1)*b.s], b.c[(row+i)*b.ldc:], v)
		}
		beta := float32(0)
		if b.ends(k) {
			b.scale(before, b.state(b.dstates, seq, k, head), upTo[q-1])
			beta = 1
		}
		d.product(scratch, true, b.p, b.s, q, b.dy[row*b.lddy+head*b.p:], b.lddy, c, b.s, beta, before, b.s, full)
	}
}

// ends says whether the state at the end of chunk k has a gradient.
func (b *ssdBackward) ends(k int) bool { return k < b.chunks-1 || b.dend != nil }

// ssdChunk is the working memory of one chunk and what is known of it.
type ssdChunk struct {
	seq, k, row, q int
	wide           int       // q, up to a multiple of tileCols: the stride of square matrices
	cb, dcb        []float32 // C·Bᵀ and its gradient, [q, q]; the latter is 0 above the diagonal
	mixed, dmixed  []float32 // C·Bᵀ ∘ E and dY·Xᵀ, [q, q]
	steps          []float32
	weights        []float32 // E of the current row
	upTo, after    []float32 // decays from the start and to the end of the chunk
	du             []float32 // [q, p]: the gradient of dt·X
	side           []float32 // [q, s]
	turned         []float32 // a transposed matrix
	// Gradients of dt·A: that of token l is the sum of early over l and all tokens
	// after it and of late over all tokens before it.
	early, late []float32
	rest        []float32 // for sgemm
}

func (b *ssdBackward) memory(d *device) int {
	q, wide := b.chunk, roundUp(b.chunk, tileCols)
	return 4*q*wide + 6*wide + q*(b.p+b.s) + max(b.p, b.s)*max(wide, b.p) + d.sgemmScratch(q, max(wide, b.s, b.p), max(q, b.s, b.p))
}

// chunkBackward handles all heads of one chunk.
func (b *ssdBackward) chunkBackward(d *device, scratch []float32, item int) {
	m := ssdChunk{seq: item / b.chunks, k: item % b.chunks}
	m.row, m.q = b.rowsOf(m.seq, m.k)
	q, wide := m.q, roundUp(m.q, tileCols)
	m.wide = wide
	m.cb, scratch = cut(scratch, q*wide)
	m.dcb, scratch = cut(scratch, q*wide)
	m.mixed, scratch = cut(scratch, q*wide)
	m.dmixed, scratch = cut(scratch, q*wide)
	clear(m.dcb)
	clear(m.mixed)
	m.weights, scratch = cut(scratch, wide)
	m.steps, scratch = cut(scratch, wide)
	clear(m.steps)
	m.early, scratch = cut(scratch, wide)
	m.late, scratch = cut(scratch, wide)
	m.upTo, scratch = cut(scratch, wide)
	m.after, scratch = cut(scratch, wide)
	m.du, scratch = cut(scratch, q*b.p)
	m.side, scratch = cut(scratch, q*b.s)
	m.turned, m.rest = cut(scratch, max(b.p, b.s)*max(wide, b.p))
	in, out := b.b[m.row*b.ldb:], b.c[m.row*b.ldc:]
	db, dc := b.db[m.row*b.lddb:], b.dc[m.row*b.lddc:]
	d.turn(m.turned, wide, in, b.ldb, q, b.s)
	d.product(m.rest, false, q, wide, b.s, out, b.ldc, m.turned, wide, 0, m.cb, wide, lowerC)
	clearRows(db, b.lddb, q, b.s)
	clearRows(dc, b.lddc, q, b.s)
	for head := range b.h {
		b.headBackward(d, &m, b.sums[(item*b.h+head)*3:][:3], head)
	}
	d.product(m.rest, false, q, b.s, q, m.dcb, wide, in, b.ldb, 1, dc, b.lddc, lowerA)
	d.product(m.rest, true, q, b.s, q, m.dcb, wide, out, b.ldc, 1, db, b.lddb, upperA)
}

// headBackward handles one head of a chunk. With U = dt·X, and dH0 and dH the
// gradients of the states at the start and the end of the chunk:
//
//	dU = (C·Bᵀ ∘ E)ᵀ·dY + after·B·dHᵀ
//	dX = dt·dU + D·dY
//	d(C·Bᵀ) = dY·Uᵀ ∘ E
//	dC += upTo·dY·H0,  dB += after·U·dH
//
// The decay of token l takes part in E[i,j] for j < l <= i, in upTo[i] for
// i >= l, in after[j] for j < l, and in what is left of H0 at the end.
func (b *ssdBackward) headBackward(d *device, m *ssdChunk, sums []float32, head int) {
	q := m.q
	steps, decays := b.rates(m.row, q, head)
	x, dy := b.x[m.row*b.ldx+head*b.p:], b.dy[m.row*b.lddy+head*b.p:]
	productsUpTo(m.upTo, decays)
	total := productsAfter(m.after, decays)
	clear(m.early)
	clear(m.late)

	d.turn(m.turned, m.wide, x, b.ldx, q, b.p)
	d.product(m.rest, false, q, m.wide, b.p, dy, b.lddy, m.turned, m.wide, 0, m.dmixed, m.wide, lowerC)
	b.inside(m, steps, decays)
	d.product(m.rest, true, q, b.p, q, m.mixed, m.wide, dy, b.lddy, 0, m.du, b.p, upperA)
	var whole float64 // gradient of the logarithm of the decay over the whole chunk
	if b.ends(m.k) {
		whole = float64(total) * b.fromEnd(d, m, x, steps, head)
	}
	if m.k > 0 || b.start != nil {
		b.fromStart(d, m, dy, head)
	}
	b.finish(m, sums, x, dy, head, whole)
}

// inside goes through the decays within the chunk, given dY·Xᵀ in dmixed: it
// fills mixed, and adds to dcb and early.
func (b *ssdBackward) inside(m *ssdChunk, steps, decays []float32) {
	copy(m.steps, steps)
	clear(m.weights)
	first := 0
	for i := range m.q {
		m.weights[i] = 1
		from := first &^ 7
		lo, hi := i*m.wide+from, i*m.wide+roundUp(i+1, 8)
		clear(m.mixed[i*m.wide : lo])
		sum := b.decayBack(m.mixed[lo:hi], m.dcb[lo:], m.early[from:], m.weights[from:], m.cb[lo:], m.dmixed[lo:], m.steps[from:], nextDecay(decays, i))
		m.early[i] += float32(sum)
		first = forget(m.weights[:i], first)
	}
}

// fromEnd takes in the gradient dH of the state at the end of the chunk. It
// returns Σ dH·H0.
func (b *ssdBackward) fromEnd(d *device, m *ssdChunk, x, steps []float32, head int) float64 {
	q := m.q
	dstate := b.state(b.dstates, m.seq, m.k, head)
	for j, v := range m.after[:q] {
		b.scale(m.side[j*b.s:(j+1)*b.s], b.b[(m.row+j)*b.ldb:], v)
	}
	d.turn(m.turned, b.p, dstate, b.s, b.p, b.s)
	d.product(m.rest, false, q, b.p, b.s, m.side, b.s, m.turned, b.p, 1, m.du, b.p, full)
	d.product(m.rest, false, q, b.s, b.p, x, b.ldx, dstate, b.s, 0, m.side, b.s, full)
	for j, v := range m.after[:q] {
		m.late[j] = float32(b.addScaled(b.db[(m.row+j)*b.lddb:][:b.s], m.side[j*b.s:], b.b[(m.row+j)*b.ldb:], steps[j]*v))
	}
	return b.dot(dstate, b.state(b.states, m.seq, m.k, head))
}

// fromStart takes in the state at the start of the chunk.
func (b *ssdBackward) fromStart(d *device, m *ssdChunk, dy []float32, head int) {
	q := m.q
	d.product(m.rest, false, q, b.s, b.p, dy, b.lddy, b.state(b.states, m.seq, m.k, head), b.s, 0, m.side, b.s, full)
	for i, v := range m.upTo[:q] {
		m.early[i] += float32(b.addScaled(b.dc[(m.row+i)*b.lddc:][:b.s], m.side[i*b.s:], b.c[(m.row+i)*b.ldc:], v))
	}
}

// finish computes DX and DDT of one head and its sums for the parameters.
func (b *ssdBackward) finish(m *ssdChunk, sums, x, dy []float32, head int, whole float64) {
	steps, _ := b.rates(m.row, m.q, head)
	var sum float64
	for l := m.q - 1; l >= 0; l-- {
		sum += float64(m.early[l])
		m.early[l] = float32(sum)
	}
	rate := -math.Exp(float64(b.aLog[head]))
	var ddtBias, daLog, dd, late float64
	for l, step := range steps {
		u, v := x[l*b.ldx:][:b.p], dy[l*b.lddy:][:b.p]
		dx, du := b.dx[(m.row+l)*b.lddx+head*b.p:][:b.p], m.du[l*b.p:(l+1)*b.p]
		along, skipped := b.mix(dx, du, v, u, step, b.d[head])
		dd += skipped
		dlog := float64(m.early[l]) + late + whole // gradient of step·rate
		late += float64(m.late[l])
		daLog += dlog * float64(step) * rate
		slope := 1 / (1 + exp(-b.dt[(m.row+l)*b.lddt+head]-b.dtBias[head]))
		g := float32(along+dlog*rate) * slope
		b.ddt[(m.row+l)*b.ldddt+head] = g
		ddtBias += float64(g)
	}
	sums[0], sums[1], sums[2] = float32(ddtBias), float32(daLog), float32(dd)
}
