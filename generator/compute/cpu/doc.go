// Package cpu is the compute device everybody has: Go, and assembly for the
// matrix products.
//
// Read cpu.go first (the device and its buffers), then pool.go (how work is
// shared among threads), then gemm.go (matrix products, which take most of the
// time) with sgemm.go, pack.go and kernel.go below it, then loops.go (the inner
// loops of everything else). The other files hold one operation of
// compute.Device each and are named after it. The assembly is written by gen.
//
// # Threads
//
// An operation is cut into items whose number and sizes depend on the shapes
// alone; the workers take items as they become free. Partial sums are added in
// the order of the items. So results are the same, bit for bit, at any number
// of threads. The tiles of a matrix product depend on the number of threads too,
// but no sum is divided among them.
//
// # Environment
//
// RPG_CPU=avx512, avx2 or go chooses the kernels; without it the best
// that the processor has is taken. It is meant for tests and for reports of
// faults. The results of avx512 and avx2 are equal bit for bit, those of go
// differ in the last bits. RPG_CPU=avx512bf16 is what OpenBF16 gives where the
// processor says that it has the instructions.
package cpu
