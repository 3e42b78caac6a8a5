package cpu

import (
	"fmt"
	"math"
	"testing"

	"rpg/generator/compute"
)

// productSizes are m, n, k around the sizes of panels, tiles and chunks.
var productSizes = [][3]int{
	{1, 1, 1}, {4, 4, 1}, {12, 32, 7}, {6, 16, 8}, {13, 33, 9}, {11, 31, 65}, {25, 70, 300},
	{48, 64, 256}, {61, 130, 257}, {121, 257, 64}, {241, 513, 40},
}

// Every kernel against float64, and the two vector kernels against each other.
func TestProducts(t *testing.T) {
	for _, size := range append(productSizes, [3]int{chunkRows + 5, 9, 30}, [3]int{9, chunkColumns + 5, 30}, [3]int{40, 50, chunkDepth + 3}) {
		m, n, k := size[0], size[1], size[2]
		for mode := range 8 {
			transA, transB, beta := mode&1 != 0, mode&2 != 0, float32(mode>>2)
			if m*n*k > 1<<20 && mode != 3 && mode != 4 {
				continue // all of them would take long
			}
			t.Run(fmt.Sprintf("%dx%dx%d transA=%t transB=%t beta=%g", m, n, k, transA, transB, beta), func(t *testing.T) {
				testProduct(t, m, n, k, transA, transB, beta)
			})
		}
	}
}

func testProduct(t *testing.T, m, n, k int, transA, transB bool, beta float32) {
	rowsA, colsA, rowsB, colsB := m, k, k, n
	if transA {
		rowsA, colsA = k, m
	}
	if transB {
		rowsB, colsB = n, k
	}
	// Rows are a little apart.
	lda, ldb, ldc := colsA+3, colsB+1, n+2
	a, b, bias := normals(1, rowsA*lda), normals(2, rowsB*ldb), normals(3, n)
	start := normals(4, m*ldc)
	want, size := make([]float64, m*n), math.Sqrt(float64(k))+2
	for i := range m {
		for j := range n {
			ia, sa, ib, sb := i*lda, 1, j, ldb
			if transA {
				ia, sa = i, lda
			}
			if transB {
				ib, sb = j*ldb, 1
			}
			s := float64(bias[j]) + float64(beta)*float64(start[i*ldc+j])
			for p := range k {
				s += float64(a[ia+p*sa]) * float64(b[ib+p*sb])
			}
			want[i*n+j] = s
		}
	}
	view := func(v []float32, rows, cols, stride int) compute.Matrix {
		return compute.Matrix{Data: buffer(v), Rows: rows, Cols: cols, Stride: stride}
	}
	results := map[string][]float32{}
	for _, kn := range kernels() {
		d, err := open(2, kn)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		gemm := append([]float32(nil), start...)
		d.Gemm(view(gemm, m, n, ldc), view(a, rowsA, colsA, lda), view(b, rowsB, colsB, ldb), transA, transB, beta, buffer(bias))

		// The serial product of the same, which has no bias, starts from it.
		serial := append([]float32(nil), start...)
		for i := range m {
			for j := range n {
				serial[i*ldc+j] = bias[j] + beta*start[i*ldc+j]
			}
		}
		scratch := make([]float32, d.sgemmScratch(m, n, k))
		d.sgemm(scratch, transA, transB, m, n, k, a, lda, b, ldb, 1, serial, ldc)

		for i := range m {
			for j := range ldc {
				got := gemm[i*ldc+j]
				if j >= n {
					if got != start[i*ldc+j] {
						t.Fatalf("%s: row %d: wrote beyond the columns", kn.name, i)
					}
					continue
				}
				if w := want[i*n+j]; !(math.Abs(float64(got)-w) <= 1e-6*size*(1+math.Abs(w)/size)) {
					t.Fatalf("%s: C[%d,%d] is %g, want %g", kn.name, i, j, got, w)
				}
			}
		}
		sameBits(t, kn.name+" serial and parallel", serial, gemm)
		results[kn.name] = gemm
	}
	if results["avx512"] != nil {
		sameBits(t, "avx512 and avx2", results["avx512"], results["avx2"])
	}
}

// With beta 0 the old C is not read; k = 0 gives the bias or 0.
func TestProductEdges(t *testing.T) {
	for _, kn := range kernels() {
		for _, k := range []int{0, 5, 300} {
			for _, m := range []int{3, 200} {
				t.Run(fmt.Sprintf("%s m=%d k=%d", kn.name, m, k), func(t *testing.T) {
					d, err := open(2, kn)
					if err != nil {
						t.Fatal(err)
					}
					defer d.Close()
					const n = 40
					c := make([]float32, m*n)
					for i := range c {
						c[i] = float32(math.NaN())
					}
					ones := func(rows, cols int) compute.Matrix {
						v := make([]float32, rows*cols)
						for i := range v {
							v[i] = 1
						}
						return compute.MatrixOf(buffer(v), rows, cols)
					}
					out := compute.MatrixOf(buffer(c), m, n)
					for _, bias := range []compute.Buffer{nil, ones(1, n).Data} {
						d.Gemm(out, ones(m, k), ones(k, n), false, false, 0, bias)
						want := float32(k)
						if bias != nil {
							want++
						}
						for i, v := range c {
							if v != want {
								t.Fatalf("value %d is %g, want %g", i, v, want)
							}
						}
					}
				})
			}
		}
	}
}

func TestChooseKernel(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"", kernels()[0].name}, {"go", "go"}, {"sse", ""},
	} {
		k, err := chooseKernel(c.name)
		if got := ""; err == nil {
			if got = k.name; got != c.want {
				t.Errorf("RPG_CPU=%q: got %q, want %q", c.name, got, c.want)
			}
		} else if c.want != "" {
			t.Errorf("RPG_CPU=%q: %v", c.name, err)
		}
	}
}

func normals(stream uint64, n int) []float32 {
	out := make([]float32, 0, n+3)
	for b := uint64(0); len(out) < n; b++ {
		v := compute.Normals(1, stream, b)
		out = append(out, v[:]...)
	}
	return out[:n]
}

func sameBits(t *testing.T, what string, a, b []float32) {
	t.Helper()
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			t.Fatalf("%s: value %d: %g and %g differ", what, i, a[i], b[i])
		}
	}
}

// Products of training (CNN(m): 8 models of 48 tokens; ResNet-20: 2800 tokens),
// then the cube that the machine's speed is judged by.
func BenchmarkGemm(b *testing.B) {
	for _, c := range []struct {
		name           string
		m, n, k        int
		transA, transB bool
	}{
		{"in_proj 2800x1096x256 NT", 2800, 1096, 256, false, true},
		{"mlp 2800x512x512 NT", 2800, 512, 512, false, true},
		{"mlp dx 2800x512x512 NN", 2800, 512, 512, false, false},
		{"mlp dW 512x512x2800 TN", 512, 512, 2800, true, false},
		{"small 384x512x256 NT", 384, 512, 256, false, true},
		{"small dW 512x256x384 TN", 512, 256, 384, true, false},
		{"cube 1024 NN", 1024, 1024, 1024, false, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			d, err := Open(1) // RPG_CPU chooses the kernel
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			matrix := func(rows, cols int, swap bool) compute.Matrix {
				if swap {
					rows, cols = cols, rows
				}
				return compute.MatrixOf(buffer(normals(1, rows*cols)), rows, cols)
			}
			x, y, z := matrix(c.m, c.k, c.transA), matrix(c.k, c.n, c.transB), matrix(c.m, c.n, false)
			b.ReportAllocs()
			for b.Loop() {
				d.Gemm(z, x, y, c.transA, c.transB, 0, nil)
			}
			b.ReportMetric(2e-9*float64(c.m*c.n*c.k)*float64(b.N)/b.Elapsed().Seconds(), "GFLOP/s")
		})
	}
}

// The micro kernels alone, on operands in the first cache.
func BenchmarkMicro(b *testing.B) {
	for _, kn := range append(kernels(), bf16Kernels(b)...) {
		b.Run(kn.name, func(b *testing.B) {
			defer func() { b.ReportMetric(peakOf(kn), "peak-GFLOP/s") }()
			x, y, z := allocate(depth*kn.mr), allocate(depth*kn.nr), allocate(maxTile)
			for b.Loop() {
				kn.micro(kn.depthOf(depth), &x[0], &y[0], &z[0], kn.nr, true, &x[0])
			}
			b.ReportMetric(2e-9*float64(kn.mr*kn.nr*depth)*float64(b.N)/b.Elapsed().Seconds(), "GFLOP/s")
		})
	}
}

func peakOf(k *kernel) float64 {
	d, err := open(1, kernels()[0])
	if err != nil {
		panic(err)
	}
	defer d.Close()
	d.multiply(k)
	return FMAPeak(d) / 1e9
}
