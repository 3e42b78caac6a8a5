package cpu

import (
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"rpg/generator/compute"
)

func TestOpen(t *testing.T) {
	t.Setenv("RPG_CPU", "")
	for _, c := range []struct {
		name          string
		threads, want int
		fails         string
	}{
		{"all", 0, runtime.GOMAXPROCS(0), ""},
		{"one", 1, 1, ""},
		{"more than cores", 5, 5, ""},
		{"negative", -1, 0, "number of threads"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := Open(c.threads)
			if c.fails != "" {
				if err == nil || d != nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got %v, %v; want an error with %q", d, err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			info := d.Info()
			if info.Kind != "cpu" || info.Threads != c.want || !strings.Contains(info.Name, kernels()[0].title) {
				t.Errorf("got %+v, want %d threads and %s", info, c.want, kernels()[0].title)
			}
		})
	}
}

func TestOpenKernel(t *testing.T) {
	for _, c := range []struct{ env, title, fails string }{
		{"go", "no SIMD", ""},
		{"sse", "", `expected avx512bf16, avx512, avx2 or go, found "sse"`},
	} {
		t.Run(c.env, func(t *testing.T) {
			t.Setenv("RPG_CPU", c.env)
			d, err := Open(1)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got %v, want an error with %q", err, c.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if !strings.Contains(d.Info().Name, c.title) {
				t.Errorf("got %q, want %q in it", d.Info().Name, c.title)
			}
		})
	}
}

// Every item is done exactly once, before parallel returns, by one of the workers.
func TestParallel(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8} {
		d, err := open(threads, &portable)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		for _, n := range []int{0, 1, 2, 3, 7, 100} {
			for range 50 {
				count := make([]int, n)
				var strangers atomic.Int32
				d.parallel(n, nil, func(_ any, worker, i, _ int) {
					count[i]++
					if worker < 0 || worker >= threads {
						strangers.Add(1)
					}
				})
				for i, c := range count {
					if c != 1 {
						t.Fatalf("%d threads, %d items: item %d was done %d times", threads, n, i, c)
					}
				}
				if strangers.Load() != 0 {
					t.Fatalf("%d threads: a worker's number is out of range", threads)
				}
			}
		}
	}
}

// Programmer errors panic with a text that begins with "compute: ".
func TestWrongShapes(t *testing.T) {
	d, err := Open(1)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	buf := func(n int) compute.Buffer { return d.Alloc(n) }
	mat := func(rows, cols int) compute.Matrix { return compute.MatrixOf(buf(rows*cols), rows, cols) }
	numbers := d.AllocInts(3)
	d.UploadInts(numbers, []int32{0, 1, 5})
	long := mat(3, 4)
	long.Rows = 4
	for _, c := range []struct {
		name string
		call func()
	}{
		{"Copy of another length", func() { d.Copy(buf(3), buf(4)) }},
		{"Upload of another length", func() { d.Upload(buf(3), make([]float32, 4)) }},
		{"Add of nil", func() { d.Add(buf(3), nil) }},
		{"Gemm with another k", func() { d.Gemm(mat(2, 3), mat(2, 4), mat(5, 3), false, false, 0, nil) }},
		{"Gemm with beta 2", func() { d.Gemm(mat(2, 3), mat(2, 4), mat(4, 3), false, false, 2, nil) }},
		{"Gemm with a short bias", func() { d.Gemm(mat(2, 3), mat(2, 4), mat(4, 3), false, false, 0, buf(2)) }},
		{"matrix longer than its buffer", func() { d.ColumnSums(buf(4), long) }},
		{"Gather beyond the rows", func() { d.Gather(mat(3, 4), mat(5, 4), numbers, 0) }},
		{"ScatterAdd beyond the rows", func() { d.ScatterAdd(mat(5, 4), mat(3, 4), numbers) }},
		{"MaskedMSE with too many valid", func() { d.MaskedMSE(buf(1), mat(3, 4), mat(3, 4), mat(3, 4), numbers) }},
		{"LayerNorm with scale only", func() { d.LayerNorm(mat(3, 4), mat(3, 4), compute.Matrix{}, mat(3, 4), 1e-5) }},
		{"AdamW at step 0", func() { d.AdamW(compute.AdamW{P: buf(1), G: buf(1), M: buf(1), V: buf(1)}) }},
		{"AdamW8 with a scale too few", func() {
			d.AdamW8(compute.AdamW8{AdamW: compute.AdamW{P: buf(257), G: buf(257), Step: 1},
				MCodes: d.AllocInts(65), VCodes: d.AllocInts(65), MScale: buf(2), VScale: buf(1)})
		}},
		{"AdamW8 with M as numbers", func() {
			d.AdamW8(compute.AdamW8{AdamW: compute.AdamW{P: buf(1), G: buf(1), M: buf(1), Step: 1},
				MCodes: d.AllocInts(1), VCodes: d.AllocInts(1), MScale: buf(1), VScale: buf(1)})
		}},
		{"TimeFeatures of odd width", func() { d.TimeFeatures(mat(2, 3), buf(2)) }},
		{"Diffuse to something else", func() {
			d.Diffuse(mat(2, 3), mat(2, 3), mat(2, 3), mat(2, 3), buf(2), buf(2), compute.Prediction(9))
		}},
		{"LSTM with W of another width", func() {
			d.LSTM(compute.LSTM{N: 1, L: 2, M: 3, Gates: mat(2, 12), H: mat(2, 3), C: mat(2, 3), W: buf(35)})
		}},
		{"Attention with too few keys", func() {
			d.Attention(compute.Attention{N: 1, L: 3, H: 1, P: 4, First: 1, Q: mat(3, 4), K: mat(3, 4), V: mat(3, 4), Y: mat(3, 4), LSE: mat(3, 1)})
		}},
		{"AttentionBackward of a later piece", func() {
			a := compute.Attention{N: 1, L: 3, H: 1, P: 4, First: 1, Q: mat(3, 4), K: mat(4, 4), V: mat(4, 4), Y: mat(3, 4), LSE: mat(3, 1)}
			d.AttentionBackward(compute.AttentionBackward{Attention: a, DY: mat(3, 4), DQ: mat(3, 4), DK: mat(4, 4), DV: mat(4, 4)})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if text, ok := recover().(string); !ok || !strings.HasPrefix(text, "compute: ") {
					t.Errorf("got %q, want a panic that begins with compute:", text)
				}
			}()
			c.call()
		})
	}
}
