//go:build unix

package cpu

import "golang.org/x/sys/unix"

// computed is how many seconds the threads of this process have computed, and
// whether that is known.
func computed() (float64, bool) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return float64(u.Utime.Nano()) * 1e-9, true
}
