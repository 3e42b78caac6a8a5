package cpu

import "rpg/generator/compute"

// LSTMBackward goes from the last token to the first. What the gates of one token
// give to h of the one before is the product dgates·W, in tiles of 32 units and
// up to 8 sequences.
func (d *device) LSTMBackward(a compute.LSTMBackward) {
	b := keep[lstmBackward](d)
	b.lstm = d.newLSTM(a.LSTM)
	b.dh, b.dgates = input(a.DH, a.N*a.L, a.M), output(a.DGates, a.N*a.L, 4*a.M)
	groups, rows := (a.M+tileCols-1)/tileCols, roundUp(a.N, tileRows)
	size := groups * tileCols * 4 * a.M
	b.packed, b.cells = cut(d.common(size+2*rows*4*a.M+2*a.N*a.M), size)
	for i := range b.later {
		b.later[i], b.cells = cut(b.cells, rows*4*a.M)
		clear(b.later[i])
	}
	clear(b.cells)
	b.dc, b.cells = cut(b.cells, a.N*a.M)
	start, first := edge(a.Start, a.LSTM), 0
	b.dstart, b.dend = edge(a.DStart, a.LSTM), edge(a.DEnd, a.LSTM)
	if b.dstart != nil {
		first = -1 // what is before the first token
	}
	for seq := range a.N {
		if start != nil {
			copy(b.cells[seq*a.M:][:a.M], start[(2*seq+1)*a.M:])
		}
		if b.dend != nil {
			copy(b.dc[seq*a.M:][:a.M], b.dend[(2*seq+1)*a.M:])
		}
	}
	d.parallel(groups, b, func(a any, _, i, _ int) { a.(*lstmBackward).pack(i) })
	for b.token = a.L - 1; b.token >= first; b.token-- {
		d.split(groups, tilesOfItem(rows, 4*a.M), b, func(a any, worker, lo, hi int) {
			b := a.(*lstmBackward)
			tile := b.device.scratch(worker, roundUp(b.n, tileRows)*tileCols)
			for group := lo; group < hi; group++ {
				b.units(tile, group)
			}
		})
	}
	drop(b)
}

type lstmBackward struct {
	lstm
	dh, dgates matrix
	later      [2][]float32 // dgates of the token after and of this one, by parity: [n up to a multiple of tileRows, 4m]
	dc         []float32    // [n, m]: gradient of c from the tokens after

	dstart, dend []float32 // nil when absent
}

// pack fills the tile columns of 32 units, [4m, 32].
func (b *lstmBackward) pack(group int) {
	to := b.packed[group*tileCols*4*b.m:][:tileCols*4*b.m]
	first := group * tileCols
	units := min(tileCols, b.m-first)
	clear(to)
	for k := range 4 * b.m {
		copy(to[k*tileCols:], b.w[k*b.m+first:][:units])
	}
}

// units computes the gradients of 32 units of the token in progress.
func (b *lstmBackward) units(tile []float32, group int) {
	first := group * tileCols
	end := min(first+tileCols, b.m)
	later, now := b.later[(b.token+1)&1], b.later[b.token&1]
	clear(tile)
	for seq := range b.n {
		dh := tile[seq*tileCols:][:end-first]
		if b.token >= 0 {
			copy(dh, b.dh.row(seq*b.l + b.token)[first:end])
		}
		if b.token == b.l-1 && b.dend != nil {
			b.add(dh, b.dend[2*seq*b.m+first:])
		}
	}
	if b.token < b.l-1 {
		// Tiles check nothing.
		_, _ = later[roundUp(b.n, tileRows)*4*b.m-1], tile[roundUp(b.n, tileRows)*tileCols-1]
		for seq := 0; seq < b.n; seq += tileRows {
			b.tile(1, 4*b.m, &later[seq*4*b.m], 4*b.m, 1, &b.packed[group*tileCols*4*b.m], 0, tileCols, &tile[seq*tileCols], tileCols, nil)
		}
	}
	for seq := range b.n {
		dh, dc := tile[seq*tileCols:][:end-first], b.dc[seq*b.m+first:]
		if b.token < 0 {
			copy(b.dstart[2*seq*b.m+first:], dh)
			copy(b.dstart[(2*seq+1)*b.m+first:][:end-first], dc)
			continue
		}
		row := seq*b.l + b.token
		g := gatesOf(b.dgates.row(row), b.m, first, end)
		values := gatesOf(b.gates.row(row), b.m, first, end)
		copy(g.i, values.i)
		copy(g.f, values.f)
		copy(g.g, values.g)
		copy(g.o, values.o)
		b.lstmBack(g, dc, b.c.row(row)[first:end], b.before(seq, b.token)[first:end], dh)
		for gate, v := range [4][]float32{g.i, g.f, g.g, g.o} {
			copy(now[(4*seq+gate)*b.m+first:], v)
		}
	}
}
