package cpu

// The parts of a square matrix that product may leave out.
type mask int

const (
	full   mask = iota
	lowerA      // op(A) is 0 above its diagonal
	upperA      // op(A) is 0 below its diagonal
	lowerC      // of C only what is on and below the diagonal is wanted
)

// product is sgemm for matrices that fit the inner caches: it reads them where
// they are, without packing, and leaves out what the mask allows. It computes
// C = beta·C + op(A)·B; see turn for products with a transposed B. With the mask
// lowerC, C above the diagonal has any values.
func (d *device) product(scratch []float32, transA bool, m, n, k int, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int, only mask) {
	tile := chooseTile(d.kernel.name)
	ar, ap := lda, 1
	if transA {
		ar, ap = 1, lda
	}
	var start *float32
	if beta == 0 {
		zeros := scratch[:tileRows]
		clear(zeros)
		start = &zeros[0]
	}
	rows, cols := m&^(tileRows-1), n&^(tileCols-1)
	if rows > 0 && cols > 0 {
		// Tiles check nothing.
		_ = a[(rows-1)*ar+(k-1)*ap]
		_ = b[(k-1)*ldb+cols-1]
		_ = c[(rows-1)*ldc+cols-1]
	}
	for i := 0; i < rows; i += tileRows {
		from, to, end := 0, k, cols // of k, and of the columns of C
		switch only {
		case lowerA:
			to = min(k, i+tileRows)
		case upperA:
			from = i
		case lowerC:
			end = min(cols, roundUp(i+tileRows, tileCols))
		}
		for j := 0; j < end; j += tileCols {
			tile(1, to-from, &a[i*ar+from*ap], ar, ap, &b[from*ldb+j], 0, ldb, &c[i*ldc+j], ldc, start)
		}
	}
	if cols < n && rows > 0 {
		d.sgemm(scratch, transA, false, rows, n-cols, k, a, lda, b[cols:], ldb, beta, c[cols:], ldc)
	}
	if rows < m {
		d.sgemm(scratch, transA, false, m-rows, n, k, a[rows*ar:], lda, b, ldb, beta, c[rows*ldc:], ldc)
	}
}

// turn writes the transpose of src, [rows, k], into dst, [k, width], for use as
// B of a product. Columns from rows on become 0.
func (d *device) turn(dst []float32, width int, src []float32, stride, rows, k int) {
	dst = dst[:k*width]
	if rows < width {
		clear(dst)
	}
	doneRows, doneK := d.kernel.transpose(dst, width, src, stride, rows, k)
	transposeGo(dst[doneK*width:], width, src[doneK:], stride, doneRows, k-doneK)
	if doneRows < rows {
		transposeGo(dst[doneRows:], width, src[doneRows*stride:], stride, rows-doneRows, k)
	}
}
