package cpu

import (
	"math"

	"rpg/generator/compute"
)

// Attention takes a block of queries of one head at a time, in parallel, and for
// it the keys block by block (Dao et al. 2022): with m the largest score of a row
// so far, it keeps Σ_j exp(s_j-m) and Σ_j exp(s_j-m)·V_j, and scales both when m
// grows. Blocks of keys begin at the same keys whatever the queries, and a key
// behind a query has the weight 0, so no result depends on how queries are cut.
func (d *device) Attention(a compute.Attention) {
	t := keep[attention](d)
	*t = d.newAttention(a)
	t.y, t.lse = output(a.Y, a.N*a.L, a.H*a.P), output(a.LSE, a.N*a.L, a.H)
	blocks := (a.L + attentionBlock - 1) / attentionBlock
	d.parallel(a.N*a.H*blocks, t, func(a any, worker, i, _ int) {
		t := a.(*attention)
		blocks := (t.l + attentionBlock - 1) / attentionBlock
		t.forward(t.device.scratch(worker, t.memory()), i/blocks/t.h, i/blocks%t.h, i%blocks)
	})
	drop(t)
}

// attentionBlock is the number of queries and of keys in a block, a multiple of
// both sides of a tile.
const attentionBlock = 64

// attention holds the checked arguments of both directions.
type attention struct {
	loops
	device         *device
	n, l, h, p     int
	keys           int // of a sequence
	first          int
	scale          float32
	q, k, v, y     matrix
	lse            matrix
	block, squares int // values of a block of rows, and of its scores
}

func (d *device) newAttention(a compute.Attention) attention {
	if a.N < 1 || a.L < 1 || a.H < 1 || a.P < 1 || a.First < 0 {
		panic(errShape)
	}
	keys, width := a.First+a.L, a.H*a.P
	return attention{loops: d.loops(), device: d, n: a.N, l: a.L, h: a.H, p: a.P, keys: keys, first: a.First,
		scale: float32(1 / math.Sqrt(float64(a.P))),
		q:     input(a.Q, a.N*a.L, width), k: input(a.K, a.N*keys, width), v: input(a.V, a.N*keys, width),
		block: attentionBlock * a.P, squares: attentionBlock * attentionBlock}
}

// headRows returns the values of one head from a row on, and how far its rows are
// apart.
func (t *attention) headRows(m matrix, row, head int) ([]float32, int) {
	return m.data[row*m.stride+head*t.p:], m.stride
}

func (t *attention) memory() int {
	return 3*t.block + t.squares + 2*attentionBlock + t.productMemory()
}

// productMemory is what products of a block take.
func (t *attention) productMemory() int {
	wide := max(attentionBlock, t.p)
	return t.device.sgemmScratch(attentionBlock, wide, wide)
}

// load copies count rows of one head, times factor, and zeros up to a multiple of
// tileRows, which it returns.
func (t *attention) load(dst []float32, m matrix, row, head, count int, factor float32) int {
	src, stride := t.headRows(m, row, head)
	for i := range count {
		t.loops.scale(dst[i*t.p:(i+1)*t.p], src[i*stride:], factor)
	}
	rows := roundUp(count, tileRows)
	clear(dst[count*t.p : rows*t.p])
	return rows
}

// forward computes Y and LSE of one block of queries.
func (t *attention) forward(scratch []float32, seq, head, block int) {
	q, scratch := cut(scratch, t.block)
	turned, scratch := cut(scratch, t.block)
	sum, scratch := cut(scratch, t.block)
	scores, scratch := cut(scratch, t.squares)
	most, scratch := cut(scratch, attentionBlock)
	total, rest := cut(scratch, attentionBlock)
	i0 := block * attentionBlock
	count := min(attentionBlock, t.l-i0)
	rows := t.load(q, t.q, seq*t.l+i0, head, count, t.scale)
	clear(sum)
	clear(total)
	for i := range most {
		most[i] = float32(math.Inf(-1))
	}
	visible := t.first + i0 + count // keys that the last query sees
	for j0 := 0; j0 < visible; j0 += attentionBlock {
		keys := min(attentionBlock, visible-j0)
		k, ldk := t.headRows(t.k, seq*t.keys+j0, head)
		v, ldv := t.headRows(t.v, seq*t.keys+j0, head)
		t.device.turn(turned, attentionBlock, k, ldk, keys, t.p)
		t.device.product(rest, false, rows, attentionBlock, t.p, q, t.p, turned, attentionBlock, 0, scores, attentionBlock, full)
		for i := range count {
			row := scores[i*attentionBlock:][:keys]
			seen := max(0, min(keys, t.first+i0+i+1-j0))
			clear(row[seen:])
			if seen > 0 {
				t.weigh(row[:seen], sum[i*t.p:(i+1)*t.p], &most[i], &total[i])
			}
		}
		t.device.product(rest, false, rows, t.p, keys, scores, attentionBlock, v, ldv, 1, sum, t.p, full)
	}
	for i := range count {
		row := seq*t.l + i0 + i
		t.loops.scale(t.y.row(row)[head*t.p:(head+1)*t.p], sum[i*t.p:], 1/total[i])
		t.lse.row(row)[head] = most[i] + float32(math.Log(float64(total[i])))
	}
}

// weigh turns the scores of one query in one block into weights and brings its
// sums so far to the new largest score.
func (t *attention) weigh(scores, sum []float32, most, total *float32) {
	larger := *most
	for _, v := range scores {
		if v > larger {
			larger = v
		}
	}
	if fade := exp(*most - larger); fade != 1 { // 0 at first
		t.loops.scale(sum, sum, fade)
		*total *= fade
	}
	*most = larger
	*total += float32(t.expSum(scores, scores, larger))
}
