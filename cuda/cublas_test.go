package cuda

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ebitengine/purego"

	"rpg/generator/compute"
)

// fakeBLAS makes testdata/cublaslt.cc, lets devices of the library find it, and
// returns its counters.
func fakeBLAS(t *testing.T, library string) (counter func(name string) int) {
	t.Helper()
	gxx, err := exec.LookPath("g++")
	if err != nil {
		t.Skip("no g++: cuBLASLt cannot be imitated")
	}
	path := filepath.Join(t.TempDir(), "libcublasLt.so")
	text, err := exec.Command(gxx, "-std=c++17", "-O2", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror",
		"testdata/cublaslt.cc", "-o", path).CombinedOutput()
	if err != nil {
		t.Fatalf("g++: %v\n%s", err, text)
	}
	t.Setenv("RPG_CUBLASLT", path)
	t.Setenv("RPG_CUDA_BLAS", "lt")
	fake := load(t, path)
	purego.SyscallN(symbol(t, fake, "fake_watch"), symbol(t, load(t, library), "shim_device"))
	return func(name string) int {
		n, _, _ := purego.SyscallN(symbol(t, fake, name))
		return int(int32(n))
	}
}

// load returns the handle of a library that a device has loaded or will load.
func load(t *testing.T, path string) uintptr {
	t.Helper()
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		t.Fatal(err)
	}
	return handle
}

func symbol(t *testing.T, library uintptr, name string) uintptr {
	t.Helper()
	entry, err := purego.Dlsym(library, name)
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

// cuBLASLt gets what cublasLt.h demands, for all products but those that it cannot
// do, and one shape is looked up once.
func TestCUBLAS(t *testing.T) {
	lib := shimLibrary(t, plain)
	counter := fakeBLAS(t, lib)
	for _, bf16 := range []bool{false, true} {
		name := "float32"
		if bf16 {
			name = "bf16"
		}
		t.Run(name, func(t *testing.T) {
			before := counter("fake_open")
			d := openWith(t, lib, bf16)
			if name := d.Info().Name; !strings.Contains(name, "cuBLASLt 13.1.0") {
				t.Errorf("the device is %q, want it to name cuBLASLt 13.1.0", name)
			}
			for _, p := range products() {
				if p.m*p.n*p.k > 1<<20 {
					continue // the imitation is slow
				}
				t.Run(p.String(), func(t *testing.T) {
					done, asked := counter("fake_matmuls"), counter("fake_heuristics")
					e := p.example(bf16)
					e.run(t, d, d.Alloc)
					e.run(t, d, d.Alloc)
					want := 2
					if p.k == 0 || !bf16 && (p.repeatA || p.repeatB) {
						want = 0
					}
					if n := counter("fake_matmuls") - done; n != want {
						t.Errorf("cuBLASLt did %d products, want %d", n, want)
					}
					if n := counter("fake_heuristics") - asked; n > 1 {
						t.Errorf("cuBLASLt was asked %d times, want 1", n)
					}
					e.run(t, d, d.AllocRounded)
				})
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
			if n := counter("fake_open") - before; n != 0 {
				t.Errorf("%d objects of cuBLASLt were not destroyed", n)
			}
		})
	}
}

// Where cuBLASLt refuses, before or when it is called, the own kernels step in.
func TestCUBLASRefuses(t *testing.T) {
	lib := shimLibrary(t, plain)
	counter := fakeBLAS(t, lib)
	for _, what := range []string{"heuristic", "matmul"} {
		t.Run(what, func(t *testing.T) {
			t.Setenv("FAKE_REFUSE", what)
			d := openWith(t, lib, true)
			done := counter("fake_matmuls")
			for _, p := range []product{{m: 33, n: 40, k: 65, bias: true, beta: 1}, {m: 70, n: 50, k: 2500, transA: true, beta: 1}} {
				e := p.example(true)
				e.run(t, d, d.Alloc)
				e.run(t, d, d.Alloc)
			}
			if n := counter("fake_matmuls") - done; n != 0 {
				t.Errorf("cuBLASLt did %d products, want none", n)
			}
		})
	}
}

// cuBLASLt asks the calling thread for its GPU, and Go moves callers from thread to
// thread: also on one that has not been used before, it is told. (The imitation ends
// the process otherwise.)
func TestCUBLASThreads(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	lib := shimLibrary(t, plain)
	counter := fakeBLAS(t, lib)
	forget := symbol(t, load(t, lib), "shim_new_thread")
	for _, bf16 := range []bool{false, true} {
		d, err := OpenLibrary(lib, 0, bf16)
		if err != nil {
			t.Fatal(err)
		}
		a, b, c := compute.MatrixOf(d.Alloc(12), 3, 4), compute.MatrixOf(d.Alloc(20), 4, 5), compute.MatrixOf(d.Alloc(15), 3, 5)
		done := counter("fake_matmuls")
		for range 2 { // the first time it is asked for a way
			purego.SyscallN(forget)
			d.Gemm(c, a, b, false, false, 0, nil)
		}
		if n := counter("fake_matmuls") - done; n != 2 {
			t.Errorf("cuBLASLt did %d products, want 2", n)
		}
		purego.SyscallN(forget)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestCUBLASMissing(t *testing.T) {
	lib := shimLibrary(t, plain)
	t.Setenv("RPG_CUBLASLT", filepath.Join(t.TempDir(), "none.so"))
	t.Setenv("RPG_CUDA_BLAS", "lt")
	if d, err := OpenLibrary(lib, 0, false); err == nil || !strings.Contains(err.Error(), "expected libcublasLt.so.13 or .12") {
		t.Errorf("got %v, %v, want an error that names libcublasLt.so.13", d, err)
	}
	t.Setenv("RPG_CUDA_BLAS", "")
	d := openWith(t, lib, false)
	product{m: 3, n: 4, k: 5}.example(false).run(t, d, d.Alloc)
}
