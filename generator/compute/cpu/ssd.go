package cpu

import (
	"math"

	"rpg/generator/compute"
)

// SSD computes the scan in chunks of Q tokens (Dao & Gu 2024, section 6). With
// decay_l = exp(dt_l·A), for one head of one chunk whose first state is H0 [P, S]:
//
//	E[i,j] = decay_{j+1}·…·decay_i for j <= i, else 0
//	Y = (C·Bᵀ ∘ E)·(dt·X) + (decay_0·…·decay_i)·C·H0ᵀ + D·X
//	H0 of the next chunk = (decay_0·…·decay_{Q-1})·H0 + (dt·E[Q-1,:]·X)ᵀ·B
//
// First the states go from chunk to chunk, in parallel over sequences and heads;
// then chunks are independent of each other, and C·Bᵀ serves all heads.
//
// Decays over several tokens are products of the decays of tokens, each at most
// 1, as in the recurrence itself; nothing is ever divided by a decay.
func (d *device) SSD(a compute.SSD) {
	t := keep[ssd](d)
	*t = d.newSSD(a)
	if a.Start != nil {
		t.start = sized(a.Start, a.N*a.H*a.P*a.S)
	}
	if a.End != nil {
		t.end = sized(a.End, a.N*a.H*a.P*a.S)
	}
	t.y, t.ldy = matOf(a.Y, a.N*a.L, a.H*a.P)
	t.keepRates(d.common(2 * a.H * a.N * a.L))
	d.parallel(a.N*a.H, t, func(a any, worker, i, _ int) {
		t := a.(*ssd)
		t.passStates(t.device, t.device.scratch(worker, t.passMemory(t.device)), i/t.h, i%t.h)
	})
	d.parallel(a.N*t.chunks, t, func(a any, worker, i, _ int) {
		t := a.(*ssd)
		t.chunkForward(t.device, t.device.scratch(worker, t.forwardMemory(t.device)), t.y, t.ldy, i/t.chunks, i%t.chunks)
	})
	drop(t)
}

// negligible is a decay below which a token counts as forgotten: far below what
// float32 can tell from 0 beside other tokens, and far above the numbers near
// the end of its range, which are slow.
const negligible = 1e-20

// ssd holds the checked arguments that both directions share.
type ssd struct {
	loops
	device                       *device
	n, l, h, p, s, chunk, chunks int
	x, b, c, dt                  []float32
	ldx, ldb, ldc, lddt          int
	dtBias, aLog, d, states      []float32
	y                            []float32 // of the forward pass
	ldy                          int
	start, end                   []float32 // nil when absent
	steps, decays                []float32 // [h, n·l]: softplus(dt+bias) and exp(step·A)
}

func (d *device) newSSD(a compute.SSD) ssd {
	if a.N < 0 || a.L < 0 || a.H < 1 || a.P < 1 || a.S < 1 || a.Chunk < 1 {
		panic(errShape)
	}
	t := ssd{loops: d.loops(), device: d, n: a.N, l: a.L, h: a.H, p: a.P, s: a.S, chunk: a.Chunk, chunks: a.Chunks()}
	t.x, t.ldx = inputOf(a.X, a.N*a.L, a.H*a.P)
	t.b, t.ldb = inputOf(a.B, a.N*a.L, a.S)
	t.c, t.ldc = inputOf(a.C, a.N*a.L, a.S)
	t.dt, t.lddt = inputOf(a.DT, a.N*a.L, a.H)
	t.dtBias, t.aLog, t.d = sized(a.DTBias, a.H), sized(a.ALog, a.H), sized(a.D, a.H)
	t.states = sized(a.States, a.N*t.chunks*a.H*a.P*a.S)
	return t
}

// keepRates fills steps and decays, for which memory is given.
func (t *ssd) keepRates(memory []float32) {
	rows := t.n * t.l
	t.steps, t.decays = memory[:t.h*rows], memory[t.h*rows:]
	t.device.rows(rows, t.h, t, func(a any, _, lo, hi int) {
		t := a.(*ssd)
		rows := t.n * t.l
		for h, bias := range t.dtBias {
			rate := float32(-math.Exp(float64(t.aLog[h])))
			for row := lo; row < hi; row++ {
				step := softplus(t.dt[row*t.lddt+h] + bias)
				t.steps[h*rows+row] = step
				t.decays[h*rows+row] = exp(step * rate)
			}
		}
	})
}

// softplus is ln(1+e^v). With u = e^-|v| and s = u/(2+u) <= 1/3,
// ln(1+u) = 2·(s + s³/3 + s⁵/5 + …).
func softplus(v float32) float32 {
	u := exp(-max(v, -v))
	s := u / (2 + u)
	q := s * s
	r := 1 + q*(1.0/3+q*(1.0/5+q*(1.0/7+q*(1.0/9+q*(1.0/11+q*(1.0/13+q*(1.0/15+q*(1.0/17))))))))
	return max(v, 0) + 2*s*r
}

// span of tokens: chunk k of sequence seq has q rows from row on.
func (t *ssd) rowsOf(seq, k int) (row, q int) {
	return seq*t.l + k*t.chunk, min(t.chunk, t.l-k*t.chunk)
}

// rates returns the step sizes and decays of one head in q rows from row on.
func (t *ssd) rates(row, q, head int) (steps, decays []float32) {
	at := head*t.n*t.l + row
	return t.steps[at : at+q], t.decays[at : at+q]
}

// state returns state k of a buffer that is shaped like States.
func (t *ssd) state(states []float32, seq, k, head int) []float32 {
	at := ((seq*t.chunks+k)*t.h + head) * t.p * t.s
	return states[at : at+t.p*t.s]
}

func (t *ssd) passMemory(d *device) int {
	return t.chunk*(t.p+1) + d.sgemmScratch(t.p, t.s, t.chunk)
}

// passStates computes the states of one head at the starts of chunks.
func (t *ssd) passStates(d *device, scratch []float32, seq, head int) {
	after, scratch := cut(scratch, t.chunk)
	x, scratch := cut(scratch, t.chunk*t.p)
	edge := (seq*t.h + head) * t.p * t.s // of this head in start and end
	if t.start == nil {
		clear(t.state(t.states, seq, 0, head))
	} else {
		copy(t.state(t.states, seq, 0, head), t.start[edge:])
	}
	for k := range t.chunks {
		var next []float32
		if k+1 < t.chunks {
			next = t.state(t.states, seq, k+1, head)
		} else if t.end != nil {
			next = t.end[edge : edge+t.p*t.s]
		} else {
			break
		}
		row, q := t.rowsOf(seq, k)
		steps, decays := t.rates(row, q, head)
		total := productsAfter(after, decays)
		for j, v := range steps {
			t.scale(x[j*t.p:(j+1)*t.p], t.x[(row+j)*t.ldx+head*t.p:], v*after[j])
		}
		t.scale(next, t.state(t.states, seq, k, head), total)
		d.product(scratch, true, t.p, t.s, q, x, t.p, t.b[row*t.ldb:], t.ldb, 1, next, t.s, full)
	}
}

func cut(memory []float32, n int) (piece, rest []float32) { return memory[:n:n], memory[n:] }

// productsAfter: dst[j] = the product of decays after j. It returns that of all.
func productsAfter(dst, decays []float32) float32 {
	product := float32(1)
	for j := len(decays) - 1; j >= 0; j-- {
		dst[j] = product
		product = notNegligible(product * decays[j])
	}
	return product
}

// productsUpTo: dst[i] = the product of decays up to and with i.
func productsUpTo(dst, decays []float32) {
	product := float32(1)
	for i, v := range decays {
		product = notNegligible(product * v)
		dst[i] = product
	}
}

func notNegligible(v float32) float32 {
	if v < negligible {
		return 0
	}
	return v
}

func (t *ssd) forwardMemory(d *device) int {
	wide := roundUp(t.chunk, tileCols)
	return 2*t.chunk*wide + 2*wide + t.chunk*t.s + t.s*max(wide, t.p) + d.sgemmScratch(t.chunk, max(wide, t.p), max(t.chunk, t.s))
}

// chunkForward computes Y of all heads in one chunk. Its square matrices have
// rows of a multiple of tileCols values, which the loops over a row may use up
// to the next multiple of 8 behind the diagonal.
func (t *ssd) chunkForward(d *device, scratch, y []float32, ldy, seq, k int) {
	row, q := t.rowsOf(seq, k)
	wide := roundUp(q, tileCols)
	cb, scratch := cut(scratch, q*wide)
	mixed, scratch := cut(scratch, q*wide) // C·Bᵀ ∘ E, times dt, plus D
	weights, scratch := cut(scratch, wide)
	upTo, scratch := cut(scratch, wide)
	decayed, scratch := cut(scratch, q*t.s)
	turned, scratch := cut(scratch, t.s*max(wide, t.p))
	c := t.c[row*t.ldc:]
	d.turn(turned, wide, t.b[row*t.ldb:], t.ldb, q, t.s)
	d.product(scratch, false, q, wide, t.s, c, t.ldc, turned, wide, 0, cb, wide, lowerC)
	clear(mixed)
	for head := range t.h {
		steps, decays := t.rates(row, q, head)
		clear(weights)
		first := 0 // tokens before this one are forgotten
		for i, step := range steps {
			weights[i] = step
			lo, hi := i*wide+first&^7, i*wide+roundUp(i+1, 8)
			clear(mixed[i*wide : lo])
			t.decay(mixed[lo:hi], weights[first&^7:], cb[lo:], nextDecay(decays, i))
			mixed[i*wide+i] += t.d[head]
			first = forget(weights[:i], first)
		}
		x, out := t.x[row*t.ldx+head*t.p:], y[row*ldy+head*t.p:]
		d.product(scratch, false, q, t.p, q, mixed, wide, x, t.ldx, 0, out, ldy, lowerA)
		if k > 0 || t.start != nil {
			productsUpTo(upTo, decays)
			for i := range q {
				t.scale(decayed[i*t.s:(i+1)*t.s], c[i*t.ldc:], upTo[i])
			}
			d.turn(turned, t.p, t.state(t.states, seq, k, head), t.s, t.p, t.s)
			d.product(scratch, false, q, t.p, t.s, decayed, t.s, turned, t.p, 1, out, ldy, full)
		}
	}
}

// nextDecay is by how much weights fade from token i to the next one.
func nextDecay(decays []float32, i int) float32 {
	if i+1 < len(decays) {
		return decays[i+1]
	}
	return 0
}

// forget returns the first token, from first on, whose weight still counts. The
// weights before it become 0.
func forget(weights []float32, first int) int {
	for first < len(weights) && weights[first] < negligible {
		weights[first] = 0
		first++
	}
	return first
}
