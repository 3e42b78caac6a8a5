package cpu

import "unsafe"

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
			copyRows(dst, w, src, o.stride, ks)
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

// copyRows copies n rows of w values: dst[p·w+r] = src[p·stride+r].
func copyRows(dst []float32, w int, src []float32, stride, n int) {
	switch w {
	case 4:
		copyArrays[[4]float32](dst, src, stride, n)
	case 6:
		copyArrays[[6]float32](dst, src, stride, n)
	case 12:
		copyArrays[[12]float32](dst, src, stride, n)
	case 16:
		copyArrays[[16]float32](dst, src, stride, n)
	case 32:
		copyArrays[[32]float32](dst, src, stride, n)
	default:
		panic("cpu: no such panel width")
	}
}

// copyArrays is copyRows for a width known to the compiler, which then needs no
// call for each row.
func copyArrays[T [4]float32 | [6]float32 | [12]float32 | [16]float32 | [32]float32](dst, src []float32, stride, n int) {
	var row T
	w := len(row)
	if n > 0 {
		_, _ = dst[n*w-1], src[(n-1)*stride+w-1]
	}
	for p := range n {
		*(*T)(unsafe.Pointer(&dst[p*w])) = *(*T)(unsafe.Pointer(&src[p*stride]))
	}
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
