// Package compute says what a device must offer to train and run the
// generator: one interface, Device, with explicit buffers and about 30
// operations. The only arithmetic here is that of the random numbers, which
// every device makes alike.
//
// Read device.go first (buffers, matrices, the interface), then ops.go (the
// arguments of the larger operations), then philox.go (random numbers). An
// operation has one name in four places: the method of Device, cpu/OP.go,
// cuda/OP.cu and computetest/OP.go.
//
// # Rules every operation keeps
//
//   - Matrices are row-major float32. A row is one token unless said otherwise.
//   - Outputs never overlap inputs, unless the operation says so.
//   - Gradients are named d + name. Gradients of activations are overwritten,
//     gradients of parameters are accumulated (+=), unless said otherwise.
//   - Wrong shapes are programmer errors and panic with a constant "compute: …"
//     string. Everything a machine can cause (no memory, a lost GPU) is kept by
//     the device and returned by the next Sync or Download.
//   - Operations may return before their work is done; they run in the order in
//     which they were called. Sync and Download wait.
//   - Results do not depend on the number of threads: sums are taken in an order
//     fixed by the shapes alone.
//
// # Letters
//
// N models in a batch, L tokens in a sequence, D token width, M width of the
// recurrent model, H heads of width P, S state size, K kernel width, C channels,
// T diffusion steps (as in the method's documentation).
package compute
