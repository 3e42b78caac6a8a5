package cpu

import (
	"fmt"
	"unsafe"
)

//go:generate go run ./gen

// kernel is one way to compute small tiles of a matrix product from packed
// operands: A as panels of mr rows, B as panels of nr columns. In a panel the
// values of one k lie together; missing rows and columns are zero.
type kernel struct {
	name   string // as in RPG_CPU
	title  string // for people
	mr, nr int
	// micro computes one tile, mr×nr: C = A·B, plus the old C with add, where a
	// and b are panels of k ≥ 1 and rows of c are ldc apart. From next on, 16
	// values for every 4 of k are brought into the second cache meanwhile.
	micro func(k int, a, b, c *float32, ldc int, add bool, next *float32)
	// transpose copies a part of a panel of width w whose rows lie along src:
	// dst[p·w+r] = src[r·stride+p] for r < done rows, p < done ks, of the given
	// rows and k. What it leaves is for transposeGo.
	transpose func(dst []float32, w int, src []float32, stride, rows, k int) (doneRows, doneK int)
	// copyRows copies n rows of a panel of width w, mr or nr, that lie across
	// src: dst[p·w+r] = src[p·stride+r].
	copyRows func(dst []float32, w int, src []float32, stride, n int)
	// pairs is nil for products of float32 values. Else a value of a panel holds,
	// rounded to bf16, two values of neighbouring k, and micro's k counts such
	// pairs; pairs writes n rows of a panel of width w from 2·n rows of float32:
	// dst[p·w+r] = (src[2p·w+r], src[(2p+1)·w+r]).
	pairs func(dst, src []float32, w, n int)
	// peak does n times what is peakFlops floating-point operations of the kind
	// that micro is made of, and nothing else.
	peak      func(n int)
	peakFlops int
}

// maxTile is the size of the largest tile of all kernels.
const maxTile = 12 * 32

var portable = kernel{
	name: "go", title: "no SIMD", mr: 4, nr: 4, micro: microGo,
	transpose: func([]float32, int, []float32, int, int, int) (int, int) { return 0, 0 },
	copyRows:  copyRowsGo,
	peak:      peakGo, peakFlops: 12 * 2,
}

// depthOf is how many values of a panel hold k values.
func (k *kernel) depthOf(n int) int {
	if k.pairs != nil {
		return (n + 1) / 2
	}
	return n
}

// chooseKernel returns the kernel of the given name, the best one for "".
func chooseKernel(name string) (*kernel, error) {
	all := kernels()
	if name == "" {
		return all[0], nil
	}
	for _, k := range all {
		if k.name == name {
			return k, nil
		}
	}
	switch name {
	case "avx512", "avx2":
		return nil, fmt.Errorf("cpu: RPG_CPU=%s: this processor does not have it; best here is %s", name, all[0].name)
	}
	return nil, fmt.Errorf("cpu: RPG_CPU: expected avx512bf16, avx512, avx2 or go, found %q", name)
}

// microGo is the portable micro kernel, 4×4.
func microGo(k int, a, b, c *float32, ldc int, add bool, _ *float32) {
	as, bs := unsafe.Slice(a, 4*k), unsafe.Slice(b, 4*k)
	var c00, c01, c02, c03, c10, c11, c12, c13 float32
	var c20, c21, c22, c23, c30, c31, c32, c33 float32
	for len(as) >= 4 && len(bs) >= 4 {
		a0, a1, a2, a3 := as[0], as[1], as[2], as[3]
		b0, b1, b2, b3 := bs[0], bs[1], bs[2], bs[3]
		c00 += a0 * b0
		c01 += a0 * b1
		c02 += a0 * b2
		c03 += a0 * b3
		c10 += a1 * b0
		c11 += a1 * b1
		c12 += a1 * b2
		c13 += a1 * b3
		c20 += a2 * b0
		c21 += a2 * b1
		c22 += a2 * b2
		c23 += a2 * b3
		c30 += a3 * b0
		c31 += a3 * b1
		c32 += a3 * b2
		c33 += a3 * b3
		as, bs = as[4:], bs[4:]
	}
	cs := unsafe.Slice(c, 3*ldc+4)
	for i, row := range [4][4]float32{{c00, c01, c02, c03}, {c10, c11, c12, c13}, {c20, c21, c22, c23}, {c30, c31, c32, c33}} {
		out := cs[i*ldc : i*ldc+4]
		for j, v := range row {
			if add {
				v += out[j]
			}
			out[j] = v
		}
	}
}
