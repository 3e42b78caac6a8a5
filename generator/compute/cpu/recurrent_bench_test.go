package cpu

import (
	"fmt"
	"math"
	"testing"

	"rpg/generator/compute"
)

// mambaShapes are the sizes of a Mamba-2 layer: sequences, tokens, state size
// and chunk, with 8 heads of width 64.
var mambaShapes = [][4]int{{8, 48, 32, 48}, {8, 400, 64, 64}, {8, 400, 64, 128}, {8, 400, 128, 64}}

// benchMamba returns the arguments of the three parts of a layer, whose
// matrices are columns of the matrices before and after the convolution.
func benchMamba(d *device, n, l, s, chunk int) (compute.SSDBackward, compute.CausalConvBackward, [6]compute.Matrix) {
	const h, p, k = 8, 64, 4
	rows, inner, wide := n*l, h*p, h*p+2*s
	matrix := func(stream, cols int) compute.Matrix {
		return compute.MatrixOf(filled(d, stream, rows*cols), rows, cols)
	}
	in, din := matrix(1, inner+wide+h), matrix(2, inner+wide+h)
	conv, dconv := matrix(3, wide), matrix(4, wide)
	y, dy, g, dg := matrix(5, inner), matrix(6, inner), matrix(7, inner), matrix(8, inner)
	parameter := func(n int) compute.Buffer { return filled(d, 9, n) }
	scan := compute.SSD{
		N: n, L: l, H: h, P: p, S: s, Chunk: chunk,
		X: conv.Columns(0, inner), B: conv.Columns(inner, inner+s), C: conv.Columns(inner+s, wide),
		DT: in.Columns(inner+wide, inner+wide+h), Y: y,
		DTBias: d.Alloc(h), ALog: parameter(h), D: parameter(h),
	}
	bias := make([]float32, h)
	for i := range bias {
		bias[i] = -4
	}
	d.Upload(scan.DTBias, bias)
	scan.States = d.Alloc(n * scan.Chunks() * h * p * s)
	back := compute.SSDBackward{
		SSD: scan, DY: dy,
		DX: dconv.Columns(0, inner), DB: dconv.Columns(inner, inner+s), DC: dconv.Columns(inner+s, wide),
		DDT: din.Columns(inner+wide, inner+wide+h), DDTBias: d.Alloc(h), DALog: d.Alloc(h), DD: d.Alloc(h),
	}
	causal := compute.CausalConvBackward{
		CausalConv: compute.CausalConv{N: n, L: l, K: k, X: in.Columns(inner, inner+wide), Y: conv, W: parameter(wide * k), Bias: parameter(wide)},
		DY:         dconv, DX: din.Columns(inner, inner+wide), DW: d.Alloc(wide * k), DBias: d.Alloc(wide),
	}
	return back, causal, [6]compute.Matrix{y, in.Columns(0, inner), g, dy, din.Columns(0, inner), dg}
}

func benchShapes(b *testing.B, f func(b *testing.B, d *device, n, l, s, chunk int)) {
	for _, m := range mambaShapes {
		b.Run(fmt.Sprintf("N=%d,L=%d,S=%d,chunk=%d", m[0], m[1], m[2], m[3]), func(b *testing.B) {
			benchDevice(b, func(b *testing.B, d *device) { f(b, d, m[0], m[1], m[2], m[3]) })
		})
	}
}

// ssdFlops counts the products of the chunked form, half of a square matrix
// for those with a mask.
func ssdFlops(a compute.SSD) int {
	q := min(a.Chunk, a.L)
	return a.N * a.L * (a.H*a.P*(q+4*a.S) + 2*q*a.S)
}

func BenchmarkSSD(b *testing.B) {
	benchShapes(b, func(b *testing.B, d *device, n, l, s, chunk int) {
		a, _, _ := benchMamba(d, n, l, s, chunk)
		perSecond(b, ssdFlops(a.SSD), func() { d.SSD(a.SSD) })
	})
}

func BenchmarkSSDBackward(b *testing.B) {
	benchShapes(b, func(b *testing.B, d *device, n, l, s, chunk int) {
		a, _, _ := benchMamba(d, n, l, s, chunk)
		d.SSD(a.SSD)
		perSecond(b, 2*ssdFlops(a.SSD), func() { d.SSDBackward(a) })
	})
}

// BenchmarkMambaParts runs what surrounds the scan; GFLOP/s counts values.
func BenchmarkMambaParts(b *testing.B) {
	benchDevice(b, func(b *testing.B, d *device) {
		_, causal, m := benchMamba(d, 8, 400, 64, 64)
		y, z, g, dy, dz, dg := m[0], m[1], m[2], m[3], m[4], m[5]
		w, dw := filled(d, 10, y.Cols), d.Alloc(y.Cols)
		b.Run("CausalConv", func(b *testing.B) {
			perSecond(b, causal.Y.Rows*causal.Y.Cols, func() { d.CausalConv(causal.CausalConv) })
		})
		b.Run("CausalConvBackward", func(b *testing.B) {
			perSecond(b, causal.Y.Rows*causal.Y.Cols, func() { d.CausalConvBackward(causal) })
		})
		b.Run("GatedRMSNorm", func(b *testing.B) {
			perSecond(b, y.Rows*y.Cols, func() { d.GatedRMSNorm(g, y, z, w, 1e-5) })
		})
		b.Run("GatedRMSNormBackward", func(b *testing.B) {
			perSecond(b, y.Rows*y.Cols, func() { d.GatedRMSNormBackward(dy, dz, dw, dg, y, z, w, 1e-5) })
		})
	})
}

// benchLSTM returns the arguments of a recurrence in both directions.
func benchLSTM(d *device, n, l, m int) compute.LSTMBackward {
	matrix := func(stream, cols int) compute.Matrix {
		return compute.MatrixOf(filled(d, stream, n*l*cols), n*l, cols)
	}
	w := filled(d, 5, 4*m*m)
	d.Combine(w, 0.5/float32(math.Sqrt(float64(m))), w, 0, nil, 0, nil)
	start := d.Alloc(2 * n * m)
	return compute.LSTMBackward{
		LSTM: compute.LSTM{N: n, L: l, M: m, Gates: matrix(1, 4*m), H: matrix(2, m), C: matrix(3, m), W: w, Start: start, End: start},
		DH:   matrix(4, m), DGates: matrix(6, 4*m),
	}
}

// benchAttention returns the arguments of attention in both directions, whose
// keys and values are columns of one matrix.
func benchAttention(d *device, n, l, h, p int) compute.AttentionBackward {
	width := h * p
	matrix := func(stream, cols int) compute.Matrix {
		return compute.MatrixOf(filled(d, stream, n*l*cols), n*l, cols)
	}
	kv, dkv := matrix(1, 2*width), matrix(2, 2*width)
	return compute.AttentionBackward{
		Attention: compute.Attention{N: n, L: l, H: h, P: p, Q: matrix(3, width), K: kv.Columns(0, width), V: kv.Columns(width, 2*width),
			Y: matrix(4, width), LSE: matrix(5, h)},
		DY: matrix(6, width), DQ: matrix(7, width), DK: dkv.Columns(0, width), DV: dkv.Columns(width, 2*width),
	}
}

func BenchmarkLSTM(b *testing.B) {
	for _, s := range [][3]int{{2, 48, 256}, {1, 200, 512}, {8, 48, 256}} {
		n, l, m := s[0], s[1], s[2]
		b.Run(fmt.Sprintf("N=%d,L=%d,M=%d", n, l, m), func(b *testing.B) {
			benchDevice(b, func(b *testing.B, d *device) {
				a := benchLSTM(d, n, l, m)
				b.Run("forward", func(b *testing.B) { perSecond(b, 2*n*l*4*m*m, func() { d.LSTM(a.LSTM) }) })
				b.Run("backward", func(b *testing.B) { perSecond(b, 2*n*l*4*m*m, func() { d.LSTMBackward(a) }) })
			})
		})
	}
}

func BenchmarkAttention(b *testing.B) {
	for _, s := range [][4]int{{2, 48, 8, 32}, {1, 1000, 8, 64}} {
		n, l, h, p := s[0], s[1], s[2], s[3]
		b.Run(fmt.Sprintf("N=%d,L=%d,H=%d,P=%d", n, l, h, p), func(b *testing.B) {
			benchDevice(b, func(b *testing.B, d *device) {
				a := benchAttention(d, n, l, h, p)
				flops := 2 * n * l * (l + 1) * h * p
				b.Run("forward", func(b *testing.B) { perSecond(b, flops, func() { d.Attention(a.Attention) }) })
				d.Attention(a.Attention)
				b.Run("backward", func(b *testing.B) { perSecond(b, 5*flops/2, func() { d.AttentionBackward(a) }) })
			})
		})
	}
}
