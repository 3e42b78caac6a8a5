// Package cuda is the device for NVIDIA GPUs: kernels in librpgcuda.so, which
// `make cuda` builds, and a compute.Device that loads it at run time, so that one
// binary works with and without a GPU.
//
// Read rpg.h first (the whole interface of the library), then common.cuh (what
// all kernels share) and any OP.cu, then cuda.go and launch.go (the device).
// library.go finds the library and missing.go says what a machine lacks; counter.go
// is a device without a GPU that only counts memory. An operation has one name in
// four places: the method of compute.Device, compute/cpu/OP.go, OP.cu here and
// computetest/OP.go.
//
// # How to add an operation
//
//  1. rpg.h: a struct rpg_OP of sizes, strides and device pointers, and the
//     function int rpg_OP(rpg_device *, const struct rpg_OP *).
//  2. OP.cu: a note on who does what, the kernels (static, in lower case), and
//     that function, which takes its memory from rpg_workspace and calls LAUNCH.
//  3. ops_FAMILY.go: a mirror of the struct, OPArgs, with addresses as uint64,
//     sizes as int64 and matrix for struct rpg_matrix; and the method, which
//     checks all sizes with vals, optional, whole, input and output (which refuse
//     rounded buffers), and calls launch. layout_test.go gets a line.
//  4. computetest/OP.go has the cases, for all devices:
//     go test ./cuda -run 'TestConformance/.*/OP$'
//     runs it on the host; the pattern goes on with /CASE/PLACEMENT. What g++
//     makes is kept in the user's cache, so only what was changed is compiled.
//  5. cuda/build compiles it for GPUs. RPG_CUDA_ARCHS=80 is quicker. .ci/cuda holds
//     it to registers.txt, and TestAccesses, once doCountedWork meets it, to accesses.txt.
//
// # Kernels
//
//   - SHARED(name, type) is static shared memory, as in SHARED(part, float[32]);
//     DYNAMIC_SHARED(name, type) points at what LAUNCH asked for: both at most 99 KiB,
//     and SHARED beside it at most 16. Neither stands in a branch that only some threads take.
//   - LAUNCH(dev, kernel, grid, block, bytes, arguments...) and TRY(dev, call)
//     return from the launcher on failure. An empty grid is fine. A kernel takes
//     its struct by value. On a device that only counts memory (memory.cu) LAUNCH
//     does nothing; a launcher that calls CUDA itself asks dev->count first.
//   - Work on single values: spans(n) blocks of `threads` threads, and each_value.
//     Work on rows: blockIdx.x is the row, as only x goes beyond 65535, and y the
//     columns. Blocks are whole warps; __launch_bounds__ says how many threads.
//   - Buffers may begin at any value, not only at multiples of 16 bytes, and rows
//     may lie at any stride: wide loads need a check, in the launcher, and a
//     plain way beside them.
//   - warp_sum, warp_max and block_sum take their order from the number of lanes.
//     All threads of the block call block_sum.
//   - raise(dev->fault, RPG_E_…) tells of contents that cannot be right; the next
//     Sync or Download returns it.
//   - Behind #ifdef __CUDACC__ stand tensor cores and inline PTX only, each with
//     a plain body of the same interface for the host.
//
// # The same result every time
//
// Every sum is taken in an order that the shapes alone fix: there are no atomic
// additions of floating-point numbers. Sums among blocks go through the
// workspace, and a second kernel adds them in their order. Sums that package
// compute says are float64 are float64. Nothing but Gemm depends on the number of
// processors of a GPU: it decides into how many parts a long sum is cut, so that
// GPUs of two models may differ in the last bits.
//
// # Precision
//
// Values are float32 in memory. With dev->bf16, which Open was asked for,
// matrix products and convolutions may round their factors to bf16 for the tensor
// cores; they add up in float32; and buffers of AllocRounded hold bf16: the signals
// of convolutions and, in sampling, the weights of products. Everything else is the
// same in both.
//
// # Recording
//
// A step that comes again and again is one graph: see compute.Record and
// record.go. Every operation goes through launch, with arguments that are plain
// bytes. What changes from step to step (the factors of Combine, the seed of
// Normal, the rates of AdamW) stands apart in rpg_OP_now, at the end of its
// struct. The kernel takes it as a varying: with `later` null the value of the
// call; in a graph what stands in a block of device memory, which is filled before
// the graph is launched, with what the step uploads. All other bytes are
// compared with those recorded.
// So a launcher must not read `now`, and the grid must not depend on it.
// A download, or an upload that rounds, gives the record up.
//
// # The host shim
//
// shim/ lets g++ compile the same files, so that they are tested without a GPU.
// A CUDA thread is a fiber; blocks are shared among threads of the machine. The
// threads of a warp run as far as they can before the next warp does, which shows
// missing barriers. Memory is NaN at first and lies between guards; waiting that
// never ends, or at different places, ends the process with file and line.
//
//   - RPG_SHIM_ORDER: forward, reverse or random, of blocks, warps and lanes.
//   - RPG_SHIM_WORKERS: threads of the machine; all by default.
//   - RPG_SHIM_LATE=1: a stream does its work only when something waits for it, as
//     late as a GPU may, so that a missing wait shows.
//   - RPG_SHIM_MEMORY: bytes of device memory, 4 GiB by default.
//   - RPG_SHIM_WINDOW: bytes that a window of a convolution's tokens may take of
//     the workspace, 64 MiB by default as on a GPU.
//   - RPG_SHIM_OPEN: the status with which opening fails. RPG_SHIM_MAJOR: the
//     major compute capability, 8 by default.
//   - RPG_SHIM_LOST: the number of the launch of a graph at which the GPU is lost.
//     RPG_SHIM_ALLOCATIONS: so many succeed, and no more.
//
// # What nvcc made, on the host
//
// The shim's plain bodies stand in for tensor cores and copies on their way. So the
// files are also compiled by nvcc, host code and all, to PTX of compute_80, and
// linked with a runtime of our own: shim/host.cc, shim/queue.cc and ptx/runtime.cc,
// whose launches have ptx/ interpret the kernel's PTX (ptx.h says what it checks).
// Only ptxas and the hardware stay unseen. RPG_ON_HOST marks what differs from the
// library that GPUs get: small windows, so that tests meet several, and a workspace
// that is NaN. With RPG_TEST_CUDA=all:
//
//   - TestPTX runs the GPU's own tests (gpu_test.go) so, and others;
//   - TestPlantedFaultsPTX plants faults in what g++ never compiles;
//   - TestAccesses counts conflicts of banks and sectors of every kernel.
//
// Files that such a library is made of are kept in the cache with g++'s. For another
// program, RPG_CUDA_LIB names the library. The order of warps and blocks and the
// threads of the machine are set as for the shim, and besides:
//
//   - RPG_PTX_COUNTS: a file for what every kernel did (count.cc has the list).
//   - RPG_PTX_ROUGH=1: products on tensor cores are cut and not rounded, and the
//     approximate functions are as far off as NVIDIA allows.
//   - RPG_PTX_RACES=1: races in global memory are looked for too.
//
// In ptx/, text.cc cuts the PTX into statements; names.cc, decode.cc and access.cc make
// instructions of them with the handlers in integers.cc, floats.cc, conversions.cc,
// memory.cc, shared.cc and warp.cc, which schedule.cc runs for a warp and run.cc for
// a grid. interpreter_*_test.go test all this without nvcc.
package cuda
