//go:build unix

package onnxio

import (
	"os"
	"syscall"
)

// nonBlocking keeps a pipe that takes a file's place from blocking the opening.
const nonBlocking = syscall.O_NONBLOCK

// linkCount is the number of names that a file has.
func linkCount(info os.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(s.Nlink)
	}
	return 1
}
