package cpu

import (
	"fmt"
	"math"
	"testing"

	"rpg/generator/compute"
)

// openBF16 opens a device whose products are those of k.
func openBF16(t testing.TB, threads int, k *kernel) *device {
	d, err := open(threads, kernels()[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	d.multiply(k)
	return d
}

// bf16Kernels are the portable kernel and, where the processor says that it has
// the instructions or RPG_CPU says so, that in assembly.
func bf16Kernels(t testing.TB) []*kernel {
	list := []*kernel{&portableBF16}
	if d, err := OpenBF16(1); err == nil {
		list = append(list, d.(*device).products)
		d.Close()
	} else {
		t.Logf("only the portable kernel is tested: %v", err)
	}
	return list
}

// Rounding to bf16: ties to even, NaN, the smallest and the largest numbers.
func TestRoundBF16(t *testing.T) {
	for _, c := range []struct {
		name string
		bits uint32
		want uint16
	}{
		{"one", 0x3f800000, 0x3f80},
		{"below a tie", 0x3f807fff, 0x3f80},
		{"tie to even, down", 0x3f808000, 0x3f80},
		{"tie to even, up", 0x3f818000, 0x3f82},
		{"above a tie", 0x3f808001, 0x3f81},
		{"negative", 0xbf80ffff, 0xbf81},
		{"largest", 0x7f7fffff, 0x7f80},
		{"infinity", 0xff800000, 0xff80},
		{"NaN", 0x7f800001, 0x7fc0},
		{"subnormal", 0x80000001, 0x8000},
		{"smallest normal", 0x00800000, 0x0080},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, k := range bf16Kernels(t) {
				src := make([]float32, 2*k.nr)
				src[1], src[k.nr+2] = math.Float32frombits(c.bits), math.Float32frombits(c.bits)
				dst := make([]float32, k.nr)
				k.pairs(dst, src, k.nr, 1)
				if even, odd := math.Float32bits(dst[1]), math.Float32bits(dst[2]); even != uint32(c.want) || odd != uint32(c.want)<<16 {
					t.Errorf("%s: got %x and %x, want %x in the lower and the upper half", k.name, even, odd, c.want)
				}
			}
		})
	}
}

// Products of the bf16 kernels against float64 products of the rounded factors,
// and those of one thread against those of three.
func TestProductsBF16(t *testing.T) {
	for _, k := range bf16Kernels(t) {
		for _, size := range [][3]int{{70, 70, 70}, {61, 130, 257}, {121, 257, 65}, {241, 513, 40}, {40, 50, chunkDepth + 3}, {300, 40, 1025}} {
			for mode := range 4 {
				transA, transB := mode&1 != 0, mode&2 != 0
				t.Run(fmt.Sprintf("%s %dx%dx%d transA=%t transB=%t", k.name, size[0], size[1], size[2], transA, transB), func(t *testing.T) {
					testProductBF16(t, k, size[0], size[1], size[2], transA, transB)
				})
			}
		}
	}
}

func testProductBF16(t *testing.T, kn *kernel, m, n, k int, transA, transB bool) {
	rowsA, colsA, rowsB, colsB := m, k, k, n
	if transA {
		rowsA, colsA = k, m
	}
	if transB {
		rowsB, colsB = n, k
	}
	a, b, bias := normals(1, m*k), normals(2, k*n), normals(3, n)
	run := func(threads int) []float32 {
		d := openBF16(t, threads, kn)
		c := make([]float32, m*n)
		d.Gemm(compute.MatrixOf(buffer(c), m, n), compute.MatrixOf(buffer(a), rowsA, colsA),
			compute.MatrixOf(buffer(b), rowsB, colsB), transA, transB, 0, buffer(bias))
		return c
	}
	got := run(1)
	sameBits(t, "one thread and three", run(3), got)
	rounded := func(v float32) float64 { return float64(math.Float32frombits(uint32(bf16(v)) << 16)) }
	for i := range m {
		for j := range n {
			s := float64(bias[j])
			for p := range k {
				x, y := i*k+p, p*n+j
				if transA {
					x = p*m + i
				}
				if transB {
					y = j*k + p
				}
				s += rounded(a[x]) * rounded(b[y])
			}
			if tol := 1e-6 * (math.Sqrt(float64(k)) + 2 + math.Abs(s)); !(math.Abs(float64(got[i*n+j])-s) <= tol) {
				t.Fatalf("C[%d,%d] is %g, want %g", i, j, got[i*n+j], s)
			}
		}
	}
}

func TestOpenBF16(t *testing.T) {
	for _, name := range []string{"avx2", "go"} {
		t.Setenv("RPG_CPU", name)
		if d, err := OpenBF16(1); err == nil || d != nil {
			t.Errorf("RPG_CPU=%s: got %v, %v, want an error", name, d, err)
		}
	}
}
