package cpu

import "rpg/generator/compute"

// A product is computed in chunks of at most chunkRows × chunkColumns of C and
// chunkDepth of k, which bounds the memory for packed operands. chunkDepth is a
// multiple of depth, so that chunks do not change results.
const (
	chunkRows    = 4096
	chunkColumns = 4096
	chunkDepth   = 8 * depth
)

// serialProduct is the number of multiplications up to which a product is
// computed by one worker: waking the others would take longer.
const serialProduct = 1 << 18

// gemmJob is the matrix product in progress: first its operands are packed, in
// parallel over panels, then its tiles are computed, in parallel over tiles. k
// is never divided among workers. It keeps its memory from product to product.
type gemmJob struct {
	packA, packB []float32

	a, b operand
	c    []float32
	ldc  int
	bias []float32
	beta float32

	// The chunk: rows i0..i0+m-1 and columns j0..j0+n-1 of C, k from p0 on.
	i0, j0, p0, m, n, k int
	packItemsA          int // how many of the items of packing are for A
	tm, tn, tileRows    int // a tile's size; how many there are in a column
}

func (d *device) Gemm(c, a, b compute.Matrix, transA, transB bool, beta float32, bias compute.Buffer) {
	m, n, k := c.Rows, c.Cols, a.Cols
	if transA {
		k = a.Rows
	}
	g := &d.gemm
	g.c, g.ldc = matOf(c, m, n)
	g.a = d.operand(a, m, k, transA, !transA)
	g.b = d.operand(b, n, k, !transB, transB)
	g.bias, g.beta = nil, beta
	if bias != nil {
		g.bias = sized(bias, n)
	}
	if beta != 0 && beta != 1 {
		panic(errBeta)
	}
	switch {
	case m == 0 || n == 0:
	case k == 0 || m*n*k <= serialProduct: // always in float32
		g.start(0, 0, m, n)
		d.sgemm(d.scratch(0, d.sgemmScratch(m, n, k)), transA, transB, m, n, k,
			g.a.data, g.a.stride, g.b.data, g.b.stride, g.first(), g.c, g.ldc)
	default:
		d.chunks(m, n, k)
	}
	g.a.data, g.b.data, g.c, g.bias = nil, nil, nil, nil
}

// operand checks an operand with the given number of rows (in the sense of
// operand) of k values.
func (d *device) operand(m compute.Matrix, rows, k int, across, along bool) operand {
	r, c := rows, k
	if across {
		r, c = k, rows
	}
	data, stride := inputOf(m, r, c)
	return operand{data, stride, along}
}

func (d *device) chunks(m, n, k int) {
	g, kn := &d.gemm, d.products
	deepest := kn.depthOf(min(k, chunkDepth))
	sizeA := roundUp(deepest*roundUp(min(m, chunkRows), kn.mr), 16) // so that B begins at a multiple of 64 bytes too
	g.packA, g.packB = cut(d.common(sizeA+deepest*roundUp(min(n, chunkColumns), kn.nr)), sizeA)
	for j0 := 0; j0 < n; j0 += chunkColumns {
		for p0 := 0; p0 < k; p0 += chunkDepth {
			for i0 := 0; i0 < m; i0 += chunkRows {
				g.i0, g.j0, g.p0 = i0, j0, p0
				g.m, g.n, g.k = min(chunkRows, m-i0), min(chunkColumns, n-j0), min(chunkDepth, k-p0)
				g.packItemsA = packItems(g.m, g.k)
				items := g.packItemsA
				if i0 == 0 { // later chunks find B packed
					items += packItems(g.n, g.k)
				}
				d.parallel(items, d, func(a any, worker, i, _ int) { a.(*device).gemmPack(worker, i) })

				g.tm, g.tn = tileSize(g.m, g.n, d.pool.threads, kn)
				g.tileRows = (g.m + g.tm - 1) / g.tm
				d.parallel(g.tileRows*((g.n+g.tn-1)/g.tn), d, func(a any, worker, i, _ int) { a.(*device).gemmTile(worker, i) })
			}
		}
	}
}

// packRows is about how many rows of an operand are packed as one item, of which
// the other extent is depth.
const packRows = 128

func packItems(rows, k int) int {
	return (rows + packRows - 1) / packRows * ((k + depth - 1) / depth)
}

// gemmPack packs part i of the chunk: those of A come first.
func (d *device) gemmPack(worker, i int) {
	g, kn := &d.gemm, d.products
	rows := d.scratch(worker, packBlock*max(kn.mr, kn.nr))
	if i < g.packItemsA {
		g.packPart(kn, rows, i, g.packA, kn.mr, g.a, g.i0, g.m)
	} else {
		g.packPart(kn, rows, i-g.packItemsA, g.packB, kn.nr, g.b, g.j0, g.n)
	}
}

// packPart packs part i of an operand of which the chunk has the given rows,
// from first on, into panels of width w. memory is for packBlock rows of a panel.
func (g *gemmJob) packPart(kn *kernel, memory []float32, i int, dst []float32, w int, o operand, first, rows int) {
	// Groups of whole panels: their number is that of packItems.
	groups := (rows + packRows - 1) / packRows
	panels := (rows + w - 1) / w
	lo, hi := i%groups*panels/groups, (i%groups+1)*panels/groups
	p := i / groups * depth
	end := min(g.k, p+depth)
	// Panels of depth values of k lie one after the other, then those of the next.
	dst, ks := dst[kn.depthOf(p)*panels*w:], kn.depthOf(end-p)
	step := depth
	if !o.along {
		// Rows of data cross all panels: take a few at a time, so that what one
		// panel leaves of a cache line is still there for the next panel.
		step = 16
	}
	for at := 0; at < end-p; at += step {
		for r := lo * w; r < min(rows, hi*w); r += w {
			kn.packPairs(dst[r*ks+kn.depthOf(at)*w:], memory, w, o, first+r, min(w, rows-r), g.p0+p+at, min(step, end-p-at))
		}
	}
}

// gemmTile computes tile i of the chunk.
func (d *device) gemmTile(worker, i int) {
	g, kn := &d.gemm, d.products
	r, q := i%g.tileRows*g.tm, i/g.tileRows*g.tn
	m, n := min(g.tm, g.m-r), min(g.tn, g.n-q)
	add := true
	if g.p0 == 0 {
		g.start(g.i0+r, g.j0+q, m, n)
		add = g.first() != 0
	}
	tile := d.scratch(worker, maxTile)
	c := g.c[(g.i0+r)*g.ldc+g.j0+q:]
	allA, allB := roundUp(g.m, kn.mr), roundUp(g.n, kn.nr)
	for p := 0; p < g.k; p += depth {
		at, ks := kn.depthOf(p), kn.depthOf(min(depth, g.k-p))
		a, b := g.packA[at*allA+r*ks:], g.packB[at*allB+q*ks:]
		var later []float32 // rows of A: the same ones at the next k, or those of the next tile
		switch next := kn.depthOf(max(0, min(depth, g.k-p-depth))); {
		case next > 0:
			later = g.packA[(at+ks)*allA+r*next:][:roundUp(m, kn.mr)*next]
		case r+g.tm < g.m:
			first := kn.depthOf(min(depth, g.k))
			later = g.packA[(r+g.tm)*first:][:roundUp(min(g.tm, g.m-r-g.tm), kn.mr)*first]
		}
		kn.tiles(m, n, ks, a, b, later, tile, add || p > 0, c, g.ldc)
	}
}

// start puts the bias into rows i.. and columns j.. of C, m×n of them.
func (g *gemmJob) start(i, j, m, n int) {
	if g.bias == nil {
		return
	}
	bias := g.bias[j : j+n]
	for r := i; r < i+m; r++ {
		row := g.c[r*g.ldc+j:][:n]
		if g.beta == 0 {
			copy(row, bias)
			continue
		}
		for q, v := range bias {
			row[q] += v
		}
	}
}

// first is the beta of the first products: 1 when they are added to something.
func (g *gemmJob) first() float32 {
	if g.bias != nil {
		return 1
	}
	return g.beta
}

// tileSize chooses tiles that a worker computes at a stretch: as large as the
// second cache holds together with depth values of k of their operands, yet
// small enough for all workers to have some. Results do not depend on it.
func tileSize(m, n, threads int, k *kernel) (tm, tn int) {
	enough := 16 * threads // tiles
	if threads == 1 {
		enough = 1
	}
	for _, size := range [...][2]int{{240, 512}, {240, 256}, {120, 256}, {120, 128}, {60, 128}, {60, 64}} {
		tm, tn = size[0]/k.mr*k.mr, size[1]
		if (m+tm-1)/tm*((n+tn-1)/tn) >= enough {
			break
		}
	}
	// Tiles of about equal size.
	return balance(m, tm, k.mr), balance(n, tn, k.nr)
}

// balance returns the smallest multiple of unit that cuts n into as many pieces
// as most does.
func balance(n, most, unit int) int {
	pieces := (n + most - 1) / most
	return roundUp((n+pieces-1)/pieces, unit)
}

// allocate returns n values or more that begin at a multiple of 64 bytes: Go
// places large objects at the beginning of a page.
func allocate(n int) []float32 { return values(max(n, 16<<10)) }

// values returns n zeros.
func values(n int) []float32 {
	v := make([]float32, n)
	largePages(v)
	return v
}
