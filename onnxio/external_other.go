//go:build !unix

package onnxio

import "os"

const nonBlocking = 0

// linkCount cannot be asked for here.
func linkCount(os.FileInfo) uint64 { return 1 }
