package main

import (
	"fmt"

	"rpg/generator/compute"
)

// gemmShape is C [m, n] = op(A) [m, k] · op(B) [k, n].
type gemmShape struct {
	m, n, k        int
	transA, transB bool
}

// gemmCases are matrix products: square ones, and those of a training step
// (tokens by outputs, forward, gradient of the weights, many outputs).
func gemmCases() []benchCase {
	var cases []benchCase
	for _, k := range []struct {
		name  string
		shape gemmShape
		gpu   bool
	}{
		{"gemm/512", gemmShape{512, 512, 512, false, false}, false},
		{"gemm/1024", gemmShape{1024, 1024, 1024, false, false}, false},
		{"gemm/forward", gemmShape{384, 1536, 512, false, true}, false},
		{"gemm/weights", gemmShape{512, 1536, 384, true, false}, false},
		{"gemm/wide", gemmShape{64, 4096, 1024, false, true}, false},
		{"gemm/8192", gemmShape{8192, 8192, 8192, false, false}, true},
		{"gemm/forward/large", gemmShape{4096, 16384, 8192, false, true}, true}, // a projection of the recurrent model for ResNet-18
		{"gemm/weights/large", gemmShape{16384, 8192, 4096, true, false}, true},
		{"gemm/sample/large", gemmShape{512, 16384, 16384, false, true}, true}, // and in sampling ConvNeXt-L
	} {
		for _, bf16 := range []bool{false, true} {
			name := withPrecision(k.name, bf16)
			cases = append(cases, benchCase{name: name, gpu: k.gpu, run: func(b *bench) ([]benchRow, error) {
				d := b.on(bf16)
				if d == nil {
					return nil, nil
				}
				g := k.shape
				if k.gpu {
					g.m, g.n, g.k = g.m/b.shrink, g.n/b.shrink, g.k/b.shrink
				}
				return b.gemm(d, name, g)
			}})
		}
	}
	return cases
}

// withPrecision marks the names of rows with bf16 products.
func withPrecision(name string, bf16 bool) string {
	if bf16 {
		return name + "/bf16"
	}
	return name
}

// on is the device of a precision, nil when this machine has none.
func (b *bench) on(bf16 bool) compute.Device {
	if bf16 {
		return b.bfloat
	}
	return b.device
}

func (b *bench) gemm(d compute.Device, name string, g gemmShape) ([]benchRow, error) {
	left, right, x := normals(d, 0, g.m*g.k), normals(d, 1, g.k*g.n), d.Alloc(g.m*g.n)
	am, bm := compute.MatrixOf(left, g.m, g.k), compute.MatrixOf(right, g.k, g.n)
	shape := fmt.Sprintf("%dx%dx%d", g.m, g.n, g.k)
	if g.transA {
		am, shape = compute.MatrixOf(left, g.k, g.m), shape+" A'"
	}
	if g.transB {
		bm, shape = compute.MatrixOf(right, g.n, g.k), shape+" B'"
	}
	xm := compute.MatrixOf(x, g.m, g.n)
	seconds, err := b.median(d, func() { d.Gemm(xm, am, bm, g.transA, g.transB, 0, nil) })
	if err != nil {
		return nil, err
	}
	return []benchRow{b.flops(d, name, shape, 2*float64(g.m)*float64(g.n)*float64(g.k), seconds)}, nil
}

// normals is a buffer of n values: standard normal numbers, on a CPU in a block that
// comes again and again.
func normals(d compute.Device, stream uint64, n int) compute.Buffer {
	x := d.Alloc(n)
	if d.Info().Kind == "cuda" {
		d.Normal(x, 1, stream)
	} else {
		fillNormals(d, stream, x)
	}
	return x
}

// fillNormals fills x with them.
func fillNormals(d compute.Device, stream uint64, x compute.Buffer) {
	block := make([]float32, 0, 1<<14)
	for i := range cap(block) / 4 {
		four := compute.Normals(1, stream, uint64(i))
		block = append(block, four[:]...)
	}
	for at := 0; at < x.Len(); at += len(block) {
		end := min(x.Len(), at+len(block))
		d.Upload(x.Slice(at, end), block[:end-at])
	}
}
