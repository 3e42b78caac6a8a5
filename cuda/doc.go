// Package cuda will be the device for NVIDIA GPUs. It is not written yet: the
// package holds no code, and rpg runs on the CPU everywhere.
//
// What will stand here: a Device that implements the interface of package
// generator/compute, with one OP.cu for each operation, under the same name as
// the method, the file in generator/compute/cpu and the file in
// generator/compute/computetest. The kernels will be one library with a plain C
// interface, loaded at run time, so that one binary works with and without a
// GPU, and they will be held to the same conformance suite as the CPU.
package cuda
