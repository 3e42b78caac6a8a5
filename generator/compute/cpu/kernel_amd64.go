package cpu

import "golang.org/x/sys/cpu"

// kernels lists the kernels that this processor can run, best first.
func kernels() []*kernel {
	var all []*kernel
	avx2 := cpu.X86.HasAVX2 && cpu.X86.HasFMA
	if avx2 && cpu.X86.HasAVX512F && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512BW {
		all = append(all, &kernel{name: "avx512", title: "AVX-512", mr: 12, nr: 32, micro: microAVX512, transpose: transposeAVX2, copyRows: copyRowsAVX2, peak: peakAVX512, peakFlops: 24 * 2 * 16})
	}
	if avx2 {
		all = append(all, &kernel{name: "avx2", title: "AVX2", mr: 6, nr: 16, micro: microAVX2, transpose: transposeAVX2, copyRows: copyRowsAVX2, peak: peakAVX2, peakFlops: 12 * 2 * 8})
	}
	return append(all, &portable)
}

// chooseLoops returns the loops that go with the kernel of the given name, nil
// for none.
func chooseLoops(name string) *fastLoops {
	switch name {
	case "avx512":
		return &avx512Loops
	case "avx2":
		return &avx2Loops
	}
	return nil
}

// bf16Kernel returns the kernel of products of bf16 values; detected says whether
// the processor claims the instructions.
func bf16Kernel() (k *kernel, detected bool) {
	return &kernel{
		name: "avx512bf16", title: "AVX-512 BF16", mr: 12, nr: 32, micro: microBF16, pairs: pairsAVX512,
		transpose: transposeAVX2, copyRows: copyRowsAVX2, peak: peakBF16, peakFlops: 24 * 4 * 16,
	}, cpu.X86.HasAVX512BF16
}

// microBF16 is kernel.micro for pairs of bf16.
//
//go:noescape
func microBF16(k int, a, b, c *float32, ldc int, add bool, next *float32)

// pairsBF16: see kernel.pairs; w ≤ 32, n ≥ 1.
//
//go:noescape
func pairsBF16(dst, src *float32, w, n int)

func pairsAVX512(dst, src []float32, w, n int) {
	// The assembly checks nothing.
	_, _ = dst[n*w-1], src[2*n*w-1]
	pairsBF16(&dst[0], &src[0], w, n)
}

// microAVX512 and microAVX2 are kernel.micro. Both add the products of a value
// in the same order with fused multiply-adds, so their results are equal bit
// for bit.
//
//go:noescape
func microAVX512(k int, a, b, c *float32, ldc int, add bool, next *float32)

//go:noescape
func microAVX2(k int, a, b, c *float32, ldc int, add bool, next *float32)

// transpose8: dst[p·dstStride+r] = src[r·srcStride+p] for r < 8, p < 8·blocks,
// blocks ≥ 1. transpose4 is the same with 4.
//
//go:noescape
func transpose8(dst *float32, dstStride int, src *float32, srcStride, blocks int)

//go:noescape
func transpose4(dst *float32, dstStride int, src *float32, srcStride, blocks int)

func transposeAVX2(dst []float32, w int, src []float32, stride, rows, k int) (doneRows, doneK int) {
	blocks, r := k/8, 0
	if blocks == 0 || rows < 4 {
		return 0, 0
	}
	// The assembly checks nothing.
	_ = dst[(8*blocks-1)*w+rows-1]
	_ = src[(rows-1)*stride+8*blocks-1]
	for ; r+8 <= rows; r += 8 {
		transpose8(&dst[r], w, &src[r*stride], stride, blocks)
	}
	for ; r+4 <= rows; r += 4 {
		transpose4(&dst[r], w, &src[r*stride], stride, 2*blocks)
	}
	return r, 8 * blocks
}

// copyRowsW: dst[p·W+r] = src[p·stride+r] for r < W and p < n, n ≥ 1.
//
//go:noescape
func copyRows6(dst, src *float32, stride, n int)

//go:noescape
func copyRows12(dst, src *float32, stride, n int)

//go:noescape
func copyRows16(dst, src *float32, stride, n int)

//go:noescape
func copyRows32(dst, src *float32, stride, n int)

func copyRowsAVX2(dst []float32, w int, src []float32, stride, n int) {
	if n == 0 {
		return
	}
	// The assembly checks nothing.
	_, _ = dst[n*w-1], src[(n-1)*stride+w-1]
	switch w {
	case 6:
		copyRows6(&dst[0], &src[0], stride, n)
	case 12:
		copyRows12(&dst[0], &src[0], stride, n)
	case 16:
		copyRows16(&dst[0], &src[0], stride, n)
	case 32:
		copyRows32(&dst[0], &src[0], stride, n)
	default:
		panic("cpu: no such panel width")
	}
}
