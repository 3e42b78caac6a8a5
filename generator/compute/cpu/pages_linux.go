package cpu

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size of Linux's large pages on most machines.
const hugePage = 2 << 20

// largePages asks for large pages for v, which nothing has touched yet: with
// small ones, going through activations of hundreds of megabytes takes the
// processor many looks into page tables. It is advice: no error matters.
func largePages(v []float32) {
	if len(v) == 0 {
		return
	}
	b := unsafe.Slice((*byte)(unsafe.Pointer(&v[0])), 4*len(v))
	skip := int(-uintptr(unsafe.Pointer(&v[0])) % hugePage)
	if n := (len(b) - skip) / hugePage * hugePage; n > 0 {
		_ = unix.Madvise(b[skip:skip+n], unix.MADV_HUGEPAGE)
	}
}
