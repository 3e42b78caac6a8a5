package cpu

// depth is how many products a micro kernel adds up before the sum is added to
// C. It is part of the result's last bits, so it is the same for all kernels.
const depth = 256

// Blocks of A and B that sgemm packs at a time: as much as the second cache
// holds beside the tiles of C.
const (
	serialRows    = 240
	serialColumns = 512
)

// sgemmScratch is the number of values of working memory that sgemm needs.
func (d *device) sgemmScratch(m, n, k int) int {
	ks := min(k, depth)
	return ks*(roundUp(min(m, serialRows), d.kernel.mr)+roundUp(min(n, serialColumns), d.kernel.nr)) + maxTile
}

// sgemm computes C = beta·C + op(A)·op(B) on one worker, for products inside an
// operation; whole operations use Gemm, whose results are the same bit for bit.
// op(A) is m×k: A is [m, k] with rows lda apart or, with transA, [k, m]. op(B) is
// k×n: B is [k, n] or, with transB, [n, k]. C is [m, n]. beta is 0 or 1; with 0
// the old C is not read. scratch holds at least sgemmScratch(m, n, k) values; it
// is fastest when it begins at a multiple of 64 bytes.
func (d *device) sgemm(scratch []float32, transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if k == 0 {
		if beta == 0 {
			clearRows(c, ldc, m, n)
		}
		return
	}
	kn := d.kernel
	left, right := operand{a, lda, !transA}, operand{b, ldb, transB}
	ks := min(k, depth)
	// B comes first so that its panels begin where vectors are read fastest.
	packedB := scratch[:ks*roundUp(min(n, serialColumns), kn.nr)]
	packedA := scratch[len(packedB):][:ks*roundUp(min(m, serialRows), kn.mr)]
	tile := scratch[len(packedB)+len(packedA):][:maxTile]
	for j0 := 0; j0 < n; j0 += serialColumns {
		nb := min(serialColumns, n-j0)
		for p0 := 0; p0 < k; p0 += depth {
			ks := min(depth, k-p0)
			for j := 0; j < nb; j += kn.nr {
				kn.pack(packedB[j*ks:], kn.nr, right, j0+j, min(kn.nr, nb-j), p0, ks)
			}
			for i0 := 0; i0 < m; i0 += serialRows {
				mb := min(serialRows, m-i0)
				for i := 0; i < mb; i += kn.mr {
					kn.pack(packedA[i*ks:], kn.mr, left, i0+i, min(kn.mr, mb-i), p0, ks)
				}
				kn.tiles(mb, nb, ks, packedA, packedB, nil, tile, beta != 0 || p0 > 0, c[i0*ldc+j0:], ldc)
			}
		}
	}
}

// tiles computes C = A·B, plus the old C with add, for C m×n and packed panels
// of ks values of k, one after the other. later is what will be read after them.
// tile is working memory for the edges of C.
func (k *kernel) tiles(m, n, ks int, a, b, later, tile []float32, add bool, c []float32, ldc int) {
	// The micro kernels check nothing.
	_ = a[roundUp(m, k.mr)*ks-1]
	_ = b[roundUp(n, k.nr)*ks-1]
	_ = c[(m-1)*ldc+n-1]
	_ = tile[k.mr*k.nr-1]
	used := 0 // of later
	for j := 0; j < n; j += k.nr {
		pb := b[j*ks:]
		following := pb[k.nr*ks:][:min(k.nr, max(0, n-j-k.nr))*ks]
		cols := min(k.nr, n-j)
		for i := 0; i < m; i += k.mr {
			next := &pb[0]
			switch {
			case len(following) > 0:
				next = &following[0]
				following = following[min(len(following), 4*ks):]
			case used < len(later):
				next = &later[used]
				used += 4 * ks
			}
			pa := &a[i*ks]
			rows := min(k.mr, m-i)
			if rows == k.mr && cols == k.nr {
				k.micro(ks, pa, &pb[0], &c[i*ldc+j], ldc, add, next)
				continue
			}
			k.micro(ks, pa, &pb[0], &tile[0], k.nr, false, next)
			for r := range rows {
				from := tile[r*k.nr : r*k.nr+cols]
				to := c[(i+r)*ldc+j:][:cols]
				if !add {
					copy(to, from)
					continue
				}
				for q, v := range from {
					to[q] += v
				}
			}
		}
	}
}

func clearRows(c []float32, ldc, m, n int) {
	for i := range m {
		clear(c[i*ldc : i*ldc+n])
	}
}
