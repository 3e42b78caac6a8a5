package cpu

import "rpg/generator/compute"

// LSTM goes from token to token; the units of a token are shared among threads.
// The rows of W are packed once so that 8 units with their four gates make the
// columns of one tile of the product h·Wᵀ, which has up to 8 sequences as rows.
func (d *device) LSTM(a compute.LSTM) {
	t := keep[lstm](d)
	*t = d.newLSTM(a)
	t.out = output(a.H, a.N*a.L, a.M)
	start, end := edge(a.Start, a), edge(a.End, a)
	groups, rows := (a.M+lstmUnits-1)/lstmUnits, roundUp(a.N, tileRows)
	t.packed, t.cells = cut(d.common(groups*tileCols*a.M+2*rows*a.M+a.N*a.M), groups*tileCols*a.M)
	for i := range t.hidden {
		t.hidden[i], t.cells = cut(t.cells, rows*a.M)
		clear(t.hidden[i])
	}
	clear(t.cells)
	for seq := 0; seq < a.N && start != nil; seq++ {
		copy(t.hidden[0][seq*a.M:][:a.M], start[2*seq*a.M:])
		copy(t.cells[seq*a.M:][:a.M], start[(2*seq+1)*a.M:])
	}
	d.parallel(groups, t, func(a any, _, i, _ int) { a.(*lstm).pack(i) })
	for t.token = range a.L {
		d.split(groups, tilesOfItem(rows, a.M), t, func(a any, worker, lo, hi int) {
			t := a.(*lstm)
			t.units(t.device.scratch(worker, tileRows*tileCols), lo, hi)
		})
	}
	for seq := 0; seq < a.N && end != nil; seq++ {
		last := (seq+1)*a.L - 1
		copy(end[2*seq*a.M:][:a.M], t.out.row(last))
		copy(end[(2*seq+1)*a.M:][:a.M], t.c.row(last))
	}
	drop(t)
}

// lstmUnits is how many units a tile has.
const lstmUnits = tileCols / 4

// tilesOfItem is how many tiles with k terms one item takes, in each of rows/8
// blocks: about 16,000 cycles.
func tilesOfItem(rows, k int) int { return max(1, 2048*tileRows/(rows*k)) }

// lstm holds the checked arguments of both directions.
type lstm struct {
	loops
	device   *device
	tile     tileFunc
	n, l, m  int
	gates, c matrix
	w        []float32
	out      matrix // h, of the forward pass

	packed []float32
	token  int          // the one in progress
	hidden [2][]float32 // h of the token before and of this one, by parity: [n up to a multiple of tileRows, m]
	cells  []float32    // [n, m]: c before the first token
}

func (d *device) newLSTM(a compute.LSTM) lstm {
	if a.N < 1 || a.L < 1 || a.M < 1 {
		panic(errShape)
	}
	return lstm{loops: d.loops(), device: d, tile: chooseTile(d.kernel.name), n: a.N, l: a.L, m: a.M,
		gates: output(a.Gates, a.N*a.L, 4*a.M), c: output(a.C, a.N*a.L, a.M), w: sized(a.W, 4*a.M*a.M)}
}

// edge returns the values of Start or End, nil when absent.
func edge(b compute.Buffer, a compute.LSTM) []float32 {
	if b == nil {
		return nil
	}
	return sized(b, 2*a.N*a.M)
}

// pack fills the tile columns of one group of units, [m, 4 gates, 8 units].
func (t *lstm) pack(group int) {
	to := t.packed[group*tileCols*t.m:][:tileCols*t.m]
	first := group * lstmUnits
	units := min(lstmUnits, t.m-first)
	clear(to)
	for gate := range 4 {
		for u := range units {
			row := t.w[(gate*t.m+first+u)*t.m:][:t.m]
			for k, v := range row {
				to[k*tileCols+gate*lstmUnits+u] = v
			}
		}
	}
}

// units computes the units of groups lo..hi-1 of the token in progress.
func (t *lstm) units(tile []float32, lo, hi int) {
	before, after := t.hidden[t.token%2], t.hidden[(t.token+1)%2]
	for group := lo; group < hi; group++ {
		for seq := 0; seq < t.n; seq += tileRows {
			t.sum(tile, before[seq*t.m:], seq, group)
		}
	}
	first, end := lo*lstmUnits, min(hi*lstmUnits, t.m)
	for seq := range t.n {
		row := seq*t.l + t.token
		h := t.out.row(row)[first:end]
		t.loops.lstm(gatesOf(t.gates.row(row), t.m, first, end), h, t.c.row(row)[first:end], t.before(seq, t.token)[first:end])
		copy(after[seq*t.m+first:], h)
	}
}

// sum adds h·Wᵀ to the gates of a group of units, for the sequences from first on.
func (t *lstm) sum(tile, h []float32, first, group int) {
	unit := group * lstmUnits
	end := min(unit+lstmUnits, t.m)
	rows := min(tileRows, t.n-first)
	clear(tile)
	for seq := range rows {
		g := gatesOf(t.gates.row((first+seq)*t.l+t.token), t.m, unit, end)
		for gate, v := range [4][]float32{g.i, g.f, g.g, g.o} {
			copy(tile[seq*tileCols+gate*lstmUnits:], v)
		}
	}
	// Tiles check nothing.
	_, _ = h[tileRows*t.m-1], tile[tileRows*tileCols-1]
	t.tile(1, t.m, &h[0], t.m, 1, &t.packed[group*tileCols*t.m], 0, tileCols, &tile[0], tileCols, nil)
	for seq := range rows {
		g := gatesOf(t.gates.row((first+seq)*t.l+t.token), t.m, unit, end)
		for gate, v := range [4][]float32{g.i, g.f, g.g, g.o} {
			copy(v, tile[seq*tileCols+gate*lstmUnits:])
		}
	}
}

// before returns c of the token before one.
func (t *lstm) before(seq, token int) []float32 {
	if token == 0 {
		return t.cells[seq*t.m:][:t.m]
	}
	return t.c.row(seq*t.l + token - 1)
}

// gatesOf cuts units lo..hi-1 from a row of gates.
func gatesOf(row []float32, m, lo, hi int) gates {
	return gates{row[lo:hi], row[m+lo : m+hi], row[2*m+lo : 2*m+hi], row[3*m+lo : 3*m+hi]}
}
