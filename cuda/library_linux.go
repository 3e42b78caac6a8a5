package cuda

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// memoryFile puts image into a file that has no place on any disk, and returns a
// path to it. It stays open until the process ends, as the dynamic linker and
// debuggers may read it again.
func memoryFile(name string, image []byte) (string, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return "", fmt.Errorf("a file in memory: %w", err)
	}
	path := fmt.Sprintf("/proc/self/fd/%d", fd)
	if err := os.WriteFile(path, image, 0o700); err != nil {
		return "", err
	}
	return path, nil
}
