package cuda

import (
	"fmt"
	"runtime"
	"unsafe"

	"rpg/generator/compute"
)

// Constant texts of programmer errors.
const (
	errShape   = "compute: sizes do not match"
	errRange   = "compute: matrix exceeds its buffer"
	errForeign = "compute: buffer of another device"
	errBeta    = "compute: beta is neither 0 nor 1"
	errSlice   = "compute: slice out of range"
)

const valueBytes = 4 // of float32 and int32

// block is an allocation on a GPU. It is given back once no buffer refers to it.
type block struct{ device *device }

// run is a part of a block, n values of 4 bytes from an address on.
type run struct {
	of      *block
	address uint64
	n       int
}

func (r run) Len() int { return r.n }

func (r run) slice(lo, hi int) run {
	if lo < 0 || lo > hi || hi > r.n {
		panic(errSlice)
	}
	return run{r.of, r.address + uint64(lo)*valueBytes, hi - lo}
}

// buffer is a compute.Buffer, ints a compute.Ints on a GPU.
type (
	buffer struct{ run }
	ints   struct{ run }
)

func (b buffer) Slice(lo, hi int) compute.Buffer { return buffer{b.slice(lo, hi)} }
func (b ints) Slice(lo, hi int) compute.Ints     { return ints{b.slice(lo, hi)} }

func (d *device) Alloc(n int) compute.Buffer   { return buffer{d.alloc(n)} }
func (d *device) AllocInts(n int) compute.Ints { return ints{d.alloc(n)} }

// alloc returns n zeroed values, at address 0 after a failure: then no operation
// is queued any more.
func (d *device) alloc(n int) run {
	d.plainly()
	d.collect()
	r := run{of: &block{d}, n: n}
	if n == 0 || d.failure != nil {
		return r
	}
	size := uint64(n) * valueBytes
	var at uint64
	err := d.call("rpg_alloc", uintptr(size), uintptr(unsafe.Pointer(&at)))
	if err != nil {
		// Buffers that nobody holds any more may still take memory.
		runtime.GC()
		runtime.Gosched()
		d.collect()
		err = d.call("rpg_alloc", uintptr(size), uintptr(unsafe.Pointer(&at)))
	}
	if err != nil {
		d.keep(fmt.Errorf("%w (for %d bytes beside %d)", err, size, d.taken()))
		return r
	}
	d.memory[at] = size
	r.address = at
	runtime.AddCleanup(r.of, d.garbage.add, at)
	return r
}

func (g *garbage) add(address uint64) {
	g.Lock()
	defer g.Unlock()
	g.addresses = append(g.addresses, address)
}

// collect frees what no buffer refers to any more.
func (d *device) collect() {
	d.garbage.Lock()
	addresses := d.garbage.addresses
	d.garbage.addresses = nil
	d.garbage.Unlock()
	for _, address := range addresses {
		d.keep(d.free(address))
	}
}

func (d *device) free(address uint64) error {
	delete(d.memory, address)
	return d.call("rpg_free", uintptr(address))
}

// taken is the number of bytes in all buffers.
func (d *device) taken() (bytes uint64) {
	for _, size := range d.memory {
		bytes += size
	}
	return bytes
}

func (d *device) Upload(dst compute.Buffer, src []float32) {
	upload(d, d.vals(dst, len(src)), unsafe.Pointer(unsafe.SliceData(src)), len(src))
}

func (d *device) UploadInts(dst compute.Ints, src []int32) {
	upload(d, d.whole(dst, len(src)), unsafe.Pointer(unsafe.SliceData(src)), len(src))
}

func upload(d *device, to uint64, from unsafe.Pointer, n int) {
	if n == 0 || d.failure != nil {
		return
	}
	if d.current != nil && d.recordedUpload(to, unsafe.Slice((*byte)(from), n*valueBytes)) {
		return
	}
	d.keep(d.call("rpg_upload", uintptr(to), uintptr(from), uintptr(n)*valueBytes))
}

func (d *device) Download(dst []float32, src compute.Buffer) error {
	return download(d, unsafe.Pointer(unsafe.SliceData(dst)), d.vals(src, len(dst)), len(dst))
}

func (d *device) DownloadInts(dst []int32, src compute.Ints) error {
	return download(d, unsafe.Pointer(unsafe.SliceData(dst)), d.whole(src, len(dst)), len(dst))
}

func download(d *device, to unsafe.Pointer, from uint64, n int) error {
	d.plainly()
	if d.failure == nil && n > 0 {
		d.keep(d.call("rpg_download", uintptr(to), uintptr(from), uintptr(n)*valueBytes))
	}
	return d.failure
}

// vals returns the address of b, which must have n values. A nil buffer counts as
// 0 values at address 0.
func (d *device) vals(b compute.Buffer, n int) uint64 {
	if b == nil && n == 0 {
		return 0
	}
	v, ok := b.(buffer)
	if b != nil && (!ok || v.of.device != d) {
		panic(errForeign)
	}
	if v.n != n {
		panic(errShape)
	}
	return v.address
}

// optional is vals, with address 0 for nil.
func (d *device) optional(b compute.Buffer, n int) uint64 {
	if b == nil {
		return 0
	}
	return d.vals(b, n)
}

// whole is vals for integers.
func (d *device) whole(b compute.Ints, n int) uint64 {
	if b == nil && n == 0 {
		return 0
	}
	v, ok := b.(ints)
	if b != nil && (!ok || v.of.device != d) {
		panic(errForeign)
	}
	if v.n != n {
		panic(errShape)
	}
	return v.address
}

// length is the number of values in b, 0 for nil.
func length(b compute.Buffer) int {
	if b == nil {
		return 0
	}
	return b.Len()
}

// matrix is struct rpg_matrix.
type matrix struct {
	data               uint64
	rows, cols, stride int64
}

// input is m for the library; it must be rows × cols and may repeat a row.
func (d *device) input(m compute.Matrix, rows, cols int) matrix {
	if m.Rows != rows || m.Cols != cols || rows < 0 || cols < 0 || m.Stride < 0 || m.Stride > 0 && m.Stride < cols {
		panic(errShape)
	}
	n := length(m.Data)
	if rows > 0 && cols > 0 && (rows-1)*m.Stride+cols > n {
		panic(errRange)
	}
	return matrix{d.vals(m.Data, n), int64(rows), int64(cols), int64(m.Stride)}
}

// output is input for a matrix that must not repeat a row.
func (d *device) output(m compute.Matrix, rows, cols int) matrix {
	if m.Stride < cols {
		panic(errShape)
	}
	return d.input(m, rows, cols)
}
