//go:build !amd64

package cpu

// kernels lists the kernels that this processor can run, best first.
func kernels() []*kernel { return []*kernel{&portable} }

// bf16Kernel returns the kernel of products of bf16 values; detected says whether
// the processor claims the instructions.
func bf16Kernel() (k *kernel, detected bool) { return nil, false }

func pause() {}
