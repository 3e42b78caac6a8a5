package cuda

import "unsafe"

// Counter is a device that needs no GPU and does nothing: it counts the memory that
// the same work would take on one. What is downloaded from it is 0.
type Counter struct{ *device }

// OpenCounter returns one for a GPU of so many processors (multiprocessors), on
// which sums of the workspace depend a little. The error is a *MissingError where
// this build has no CUDA engine.
func OpenCounter(processors int, bf16 bool) (Counter, error) {
	lib, err := loadLibrary()
	if err != nil {
		return Counter{}, err
	}
	return lib.openCounter(processors, bf16)
}

func (l *library) openCounter(processors int, bf16 bool) (Counter, error) {
	var handle uintptr
	rounded := uintptr(0)
	if bf16 {
		rounded = 1
	}
	if _, err := l.symbol("rpg_open_counter"); err != nil {
		return Counter{}, err
	}
	l.status("rpg_open_counter", uintptr(processors), rounded, uintptr(unsafe.Pointer(&handle)))
	d, err := l.ready(handle, bf16)
	return Counter{d}, err
}

// MostTaken is the most bytes that were taken at once, of a GPU or of one that is only
// counted for: buffers, and the workspace of the operations.
func (d *device) MostTaken() int64 {
	d.plainly()
	var bytes uint64
	d.keep(d.call("rpg_counted", uintptr(unsafe.Pointer(&bytes))))
	return int64(bytes)
}

// Taken makes a Counter a generator.Counter, which no GPU is.
func (c Counter) Taken() int64 { return c.MostTaken() }
