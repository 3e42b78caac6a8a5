package cuda

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"

	"rpg/generator"
	"rpg/internal/zootest"
)

// kernelCounts is what the interpreter counted of a kernel.
type kernelCounts struct {
	Kernel   string `json:"kernel"`
	File     string `json:"file"`
	Launches uint64 `json:"launches"`
	counts
	WorstShared []place `json:"worst_shared"`
	WorstGlobal []place `json:"worst_global"`
}

// place is a line of the source, what it did with shared memory, and with global.
type place struct {
	At         string `json:"at"`
	Requests   uint64 `json:"requests"`
	Sectors    uint64 `json:"sectors"`
	Bytes      uint64 `json:"bytes"`
	Wavefronts uint64 `json:"wavefronts"`
	Ideal      uint64 `json:"ideal"`
}

// worst says where most of what is lost is lost.
func (c kernelCounts) worst() (text string) {
	for _, p := range c.WorstShared {
		text += fmt.Sprintf("; %s: %d passes, ideal %d", p.At, p.Wavefronts, p.Ideal)
	}
	for _, p := range c.WorstGlobal {
		text += fmt.Sprintf("; %s: %d bytes in %d sectors", p.At, p.Bytes, p.Sectors)
	}
	return text
}

// name is the kernel without its template arguments and parameters, after its file.
func (c kernelCounts) name() string {
	name := strings.TrimPrefix(strings.ReplaceAll(c.Kernel, "(anonymous namespace)::", ""), "void ")
	return c.File + " " + name[:strings.IndexAny(name+"(", "<(")]
}

// access is how well a kernel uses shared and global memory: passes of shared memory
// over those without conflicts of banks, and bytes of the sectors that loads and
// stores touch over those that lanes asked for. 0 where there are none.
type access struct{ shared, loads, stores float64 }

func (c kernelCounts) access() access {
	share := func(a, b uint64) float64 {
		if b == 0 {
			return 0
		}
		return float64(a) / float64(b)
	}
	return access{share(c.SharedWavefronts, c.SharedIdeal), share(32*c.LoadSectors, c.LoadBytes), share(32*c.StoreSectors, c.StoreBytes)}
}

// summary is a line of what was counted: instructions of warps and what part of them
// were matrix products or arithmetic in float32; how memory is used, and sectors that
// accesses touch over distinct ones.
func (c kernelCounts) summary() string {
	percent := func(class string) float64 { return 100 * float64(c.Classes[class]) / float64(c.Instructions) }
	a, instance := c.access(), ""
	if at := strings.IndexByte(c.Kernel, '<'); at >= 0 {
		instance = c.Kernel[at:min(at+24, len(c.Kernel))]
	}
	return fmt.Sprintf("%-44s %-24s %9d instructions, mma %4.1f %%, f32 %4.1f %%; passes %.2f; sectors of loads %.2f, of stores %.2f, over distinct %.1f",
		c.name(), instance, c.Instructions, percent("mma"), percent("f32"), a.shared, a.loads, a.stores,
		float64(c.LoadSectors+c.StoreSectors)/float64(max(1, c.DistinctRead+c.DistinctWritten))) + c.worst()
}

// countedWork is trainings, and sampling, in which all kernels are met in shapes like
// the published ones, made small.
var countedWork = []struct {
	denoiser, recurrent, window, optimizer string
	bf16                                   bool
}{
	{"conv", "mamba2", "0", "adamw", false},
	{"conv", "mamba2", "0", "adamw8bit", true},
	{"mlp", "lstm", "17", "adamw", false},
	{"mlp", "transformer", "0", "adamw", true},
}

// ptxCounter switches the counters of a library on and off, and reads them.
type ptxCounter struct {
	t                 *testing.T
	counting, counted uintptr
}

func openCounter(t *testing.T, library string) ptxCounter {
	t.Helper()
	handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		t.Fatal(err)
	}
	c := ptxCounter{t: t}
	for name, entry := range map[string]*uintptr{"check_counting": &c.counting, "check_counted": &c.counted} {
		if *entry, err = purego.Dlsym(handle, name); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// count returns what was counted of each kernel so far, f included.
func (c ptxCounter) count(f func()) (all []kernelCounts) {
	c.t.Helper()
	purego.SyscallN(c.counting, 1)
	f()
	purego.SyscallN(c.counting, 0)
	path := []byte(filepath.Join(c.t.TempDir(), "counts") + "\x00")
	if ok, _, _ := purego.SyscallN(c.counted, uintptr(unsafe.Pointer(&path[0]))); ok != 1 {
		c.t.Fatal("the counts cannot be written")
	}
	runtime.KeepAlive(path)
	for line := range bytes.Lines([]byte(read(c.t, string(path[:len(path)-1])))) {
		var k kernelCounts
		if err := json.Unmarshal(line, &k); err != nil {
			c.t.Fatalf("%v: %s", err, line)
		}
		all = append(all, k)
	}
	return all
}

// doCountedWork does that work.
func doCountedWork(t *testing.T, library string) {
	t.Helper()
	for _, size := range []int{256, 512} {
		bf16 := size == 512
		d := openWith(t, library, bf16)
		for mode := range 4 {
			for _, p := range []product{{m: size, n: size, k: size}, {m: 64, n: 64, k: 2048}} { // of which the latter is split
				p.transA, p.transB = mode&1 != 0, mode&2 != 0
				p.example(bf16).run(t, d, d.Alloc)
			}
		}
	}
	z := zootest.Read(t, 2, 128)
	zoo := &generator.Zoo{Tokenizer: z.Tokenizer, Count: 2, Tokens: z.Tokens, Sources: z.Sources}
	for _, w := range countedWork {
		r, err := generator.Resolve(10_853, []generator.Override{
			{Key: "recurrent", Value: w.recurrent}, {Key: "denoiser", Value: w.denoiser}, {Key: "layers", Value: "1"}, {Key: "window", Value: w.window},
			{Key: "optimizer", Value: w.optimizer}, {Key: "token-dim", Value: "128"}, {Key: "width", Value: "128"}, {Key: "state", Value: "64"},
			{Key: "head-dim", Value: "64"}, {Key: "denoiser-width", Value: "128"}, {Key: "blocks", Value: "1"}, {Key: "channels", Value: "1,32,64,32,1"},
			{Key: "kernel", Value: "7"}, {Key: "batch", Value: "2"}, {Key: "diffusion-batch", Value: "8"}, {Key: "steps", Value: "2"}, {Key: "warmup", Value: "1"},
		})
		if err != nil {
			t.Fatal(err)
		}
		run, err := generator.Create(t.TempDir(), r, zoo, z.Template, false)
		if err != nil {
			t.Fatal(err)
		}
		d := openWith(t, library, w.bf16)
		if err := run.Train(context.Background(), d, zoo, generator.Hooks{Room: 1 << 30}); err != nil {
			t.Fatal(err)
		}
		o := generator.SampleOptions{Count: 1, Seed: 5, State: "mean", Sampler: "ddim", Steps: 2, Eta: 0.5}
		if _, err := run.Sample(context.Background(), d, o, nil, func([]generator.Sample) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := run.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// worst is the larger of each.
func (a access) worst(b access) access {
	return access{max(a.shared, b.shared), max(a.loads, b.loads), max(a.stores, b.stores)}
}

// Accesses to memory of all kernels are held to accesses.txt, the worst instance of
// each: what nvcc made must not have more conflicts of banks, or touch more sectors,
// than is known.
func TestAccesses(t *testing.T) {
	if !everything() && os.Getenv(libraryVariable) == "" {
		t.Skip("takes half a minute and nvcc: set RPG_TEST_CUDA=all, as .ci/run does")
	}
	t.Setenv("RPG_CUDA_BLAS", "own")
	most := map[string]access{}
	library := ptxLibrary(t)
	for _, c := range openCounter(t, library).count(func() { doCountedWork(t, library) }) {
		most[c.name()] = c.access().worst(most[c.name()])
		t.Log(c.summary())
	}
	known := map[string]access{}
	for line := range strings.Lines(read(t, "accesses.txt")) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var file, kernel string
		var a access
		if _, err := fmt.Sscan(line, &file, &kernel, &a.shared, &a.loads, &a.stores); err != nil {
			t.Fatalf("accesses.txt: %v: %s", err, line)
		}
		known[file+" "+kernel] = a
	}
	for _, name := range slices.Sorted(maps.Keys(most)) {
		m, k := most[name], known[name]
		t.Logf("%s: %.2f %.2f %.2f of %v", name, m.shared, m.loads, m.stores, k)
		const rounding = 0.005
		if !(m.shared <= k.shared+rounding && m.loads <= k.loads+rounding && m.stores <= k.stores+rounding) {
			t.Errorf("%s: passes of shared memory %.2f, sectors of loads %.2f and of stores %.2f; accesses.txt allows %v", name, m.shared, m.loads, m.stores, k)
		}
	}
	for line := range strings.Lines(read(t, "registers.txt")) {
		name := strings.Join(strings.Fields(line)[:min(2, len(strings.Fields(line)))], " ")
		if _, met := most[name]; !met && !strings.HasPrefix(line, "#") {
			t.Errorf("%s is in registers.txt, but the work that is counted does not meet it", name)
		}
	}
	for name := range known {
		if _, met := most[name]; !met {
			t.Errorf("%s is in accesses.txt, but there is no such kernel", name)
		}
	}
}
