package atomicfile

import (
	"os"
	"syscall"
)

// startWriteback asks the system to begin writing n bytes of f from byte at on
// to the disk, without waiting for it. It is a hint: Sync is what counts, so
// that an error does not matter.
func startWriteback(f *os.File, at, n int64) {
	const write = 2 // SYNC_FILE_RANGE_WRITE
	syscall.SyncFileRange(int(f.Fd()), at, n, write)
}
