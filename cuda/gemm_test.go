package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"rpg/generator/compute"
)

// product is a Gemm with a reference in float64.
type product struct {
	m, n, k          int
	transA, transB   bool
	beta             float32
	bias             bool
	shift, gap       int  // values before each matrix, and between its rows
	repeatA, repeatB bool // one row for all, by a stride of 0
}

func (p product) String() string {
	s := fmt.Sprintf("%dx%dx%d", p.m, p.n, p.k)
	for _, part := range []struct {
		on   bool
		text string
	}{{p.transA, "transA"}, {p.transB, "transB"}, {p.beta != 0, "beta"}, {p.bias, "bias"}, {p.shift > 0, "shifted"},
		{p.gap > 0, "strided"}, {p.repeatA, "repeatA"}, {p.repeatB, "repeatB"}} {
		if part.on {
			s += " " + part.text
		}
	}
	return s
}

// factor is a matrix on the host: rows*stride values after the first `shift`.
type factor struct {
	values             []float32
	shift              int
	rows, cols, stride int
}

func (p product) factor(r *rand.Rand, rows, cols int, repeat bool) factor {
	f := factor{shift: p.shift, rows: rows, cols: cols, stride: cols + p.gap}
	if repeat {
		f.stride = 0
	}
	f.values = make([]float32, p.shift+max(rows, 1)*(cols+p.gap))
	for i := range f.values {
		f.values[i] = float32(r.NormFloat64())
	}
	return f
}

// spoil makes NaN of all that is no value of the matrix.
func (f factor) spoil() {
	for i := range f.values {
		if i < f.shift || f.stride > 0 && (i-f.shift)%f.stride >= f.cols {
			f.values[i] = float32(math.NaN())
		}
	}
}

func (f factor) at(i, j int) float32 { return f.values[f.shift+i*f.stride+j] }

func (f factor) on(d compute.Device) compute.Matrix { return f.in(d, d.Alloc) }

func (f factor) in(d compute.Device, alloc func(n int) compute.Buffer) compute.Matrix {
	b := alloc(len(f.values))
	d.Upload(b, f.values)
	return compute.Matrix{Data: b.Slice(f.shift, b.Len()), Rows: f.rows, Cols: f.cols, Stride: f.stride}
}

// roundBF16 rounds to the nearest of bf16, ties to even.
func roundBF16(v float32) float64 {
	b := math.Float32bits(v)
	return float64(math.Float32frombits((b + 0x7fff + b>>16&1) &^ 0xffff))
}

// example is a product with its factors and what C must be.
type example struct {
	product
	a, b, old, bias factor
	want            []float64
}

// example makes the sums in float64, of factors that are rounded with bf16.
func (p product) example(bf16 bool) *example {
	r := rand.New(rand.NewPCG(uint64(p.m*p.n), uint64(p.k)))
	rowsA, colsA, rowsB, colsB := p.m, p.k, p.k, p.n
	if p.transA {
		rowsA, colsA = colsA, rowsA
	}
	if p.transB {
		rowsB, colsB = colsB, rowsB
	}
	e := &example{product: p, want: make([]float64, p.m*p.n)}
	e.a, e.b = p.factor(r, rowsA, colsA, p.repeatA), p.factor(r, rowsB, colsB, p.repeatB)
	e.a.spoil()
	e.b.spoil()
	e.old, e.bias = p.factor(r, p.m, p.n, false), p.factor(r, 1, p.n, false)
	left, right := make([]float64, p.m*p.k), make([]float64, p.n*p.k) // lines of k
	e.a.lines(left, !p.transA, bf16)
	e.b.lines(right, p.transB, bf16)
	for i := range p.m {
		for j := range p.n {
			var s float64
			x, y := left[i*p.k:][:p.k], right[j*p.k:][:p.k]
			for k, v := range x {
				s += v * y[k]
			}
			if p.beta != 0 {
				s += float64(e.old.at(i, j))
			} else {
				e.old.values[e.old.shift+i*e.old.stride+j] = float32(math.NaN()) // which must not be read
			}
			if p.bias {
				s += float64(e.bias.at(0, j))
			}
			e.want[i*p.n+j] = s
		}
	}
	return e
}

// lines writes the values row by row or, else, column by column.
func (f factor) lines(dst []float64, byRows, bf16 bool) {
	for i := range f.rows {
		for j := range f.cols {
			v := float64(f.at(i, j))
			if bf16 {
				v = roundBF16(f.at(i, j))
			}
			if byRows {
				dst[i*f.cols+j] = v
			} else {
				dst[j*f.rows+i] = v
			}
		}
	}
}

// run does the product on d, with B from alloc, compares it, and returns C with its
// gaps.
func (e *example) run(t *testing.T, d compute.Device, alloc func(n int) compute.Buffer) []float32 {
	t.Helper()
	var bias compute.Buffer
	if e.product.bias {
		bias = e.bias.on(d).Data.Slice(0, e.n)
	}
	c := e.old.on(d)
	d.Gemm(c, e.a.on(d), e.b.in(d, alloc), e.transA, e.transB, e.beta, bias)
	got := factor{values: make([]float32, c.Data.Len()), stride: e.old.stride}
	if err := d.Download(got.values, c.Data); err != nil {
		t.Fatal(err)
	}
	// The rounding errors of k sums add up like a random walk.
	scale, tol := math.Sqrt(float64(e.k)+2), 2e-7*math.Sqrt(float64(e.k)+4)
	for i := range e.m {
		for j := range e.n {
			v, want := got.at(i, j), e.want[i*e.n+j]
			if !(math.Abs(float64(v)-want) <= tol*(math.Abs(want)+scale)) {
				t.Fatalf("C[%d,%d] is %g, want %g", i, j, v, want)
			}
		}
		for j := e.n; j < got.stride; j++ {
			if got.at(i, j) != e.old.at(i, j) {
				t.Fatalf("the gap after row %d was overwritten", i)
			}
		}
	}
	return got.values
}

// products are around the borders of tiles of C and of the depth that blocks load
// at a time, with all transpositions, and shapes whose k is split.
func products() []product {
	var all []product
	for i, s := range [][3]int{
		{1, 1, 1}, {7, 9, 31}, {64, 64, 32}, {65, 63, 33}, {127, 128, 95}, {128, 127, 8}, {129, 7, 97},
		{257, 129, 64}, {130, 258, 40}, {1, 257, 129}, {70, 50, 1600}, {40, 72, 1025}, {5, 3, 1536},
	} {
		for mode := range 4 {
			p := product{m: s[0], n: s[1], k: s[2], transA: mode&1 != 0, transB: mode&2 != 0}
			// Each size meets bias, beta, gaps and addresses that are not aligned.
			p.bias, p.beta = (i+mode)%2 == 0, float32((i+mode)/2%2)
			p.gap, p.shift = (i+mode)%3*2, (i+mode)%2
			all = append(all, p)
		}
	}
	return append(all,
		product{m: 130, n: 140, k: 1100, transA: true, beta: 1},
		product{m: 33, n: 40, k: 65, repeatA: true, bias: true},
		product{m: 33, n: 40, k: 65, repeatB: true, beta: 1},
		product{m: 70, n: 40, k: 33, transA: true, transB: true, repeatA: true, repeatB: true},
		product{m: 33, n: 48, k: 40},
		product{m: 70, n: 40, k: 64, transB: true, bias: true},
		product{m: 33, n: 40, k: 38, gap: 2, transB: true}, // B stays, with what is no value in the last step of 8
		product{m: 33, n: 45, k: 40, gap: 3},
		product{m: 9, n: 11, k: 0, bias: true, beta: 1, gap: 2},
		product{m: 9, n: 11, k: 0})
}

// Products of both kinds of device, which do not depend on the order of threads
// and blocks.
func TestProducts(t *testing.T) {
	lib := shimLibrary(t, plain)
	for _, bf16 := range []bool{false, true} {
		t.Run(fmt.Sprintf("bf16=%t", bf16), func(t *testing.T) {
			t.Setenv("RPG_CUDA_BLAS", "own")
			testProducts(t, openWith(t, lib, bf16), bf16)
		})
	}
}

func testProducts(t *testing.T, d compute.Device, bf16 bool) {
	for _, p := range products() {
		t.Run(p.String(), func(t *testing.T) {
			e := p.example(bf16)
			first := e.run(t, d, d.Alloc)
			kept := e.run(t, d, d.AllocRounded) // cuBLASLt may choose another way for it
			if os.Getenv("RPG_CUDA_BLAS") == "own" && !slices.EqualFunc(first, kept, sameBits) {
				t.Error("a B that is kept rounded gives other values than one that is rounded for the product")
			}
			if p.k < 1000 {
				return
			}
			t.Setenv("RPG_SHIM_ORDER", "random")
			if again := e.run(t, d, d.Alloc); !slices.EqualFunc(first, again, sameBits) {
				t.Error("a second time, in another order of threads and blocks on the shim, gives other values")
			}
		})
	}
}

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }
