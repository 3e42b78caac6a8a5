//go:build !amd64

package cpu

// kernels lists the kernels that this processor can run, best first.
func kernels() []*kernel { return []*kernel{&portable} }

func pause() {}
