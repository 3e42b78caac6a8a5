// Kernels in PTX, run on the host: what nvcc made of the kernels is read and
// interpreted, one warp at a time, with the semantics of NVIDIA's PTX ISA.
//
// What the ISA leaves open is a fault that ends the process: an access out of
// bounds or misaligned, a race or an uninitialised read in shared memory, a read
// of bytes that a cp.async has not been waited for, a warp operation or a barrier
// that some lanes never reach, an integer division by zero. What the interpreter
// does not know ends the process when it is loaded, with the line.
//
// It is compiled with -march=x86-64-v3 (vector instructions and a fused multiply-add)
// and -ffp-contract=off (each operation rounded on its own).
//
// The environment: RPG_SHIM_ORDER (forward, reverse or random) is the order of
// blocks and warps, RPG_SHIM_WORKERS how many threads of the machine take part,
// and with RPG_PTX_COUNTS, a file, counting is on and the file has what each kernel
// did. RPG_PTX_ROUGH=1 has what NVIDIA leaves open come out another way: products on
// tensor cores are cut and not rounded, and approximate functions are off by nearly
// as much as they may. RPG_PTX_RACES=1 looks for races in global memory too, among
// the threads and the blocks of a launch, on one thread of the machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace ptx {

struct size3 {
  unsigned x, y, z;
};

struct parameter {
  size_t offset, bytes;  // in the block of all parameters
};

struct Module;  // of one PTX text
struct Kernel;

// load reads a PTX text of compute_80, which is copied. file is for messages.
const Module *load(const char *text, size_t bytes, const char *file);

// find returns the kernel of a mangled name, null where there is none; variable
// the memory of a variable in .global, null where there is none.
const Kernel *find(const Module *module, const char *mangled);
void *variable(const Module *module, const char *name, size_t *bytes);

size_t parameter_bytes(const Kernel *kernel);
const std::vector<parameter> &parameters(const Kernel *kernel);

// static_shared_bytes is what the kernel's own variables in .shared take;
// most_threads what .maxntid says a block may have, 0 where it says nothing.
size_t static_shared_bytes(const Kernel *kernel);
unsigned most_threads(const Kernel *kernel);

// memory_of gives the bounds of the allocation in which an address of global memory
// lies, false where it lies in none. It is called from several threads at once.
using memory_of = bool (*)(uint64_t address, uint64_t *begin, uint64_t *end);

// run does all blocks of a kernel, several at a time on the machine's threads, and
// returns when they are done. Kernels are run one at a time.
void run(const Kernel *kernel, size3 grid, size3 block, size_t dynamic_bytes, const void *parameters, memory_of bounds);

// counted writes what the kernels did so far, a line of JSON for each kernel that
// was run while counting was on (count.cc says what each number is).
void counted(FILE *out);

// counting switches the counters, which RPG_PTX_COUNTS switches on at first.
void counting(bool on);

}  // namespace ptx
