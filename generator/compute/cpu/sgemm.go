package cpu

// sgemmScratch is the number of values of working memory that sgemm needs.
func (d *device) sgemmScratch(m, n, k int) int { return 0 }

// sgemm computes C = beta·C + op(A)·op(B) on one worker, for products inside an
// operation; whole operations use Gemm. op(A) is m×k: A is [m, k] with rows lda
// apart or, with transA, [k, m]. op(B) is k×n: B is [k, n] or, with transB,
// [n, k]. C is [m, n]. beta is 0 or 1; with 0 the old C is not read. scratch
// holds at least sgemmScratch(m, n, k) values.
func (d *device) sgemm(scratch []float32, transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	at := func(i, p int) float32 {
		if transA {
			return a[p*lda+i]
		}
		return a[i*lda+p]
	}
	bt := func(p, j int) float32 {
		if transB {
			return b[j*ldb+p]
		}
		return b[p*ldb+j]
	}
	for i := range m {
		for j := range n {
			var s float32
			for p := range k {
				s += at(i, p) * bt(p, j)
			}
			if beta != 0 {
				s += c[i*ldc+j]
			}
			c[i*ldc+j] = s
		}
	}
}
