package cuda

import (
	"errors"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"rpg/generator/compute"
)

func openShim(t *testing.T) *device {
	t.Helper()
	d, err := OpenLibrary(shimLibrary(t, plain), 0, false)
	if err != nil {
		t.Fatal(err)
	}
	return d.(*device)
}

func TestOpen(t *testing.T) {
	d := openShim(t)
	if i := d.Info(); i.Kind != "cuda" || i.Memory != 4<<30 || i.Name != "host shim, compute capability 8.0, float32" {
		t.Errorf("got %+v", i)
	}
	for range 2 {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := d.Sync(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("got %v, want an error that the device is closed", err)
	}
}

// What a machine lacks is told apart.
func TestMissing(t *testing.T) {
	lib := shimLibrary(t, plain)
	for _, c := range []struct {
		name, variable, value string
		ordinal               int
		reason                Reason
		text                  string
	}{
		{"no driver", "RPG_SHIM_OPEN", "35", 0, NoDriver, "no NVIDIA driver for CUDA 13.0 or newer"},
		{"no GPU", "RPG_SHIM_OPEN", "100", 0, NoGPU, "no NVIDIA GPU"},
		{"no such GPU", "RPG_SHIM_OPEN", "", 3, NoSuchGPU, "there is no GPU 3"},
		{"negative", "RPG_SHIM_OPEN", "", -1, NoSuchGPU, "there is no GPU -1"},
		{"too old", "RPG_SHIM_MAJOR", "7", 0, GPUTooOld, "expected a GPU of compute capability 8.0 or newer, found 7.x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(c.variable, c.value)
			d, err := OpenLibrary(lib, c.ordinal, false)
			var missing *MissingError
			if d != nil || !errors.As(err, &missing) || missing.Reason != c.reason || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("got %v, %v, want %q", d, err, c.text)
			}
			if missing.Hint() == "" {
				t.Error("no hint")
			}
		})
	}
}

// The text of a failure is that of the same call, whatever other goroutines open
// meanwhile.
func TestMissingTogether(t *testing.T) {
	lib := shimLibrary(t, plain)
	t.Setenv("RPG_SHIM_MAJOR", "7")
	var wait sync.WaitGroup
	for i := range 8 {
		ordinal, want := 0, "expected a GPU of compute capability 8.0"
		if i%2 == 1 {
			ordinal, want = 3, "invalid device ordinal"
		}
		wait.Go(func() {
			for range 2000 {
				if _, err := OpenLibrary(lib, ordinal, false); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("GPU %d: got %v, want %q", ordinal, err, want)
					return
				}
			}
		})
	}
	wait.Wait()
}

// A library of something else is refused with its name.
func TestForeignLibrary(t *testing.T) {
	text := t.TempDir() + "/text.so"
	if err := os.WriteFile(text, []byte("no library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{text, "libc.so.6", "/nonexistent/librpgcuda.so"} {
		if d, err := OpenLibrary(path, 0, false); d != nil || err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, %v, want an error that names it", path, d, err)
		}
	}
}

// The library is found in memory as on disk.
func TestMemoryFile(t *testing.T) {
	image, err := os.ReadFile(shimLibrary(t, plain))
	if err != nil {
		t.Fatal(err)
	}
	path, err := memoryFile(libraryName, image)
	if err != nil {
		t.Fatal(err)
	}
	d, err := OpenLibrary(path, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if !strings.HasSuffix(d.Info().Name, "BF16") {
		t.Errorf("got %q, want a device of BF16", d.Info().Name)
	}
}

// The first failure is kept and returned by Sync and Download.
func TestFailures(t *testing.T) {
	t.Run("out of memory", func(t *testing.T) {
		t.Setenv("RPG_SHIM_MEMORY", "10000000")
		d := openShim(t)
		defer d.Close()
		small := d.Alloc(1000)
		d.Add(d.Alloc(1<<24), d.Alloc(1<<24))
		for _, err := range []error{d.Sync(), d.Download(make([]float32, 1000), small)} {
			if err == nil || !strings.Contains(err.Error(), "out of memory (2) (for 67108864 bytes beside 4000)") {
				t.Errorf("got %v, want out of memory", err)
			}
		}
	})
	for _, number := range []int32{-1, 3} {
		d := openShim(t)
		defer d.Close()
		rows := d.AllocInts(2)
		d.UploadInts(rows, []int32{1, number})
		m := func(rows int) compute.Matrix { return compute.MatrixOf(d.Alloc(rows*5), rows, 5) }
		d.ScatterAdd(m(3), m(2), rows)
		if err := d.Sync(); err == nil || !strings.Contains(err.Error(), "row number out of range") {
			t.Errorf("row %d: got %v, want an error", number, err)
		}
	}
}

// Memory that no buffer refers to any more is given back.
func TestGarbage(t *testing.T) {
	t.Setenv("RPG_SHIM_MEMORY", "10000000")
	d := openShim(t)
	defer d.Close()
	kept := d.Alloc(100).Slice(10, 20)
	for i := range 50 {
		d.Zero(d.Alloc(1 << 20))
		if err := d.Sync(); err != nil {
			t.Fatalf("after %d buffers of 4 MiB: %v", i, err)
		}
	}
	values := []float32{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}
	d.Upload(kept, values)
	got := make([]float32, 10)
	if err := d.Download(got, kept); err != nil || [10]float32(got) != [10]float32(values) {
		t.Errorf("got %v, %v", got, err)
	}
}

// Uploads longer than what is staged at once arrive whole.
func TestLongUpload(t *testing.T) {
	d := openShim(t)
	defer d.Close()
	values := make([]float32, 3<<18+5)
	for i := range values {
		values[i] = float32(i)
	}
	b := d.Alloc(len(values))
	d.Upload(b, values)
	got := make([]float32, len(values))
	if err := d.Download(got, b); err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if v != values[i] {
			t.Fatalf("value %d: got %g, want %g", i, v, values[i])
		}
	}
}

// Recorded work is done at each replay and not before, with the scalars that
// stand in memory then. It may end on another thread than it began.
func TestRecord(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	d := openShim(t)
	defer d.Close()
	x, factors := d.Alloc(3), d.Alloc(3)
	d.Upload(x, []float32{1, 2, 3})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(d.call("rpg_record"))
	at := d.vals(x, 3)
	launch(d, "rpg_combine", combineArgs{dst: at, x: at, n: 3, later: d.vals(factors, 3), now: combineNow{a: float32(math.NaN())}})
	var graph uintptr
	ended := make(chan error)
	go func() { ended <- d.call("rpg_record_end", uintptr(unsafe.Pointer(&graph))) }()
	must(<-ended)
	for _, f := range []float32{2, -3} {
		d.Upload(factors, []float32{f, 0, 0})
		must(d.call("rpg_replay", graph))
	}
	got := make([]float32, 3)
	must(d.Download(got, x))
	if [3]float32(got) != [3]float32{-6, -12, -18} {
		t.Errorf("got %v, want 1, 2, 3 times 2 times -3", got)
	}
	must(d.call("rpg_graph_free", graph))
}
