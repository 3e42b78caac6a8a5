package cuda

import (
	"fmt"
	"math"
	"runtime"
	"time"
	"unsafe"

	"rpg/generator/compute"
)

// Constant texts of programmer errors.
const (
	errShape   = "compute: sizes do not match"
	errRange   = "compute: matrix exceeds its buffer"
	errForeign = "compute: buffer of another device"
	errRounded = "compute: rounded values where float32 is expected"
	errBeta    = "compute: beta is neither 0 nor 1"
	errSlice   = "compute: slice out of range"
)

const (
	valueBytes   = 4 // of float32 and int32
	roundedBytes = 2 // of bf16
)

// block is an allocation on a GPU. It is given back once no buffer refers to it.
type block struct{ device *device }

// run is a part of a block, n values of some bytes each from an address on.
type run struct {
	of      *block
	address uint64
	n       int
	bytes   uint64 // of a value: valueBytes or roundedBytes
}

func (r run) Len() int { return r.n }

func (r run) slice(lo, hi int) run {
	if lo < 0 || lo > hi || hi > r.n {
		panic(errSlice)
	}
	return run{r.of, r.address + uint64(lo)*r.bytes, hi - lo, r.bytes}
}

// buffer is a compute.Buffer, ints a compute.Ints on a GPU.
type (
	buffer struct{ run }
	ints   struct{ run }
)

func (b buffer) Slice(lo, hi int) compute.Buffer { return buffer{b.slice(lo, hi)} }
func (b ints) Slice(lo, hi int) compute.Ints     { return ints{b.slice(lo, hi)} }

func (d *device) Alloc(n int) compute.Buffer   { return buffer{d.alloc(n, valueBytes)} }
func (d *device) AllocInts(n int) compute.Ints { return ints{d.alloc(n, valueBytes)} }

func (d *device) AllocRounded(n int) compute.Buffer {
	if d.info.BF16 {
		return buffer{d.alloc(n, roundedBytes)}
	}
	return d.Alloc(n)
}

func (d *device) Unrounded(b compute.Buffer) compute.Buffer {
	r := d.own(b)
	return buffer{run{r.of, r.address, int(uint64(r.n) * r.bytes / valueBytes), valueBytes}}
}

// alloc returns n zeroed values, at address 0 after a failure: then no operation
// is queued any more.
func (d *device) alloc(n int, bytes uint64) run {
	d.plainly()
	d.collect()
	r := run{of: &block{d}, n: n, bytes: bytes}
	if n == 0 || d.failure != nil {
		return r
	}
	size := uint64(n) * bytes
	var at uint64
	err := d.call("rpg_alloc", uintptr(size), uintptr(unsafe.Pointer(&at)))
	// Buffers that nobody holds any more may still take memory, and the collector
	// tells of them a while after it is done.
	for wait := time.Millisecond; err != nil && wait < 200*time.Millisecond; wait *= 2 {
		runtime.GC()
		time.Sleep(wait)
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
	to := d.either(dst, len(src))
	if to.bytes == roundedBytes {
		uploadRounded(d, to.address, src)
		return
	}
	upload(d, to.address, src)
}

// uploadRounded gives up a record in progress: an upload in a graph copies bytes.
func uploadRounded(d *device, to uint64, src []float32) {
	d.plainly()
	if len(src) > 0 && d.failure == nil {
		d.keep(d.call("rpg_upload_rounded", uintptr(to), uintptr(unsafe.Pointer(unsafe.SliceData(src))), uintptr(len(src))))
	}
}

func (d *device) UploadInts(dst compute.Ints, src []int32) { upload(d, d.whole(dst, len(src)), src) }

func upload[T any](d *device, to uint64, src []T) {
	if len(src) == 0 || d.failure != nil {
		return
	}
	from, bytes := unsafe.Pointer(unsafe.SliceData(src)), len(src)*int(unsafe.Sizeof(src[0]))
	if d.current != nil && d.recordedUpload(to, unsafe.Slice((*byte)(from), bytes)) {
		return
	}
	d.keep(d.call("rpg_upload", uintptr(to), uintptr(from), uintptr(bytes)))
}

func (d *device) Download(dst []float32, src compute.Buffer) error {
	from := d.either(src, len(dst))
	if from.bytes != roundedBytes {
		return download(d, dst, from.address)
	}
	stored := make([]uint16, len(dst))
	err := download(d, stored, from.address)
	for i, v := range stored {
		dst[i] = math.Float32frombits(uint32(v) << 16)
	}
	return err
}

func (d *device) DownloadInts(dst []int32, src compute.Ints) error {
	return download(d, dst, d.whole(src, len(dst)))
}

func download[T any](d *device, dst []T, from uint64) error {
	d.plainly()
	if d.failure == nil && len(dst) > 0 {
		d.keep(d.call("rpg_download", uintptr(unsafe.Pointer(unsafe.SliceData(dst))), uintptr(from), uintptr(len(dst))*unsafe.Sizeof(dst[0])))
	}
	return d.failure
}

// vals returns the address of b, which must have n values. A nil buffer counts as
// 0 values at address 0.
func (d *device) vals(b compute.Buffer, n int) uint64 {
	r := d.either(b, n)
	if r.bytes == roundedBytes {
		panic(errRounded)
	}
	return r.address
}

// either is vals for an argument that may be rounded.
func (d *device) either(b compute.Buffer, n int) run {
	if b == nil && n == 0 {
		return run{}
	}
	r := d.own(b)
	if r.n != n {
		panic(errShape)
	}
	return r
}

// own is b as a buffer of this device; nil has no values.
func (d *device) own(b compute.Buffer) run {
	if b == nil {
		return run{}
	}
	v, ok := b.(buffer)
	if !ok || v.of.device != d {
		panic(errForeign)
	}
	return v.run
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
	check(m, rows, cols)
	return matrix{d.vals(m.Data, length(m.Data)), int64(rows), int64(cols), int64(m.Stride)}
}

// check panics unless m is rows × cols and inside of its buffer.
func check(m compute.Matrix, rows, cols int) {
	if m.Rows != rows || m.Cols != cols || rows < 0 || cols < 0 || m.Stride < 0 || m.Stride > 0 && m.Stride < cols {
		panic(errShape)
	}
	n := length(m.Data)
	if rows > 0 && cols > 0 && (rows-1)*m.Stride+cols > n {
		panic(errRange)
	}
}

// output is input for a matrix that must not repeat a row.
func (d *device) output(m compute.Matrix, rows, cols int) matrix {
	if m.Stride < cols {
		panic(errShape)
	}
	return d.input(m, rows, cols)
}
