package cuda

import (
	"bytes"
	"fmt"
	"sync"
	"unsafe"

	"rpg/generator/compute"
)

var (
	_ compute.Device   = (*device)(nil)
	_ compute.Recorder = (*device)(nil)
)

// device is a compute.Device on one GPU. Operations are queued and return at
// once; what goes wrong is kept in failure.
type device struct {
	library *library
	handle  uintptr // the rpg_device, 0 once closed
	info    compute.Info
	failure error

	entries map[string]uintptr // functions of the library, see launch
	args    [96]uint64         // the arguments of the operation being called

	records map[string]*record
	current *record // the one in progress, else nil; see Record
	replays int     // graphs launched

	memory  map[uint64]uint64 // address and bytes of every allocation
	garbage garbage
}

// garbage lists the addresses of memory that no buffer refers to any more. The
// garbage collector adds to it, from its own goroutine.
type garbage struct {
	sync.Mutex
	addresses []uint64
}

// Open returns GPU number ordinal, with matrix products and convolutions of
// float32 or of bf16 operands. The error is a *MissingError where the machine
// has no GPU for this build.
func Open(ordinal int, bf16 bool) (compute.Device, error) {
	lib, err := loadLibrary()
	if err != nil {
		return nil, err
	}
	return lib.open(ordinal, bf16)
}

// OpenLibrary is Open with the library at path, which may be the host shim's.
func OpenLibrary(path string, ordinal int, bf16 bool) (compute.Device, error) {
	lib, err := dlopen(path, path)
	if err != nil {
		return nil, err
	}
	return lib.open(ordinal, bf16)
}

// info is struct rpg_info.
type info struct {
	name                    [256]byte
	productsBy              [64]byte
	major, minor            int32
	processors              int32
	driver, runtime         int32
	bf16                    int32
	memoryFree, memoryTotal uint64
}

func (l *library) open(ordinal int, bf16 bool) (compute.Device, error) {
	handle, err := l.openHandle(ordinal, bf16)
	if err != nil {
		return nil, err
	}
	d, err := l.ready(handle, bf16)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// ready makes the device of a handle.
func (l *library) ready(handle uintptr, bf16 bool) (*device, error) {
	d := &device{library: l, handle: handle, entries: map[string]uintptr{}, memory: map[uint64]uint64{},
		records: map[string]*record{}}
	i, err := d.ask()
	if err != nil {
		return nil, fmt.Errorf("%w; closing it: %v", err, d.Close())
	}
	name, _, _ := bytes.Cut(i.name[:], []byte{0})
	precision := "float32"
	if bf16 {
		precision = "BF16"
	}
	if by, _, _ := bytes.Cut(i.productsBy[:], []byte{0}); bytes.HasPrefix(by, []byte("cuBLASLt")) {
		precision = string(by) + ", " + precision
	}
	d.info = compute.Info{Kind: "cuda", Memory: int64(i.memoryTotal), Processors: int(i.processors), BF16: bf16,
		Name: fmt.Sprintf("%s, compute capability %d.%d, %s", name, i.major, i.minor, precision)}
	return d, nil
}

// ask returns what the library says of the device now.
func (d *device) ask() (info, error) {
	var i info
	err := d.call("rpg_get_info", uintptr(unsafe.Pointer(&i)))
	return i, err
}

func (d *device) Info() compute.Info { return d.info }

func (d *device) Sync() error {
	d.plainly()
	d.keep(d.call("rpg_sync"))
	return d.failure
}

func (d *device) Close() error {
	if d.handle == 0 {
		return nil
	}
	d.plainly()
	for _, r := range d.records {
		d.freeGraph(r)
	}
	for address := range d.memory {
		d.keep(d.free(address))
	}
	if status := d.library.status("rpg_close", d.handle); status != 0 {
		d.keep(fmt.Errorf("cuda: closing the device: CUDA error %d", status))
	}
	d.handle = 0
	return d.failure
}

// keep notes the first failure.
func (d *device) keep(err error) {
	if d.failure == nil {
		d.failure = err
	}
}
