package cpu

// operand is op(A) or op(B) of a matrix product. Its panels are groups of rows
// of op(A), or of columns of op(B); "row" below means either.
type operand struct {
	data   []float32
	stride int
	// along says that a row lies along the rows of data: row r, element p is
	// data[r·stride+p]. Otherwise it is data[p·stride+r].
	along bool
}

// packBlock is how many k are transposed at a time, so that the part of a panel
// being written stays in the first cache.
const packBlock = 64

// pack writes the panel of rows first..first+valid-1, w wide, and of elements
// p0..p0+ks-1: dst[(p-p0)·w+r]. Rows valid..w-1 become zero.
func (k *kernel) pack(dst []float32, w int, o operand, first, valid, p0, ks int) {
	dst = dst[:w*ks]
	if !o.along {
		src := o.data[p0*o.stride+first : (p0+ks-1)*o.stride+first+valid]
		if valid == w {
			k.copyRows(dst, w, src, o.stride, ks)
			return
		}
		for p := range ks {
			row := dst[p*w : p*w+w]
			clear(row[copy(row, src[p*o.stride:p*o.stride+valid]):])
		}
		return
	}
	src := o.data[first*o.stride+p0 : (first+valid-1)*o.stride+p0+ks]
	if valid < w {
		clear(dst)
	}
	for p := 0; p < ks; p += packBlock {
		n := min(packBlock, ks-p)
		to, from := dst[p*w:], src[p:]
		rows, done := k.transpose(to, w, from, o.stride, valid, n)
		transposeGo(to[done*w:], w, from[done:], o.stride, rows, n-done)
		transposeGo(to[rows:], w, from[min(rows*o.stride, len(from)):], o.stride, valid-rows, n)
	}
}

// packPairs is pack for kernels of pairs too; p0 is even. memory is for packBlock
// rows of a panel.
func (k *kernel) packPairs(dst, memory []float32, w int, o operand, first, valid, p0, ks int) {
	if k.pairs == nil {
		k.pack(dst, w, o, first, valid, p0, ks)
		return
	}
	for p := 0; p < ks; p += packBlock {
		n := min(packBlock, ks-p)
		k.pack(memory, w, o, first, valid, p0+p, n)
		if n%2 == 1 {
			clear(memory[n*w : (n+1)*w])
		}
		k.pairs(dst[p/2*w:], memory, w, (n+1)/2)
	}
}

// transposeGo is kernel.transpose for all of its part.
func transposeGo(dst []float32, w int, src []float32, stride, rows, ks int) {
	for r := range rows {
		at := r
		for _, v := range src[r*stride : r*stride+ks] {
			dst[at] = v
			at += w
		}
	}
}

// copyRowsGo is kernel.copyRows.
func copyRowsGo(dst []float32, w int, src []float32, stride, n int) {
	for p := range n {
		copy(dst[p*w:p*w+w], src[p*stride:])
	}
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
