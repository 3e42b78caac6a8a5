package cuda

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/ebitengine/purego"
)

// launch queues an operation: the function of that name takes the device and a
// pointer to a. Every operation goes through here, so that this is the place
// where a step is recorded and its arguments are compared. After a failure
// nothing is queued any more. a must be a mirror of the function's struct, without
// pointers of Go.
func launch[A comparable](d *device, function string, a A) {
	if d.failure != nil {
		return
	}
	if unsafe.Sizeof(a) > unsafe.Sizeof(d.args) {
		panic("compute: arguments of an operation are too long")
	}
	if d.current != nil && recorded(d, function, a) {
		return
	}
	*(*A)(unsafe.Pointer(&d.args)) = a
	d.keep(d.call(function, uintptr(unsafe.Pointer(&d.args))))
}

// outOfMemory is cudaErrorMemoryAllocation.
const outOfMemory = 2

// call calls a function whose first argument is the device, and returns an error
// with the library's text when its status is not 0. Addresses of Go's memory must
// be converted in the call itself.
//
//go:uintptrescapes
func (d *device) call(function string, args ...uintptr) error {
	if d.handle == 0 {
		return fmt.Errorf("cuda: %s: the device is closed", function)
	}
	entry, ok := d.entries[function]
	if !ok {
		var err error
		if entry, err = d.library.symbol(function); err != nil {
			return err
		}
		d.entries[function] = entry
	}
	var all [5]uintptr
	all[0] = d.handle
	n := 1 + copy(all[1:], args)
	status, _, _ := purego.SyscallN(entry, all[:n]...)
	if int32(status) == 0 {
		return nil
	}
	text := fmt.Sprintf("cuda: %s: %s", function, d.library.errorText(d.handle))
	if int32(status) == outOfMemory {
		return &MemoryError{text}
	}
	return errors.New(text)
}
