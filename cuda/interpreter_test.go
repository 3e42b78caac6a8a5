package cuda

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"unsafe"

	"github.com/ebitengine/purego"
	"golang.org/x/sys/cpu"
)

// interpreted is how g++ makes the interpreter of PTX: with vector instructions, and
// with each operation rounded on its own.
var interpreted = build{name: "interpreter", runtime: []string{"-O3", "-march=x86-64-v3", "-ffp-contract=off"}}

// interpreter is the interpreter of PTX alone, with kernels that a test writes.
type interpreter struct {
	load, run, counting, counted uintptr
}

// openInterpreter makes and opens it.
func openInterpreter(t *testing.T) interpreter {
	t.Helper()
	c := hostCompiler(t)
	library, err := purego.Dlopen(c.library(t, interpreted, c.interpreter(t)), purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		t.Fatal(err)
	}
	var in interpreter
	for name, entry := range map[string]*uintptr{"check_load": &in.load, "check_run": &in.run,
		"check_counting": &in.counting, "check_counted": &in.counted} {
		if *entry, err = purego.Dlsym(library, name); err != nil {
			t.Fatal(err)
		}
	}
	return in
}

// interpreter returns the objects of the interpreter and of what tests call, without
// those of CUDA's runtime.
func (c compiler) interpreter(t *testing.T) []string {
	t.Helper()
	if !cpu.X86.HasAVX2 || !cpu.X86.HasFMA {
		t.Skip("the interpreter of PTX is made for processors with AVX2 and FMA")
	}
	var sources []string
	for _, source := range files(t, "ptx/*.cc", "ptx/check/*.cc") {
		if source != "ptx/runtime.cc" { // which needs CUDA's headers
			sources = append(sources, source)
		}
	}
	return c.objects(t, interpreted, sources)
}

// launched is how a kernel is run; memory is what it may reach, in the order of its
// parameters, each of which is an address.
type launched struct {
	grid, block uint32
	dynamic     int
	memory      [][]byte
}

// launch reads text and runs its kernel k.
func (in interpreter) launch(t *testing.T, text string, l launched) {
	t.Helper()
	source := []byte(text)
	module, _, _ := purego.SyscallN(in.load, uintptr(unsafe.Pointer(&source[0])), uintptr(len(source)))
	shape := [6]uint32{l.grid, 1, 1, l.block, 1, 1}
	var pin runtime.Pinner
	defer pin.Unpin()
	ranges := []uint64{0}[:0]
	parameters := []uint64{0}[:0]
	for _, m := range l.memory {
		pin.Pin(&m[0])
		at := uint64(uintptr(unsafe.Pointer(&m[0])))
		ranges = append(ranges, at, at+uint64(len(m)))
		parameters = append(parameters, at)
	}
	name := []byte("k\x00")
	found, _, _ := purego.SyscallN(in.run, module, uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&shape[0])),
		uintptr(l.dynamic), uintptr(unsafe.Pointer(unsafe.SliceData(parameters))), uintptr(unsafe.Pointer(unsafe.SliceData(ranges))),
		uintptr(len(l.memory)))
	runtime.KeepAlive([]any{source, name, parameters, ranges, l.memory})
	if found == 0 {
		t.Fatalf("the interpreter finds no kernel k in\n%s", text)
	}
}

// counts is what the interpreter counted of a kernel that ran once.
type counts struct {
	Instructions     uint64            `json:"instructions"`
	AverageLanes     float64           `json:"average_lanes"`
	Classes          map[string]uint64 `json:"classes"`
	F32              uint64            `json:"f32_flops"`
	F64              uint64            `json:"f64_flops"`
	MMA              uint64            `json:"mma_flops"`
	LoadRequests     uint64            `json:"load_requests"`
	LoadSectors      uint64            `json:"load_sectors"`
	LoadBytes        uint64            `json:"load_bytes"`
	StoreRequests    uint64            `json:"store_requests"`
	StoreSectors     uint64            `json:"store_sectors"`
	StoreBytes       uint64            `json:"store_bytes"`
	DistinctRead     uint64            `json:"distinct_read_sectors"`
	DistinctWritten  uint64            `json:"distinct_written_sectors"`
	SharedRequests   uint64            `json:"shared_requests"`
	SharedWavefronts uint64            `json:"shared_wavefronts"`
	SharedIdeal      uint64            `json:"shared_ideal"`
}

// count runs a kernel and returns its counts.
func (in interpreter) count(t *testing.T, text string, l launched) counts {
	t.Helper()
	purego.SyscallN(in.counting, 1)
	in.launch(t, text, l)
	purego.SyscallN(in.counting, 0)
	path := filepath.Join(t.TempDir(), "counts")
	name := []byte(path + "\x00")
	if ok, _, _ := purego.SyscallN(in.counted, uintptr(unsafe.Pointer(&name[0]))); ok != 1 {
		t.Fatal("the counts cannot be written")
	}
	runtime.KeepAlive(name)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	var c counts
	if err := json.Unmarshal(lines[len(lines)-1], &c); err != nil {
		t.Fatalf("%v: %s", err, lines[len(lines)-1])
	}
	return c
}

// kernel puts a body into an entry k with so many addresses as parameters, which
// stand in %in0, %in1 and so on. before stands outside of it.
func kernel(before string, addresses int, body string) string {
	text := ".version 9.0\n.target sm_80\n.address_size 64\n" + before + "\n.visible .entry k(\n"
	for i := range addresses {
		if i > 0 {
			text += ",\n"
		}
		text += fmt.Sprintf("\t.param .u64 k_param_%d", i)
	}
	text += "\n)\n{\n\t.reg .pred %p<20>;\n\t.reg .b16 %rs<20>;\n\t.reg .b32 %r<60>;\n\t.reg .f32 %f<60>;\n" +
		"\t.reg .b64 %rd<40>;\n\t.reg .f64 %fd<20>;\n"
	for i := range addresses {
		text += fmt.Sprintf("\t.reg .b64 %%in%d;\n\tld.param.u64 %%in%d, [k_param_%d];\n", i, i, i)
	}
	return text + "\tmov.u32 %r0, %tid.x;\n" + body + "\tret;\n}\n"
}

// aligned is memory that begins at a multiple of 256.
func aligned(bytes int) []byte {
	all := make([]byte, bytes+256)
	at := -uintptr(unsafe.Pointer(&all[0])) & 255
	return all[at : int(at)+bytes]
}

// packed is values in memory.
func packed(values any) []byte {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, values); err != nil {
		panic(err)
	}
	return b.Bytes()
}
