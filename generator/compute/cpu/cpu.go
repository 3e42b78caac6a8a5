package cpu

import (
	"fmt"
	"os"
	"runtime"

	"rpg/generator/compute"
)

// Constant texts of programmer errors.
const (
	errShape    = "compute: sizes do not match"
	errRange    = "compute: matrix exceeds its buffer"
	errForeign  = "compute: buffer of another device"
	errRowRange = "compute: row number out of range"
	errBeta     = "compute: beta is neither 0 nor 1"
	errStep     = "compute: AdamW counts its steps from 1"
	errValid    = "compute: number of valid values out of range"

	errPrediction = "compute: no such prediction"
)

var _ compute.Device = (*device)(nil)

// device is a compute.Device. All its methods run to their end before they
// return, so Sync has nothing to wait for.
type device struct {
	info     compute.Info
	kernel   *kernel // of the matrix products inside operations, and of all loops
	products *kernel // of Gemm
	pool     *pool
	gemm     gemmJob
	sums     []float64 // see partials
	kept     []any     // see keep
}

// Open returns the device of this machine's processor with the given number of
// threads; 0 takes all cores available to the process: the scheduler's affinity
// and the control group's CPU quota, as Go itself sees them (GOMAXPROCS).
func Open(threads int) (compute.Device, error) {
	name := os.Getenv("RPG_CPU")
	if name == bf16Name {
		return OpenBF16(threads)
	}
	k, err := chooseKernel(name)
	if err != nil {
		return nil, err
	}
	d, err := open(threads, k)
	if err != nil {
		return nil, err // not d: a nil *device would not be a nil Device
	}
	return d, nil
}

// bf16Name is the value of RPG_CPU for products of bf16 values.
const bf16Name = "avx512bf16"

// OpenBF16 is Open with matrix products (Gemm) of factors rounded to bf16 and
// sums in float32; all else is as in Open. It fails where the processor does not
// say that it can. RPG_CPU=avx512bf16 takes its place: there are machines that can
// and do not say so, and a processor that cannot ends the program.
func OpenBF16(threads int) (compute.Device, error) {
	name := os.Getenv("RPG_CPU")
	f32, err := chooseKernel("")
	if err != nil {
		return nil, err
	}
	k, detected := bf16Kernel()
	switch {
	case name != "" && name != bf16Name:
		return nil, fmt.Errorf("cpu: bf16: expected RPG_CPU=%s or none, found %s", bf16Name, name)
	case f32.name != "avx512" || name == "" && !detected:
		return nil, fmt.Errorf("cpu: bf16: expected a processor with AVX512_BF16, found %s with %s; use float32 (--precision f32)", processorName(), f32.title)
	}
	d, err := open(threads, f32)
	if err != nil {
		return nil, err
	}
	d.multiply(k)
	return d, nil
}

// open is Open with given matrix kernels.
func open(threads int, k *kernel) (*device, error) {
	if threads < 0 {
		return nil, fmt.Errorf("cpu: number of threads: expected 0 (all) or more, found %d", threads)
	}
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	d := &device{kernel: k, pool: newPool(threads)}
	d.info = compute.Info{Kind: "cpu", Threads: threads}
	d.multiply(k)
	return d, nil
}

// multiply makes k the kernel of Gemm.
func (d *device) multiply(k *kernel) {
	d.products = k
	d.info.Name = fmt.Sprintf("%s, %s, %s", processorName(), plural(d.info.Threads, "thread"), k.title)
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func (d *device) Info() compute.Info { return d.info }

func (d *device) Alloc(n int) compute.Buffer   { return buffer(values(n)) }
func (d *device) AllocInts(n int) compute.Ints { return ints(make([]int32, n)) }

// AllocRounded rounds nothing: the values are in cache, and would have to be
// converted for every operation.
func (d *device) AllocRounded(n int) compute.Buffer         { return d.Alloc(n) }
func (d *device) Unrounded(b compute.Buffer) compute.Buffer { return b }

func (d *device) Upload(dst compute.Buffer, src []float32) {
	to := vals(dst)
	if len(to) != len(src) {
		panic(errShape)
	}
	copy(to, src)
}

func (d *device) UploadInts(dst compute.Ints, src []int32) {
	to := whole(dst)
	if len(to) != len(src) {
		panic(errShape)
	}
	copy(to, src)
}

func (d *device) Download(dst []float32, src compute.Buffer) error {
	from := vals(src)
	if len(from) != len(dst) {
		panic(errShape)
	}
	copy(dst, from)
	return nil
}

func (d *device) DownloadInts(dst []int32, src compute.Ints) error {
	from := whole(src)
	if len(from) != len(dst) {
		panic(errShape)
	}
	copy(dst, from)
	return nil
}

// Sync never fails: nothing that a machine can cause is left to report once an
// operation has returned.
func (d *device) Sync() error { return nil }

// Close ends the workers. Buffers are left to the garbage collector.
func (d *device) Close() error {
	d.pool.close()
	return nil
}

// buffer is a compute.Buffer in the process's own memory.
type buffer []float32

func (b buffer) Len() int                        { return len(b) }
func (b buffer) Slice(lo, hi int) compute.Buffer { return b[lo:hi:hi] }

// ints is a compute.Ints in the process's own memory.
type ints []int32

func (b ints) Len() int                      { return len(b) }
func (b ints) Slice(lo, hi int) compute.Ints { return b[lo:hi:hi] }

// vals returns the values of b, nil for a nil buffer.
func vals(b compute.Buffer) []float32 {
	if b == nil {
		return nil
	}
	v, ok := b.(buffer)
	if !ok {
		panic(errForeign)
	}
	return v
}

// sized returns the values of b, which must be n. A nil buffer counts as 0.
func sized(b compute.Buffer, n int) []float32 {
	v := vals(b)
	if len(v) != n {
		panic(errShape)
	}
	return v
}

// whole returns the integers of b, nil for nil.
func whole(b compute.Ints) []int32 {
	if b == nil {
		return nil
	}
	v, ok := b.(ints)
	if !ok {
		panic(errForeign)
	}
	return v
}

// wholeOf is whole for integers that must be n. A nil buffer counts as 0.
func wholeOf(b compute.Ints, n int) []int32 {
	v := whole(b)
	if len(v) != n {
		panic(errShape)
	}
	return v
}

// mat returns the values and the stride of m, which may have a stride of 0.
// Row i is data[i*stride : i*stride+m.Cols].
func mat(m compute.Matrix) (data []float32, stride int) {
	data = vals(m.Data)
	if m.Rows < 0 || m.Cols < 0 || m.Stride < 0 || m.Stride > 0 && m.Stride < m.Cols {
		panic(errShape)
	}
	if m.Rows > 0 && m.Cols > 0 && (m.Rows-1)*m.Stride+m.Cols > len(data) {
		panic(errRange)
	}
	return data, m.Stride
}

// matOf is mat for a matrix that must be rows × cols and, as an output, must
// not repeat a row.
func matOf(m compute.Matrix, rows, cols int) (data []float32, stride int) {
	if m.Rows != rows || m.Cols != cols || m.Stride < cols {
		panic(errShape)
	}
	return mat(m)
}

// inputOf is mat for an input that must be rows × cols and may repeat a row.
func inputOf(m compute.Matrix, rows, cols int) (data []float32, stride int) {
	if m.Rows != rows || m.Cols != cols {
		panic(errShape)
	}
	return mat(m)
}

// absent says whether m is the zero Matrix.
func absent(m compute.Matrix) bool { return m.Data == nil }
