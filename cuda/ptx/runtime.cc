// The part of CUDA's runtime that runs kernels, for host code that nvcc compiled. At
// the start of the process that code gives every file's fat binary, which holds the
// PTX, and the name of each kernel; a launch has the interpreter do the kernel's
// blocks. host.cc and queue.cc of ../shim have the rest.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "ptx.h"
#include "shim/queue.h"

const char *const shim::device_name = "PTX on the host";

// A kernel of the program, loaded when it is launched first.
struct CUkern_st {
  const unsigned char *fat_binary;
  const char *name;  // mangled
  size_t most_dynamic = 0;  // once it was asked for
  const ptx::Kernel *code = nullptr;
};

namespace {

// FatBinary is how nvcc lays it out: a header, then parts with a header each.
struct FatBinary {
  uint32_t magic;
  uint16_t version, header_bytes;
  uint64_t bytes;  // of all parts
};
struct Part {
  uint16_t kind, version;
  uint32_t header_bytes;
  uint64_t bytes;  // without the header
  uint32_t compressed_bytes, options_at;
  uint32_t version_of_ptx, architecture;
  uint32_t name_at, name_bytes;
};
constexpr uint32_t fat_magic = 0xba55ed50;
constexpr uint16_t kind_ptx = 1;

struct Configuration {
  dim3 grid, block;
  size_t dynamic_bytes;
  cudaStream_t stream;
};
thread_local std::vector<Configuration> configurations;

std::mutex loading;
std::map<const unsigned char *, const ptx::Module *> modules;  // by their fat binary

// kernels are known before any other variable of this file is there.
std::map<const void *, CUkern_st> &kernels() {
  static std::map<const void *, CUkern_st> all;
  return all;
}

[[noreturn]] void give_up(const char *what, const char *name) {
  fprintf(stderr, "ptx: %s: %s\n", name, what);
  abort();
}

// module_of loads the one PTX text of a fat binary.
const ptx::Module *module_of(const CUkern_st &kernel) {
  const ptx::Module *&module = modules[kernel.fat_binary];
  if (module) return module;
  FatBinary all;
  memcpy(&all, kernel.fat_binary, sizeof all);
  if (all.magic != fat_magic) give_up("its fat binary has another layout than that of nvcc 13.0", kernel.name);
  for (uint64_t at = all.header_bytes; at < all.header_bytes + all.bytes;) {
    Part part;
    const unsigned char *start = kernel.fat_binary + at;
    memcpy(&part, start, sizeof part);
    const std::string name(reinterpret_cast<const char *>(start + part.name_at), part.name_bytes);
    const char *text = reinterpret_cast<const char *>(start + part.header_bytes);
    if (part.kind == kind_ptx && part.compressed_bytes == 0)
      return module = ptx::load(text, strnlen(text, part.bytes), name.c_str());
    at += part.header_bytes + part.bytes;
  }
  give_up("its fat binary has no PTX that is not compressed", kernel.name);
}

const ptx::Kernel *code_of(CUkern_st &kernel) {
  std::lock_guard<std::mutex> locked(loading);
  if (!kernel.code) kernel.code = ptx::find(module_of(kernel), kernel.name);
  if (!kernel.code) give_up("there is no such entry in the PTX", kernel.name);
  return kernel.code;
}

}  // namespace

// ---- what nvcc's host code calls at the start of the process ------------------------

extern "C" {

void **__cudaRegisterFatBinary(void *wrapper) {
  struct {
    int magic, version;
    const void *data, *more;
  } fat;
  memcpy(&fat, wrapper, sizeof fat);
  return const_cast<void **>(static_cast<void *const *>(fat.data));
}
void __cudaRegisterFatBinaryEnd(void **) {}
void __cudaUnregisterFatBinary(void **) {}

void __cudaRegisterFunction(void **fat_binary, const char *host, char *, const char *name, int, uint3 *, uint3 *, dim3 *,
                            dim3 *, int *) {
  // Of a template that several files have, the first one's is taken, as the linker does.
  kernels().try_emplace(host, CUkern_st{reinterpret_cast<const unsigned char *>(fat_binary), name});
}

// Variables of the GPU are not copied by their name, so only PTX knows them.
void __cudaRegisterVar(void **, char *, char *, const char *, int, size_t, int, int) {}

// ---- launches ------------------------------------------------------------------------

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t dynamic_bytes, cudaStream_t stream) {
  configurations.push_back({grid, block, dynamic_bytes, stream});
  return 0;
}

cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *dynamic_bytes, void *stream) {
  const Configuration &last = configurations.back();
  *grid = last.grid;
  *block = last.block;
  *dynamic_bytes = last.dynamic_bytes;
  memcpy(stream, &last.stream, sizeof last.stream);
  configurations.pop_back();
  return cudaSuccess;
}

cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *host) {
  const auto at = kernels().find(host);
  if (at == kernels().end()) return cudaErrorInvalidDeviceFunction;
  *kernel = &at->second;
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void *host, cudaFuncAttribute attribute, int value) {
  const auto at = kernels().find(host);
  if (at == kernels().end()) return cudaErrorInvalidDeviceFunction;
  if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) at->second.most_dynamic = value;
  return cudaSuccess;
}

cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void **args, size_t dynamic_bytes,
                               cudaStream_t stream) {
  const ptx::Kernel *code = code_of(*kernel);
  // Such a launch a GPU refuses.
  const uint64_t threads = uint64_t(block.x) * block.y * block.z, most = ptx::most_threads(code);
  const size_t shared = ptx::static_shared_bytes(code) + dynamic_bytes;
  if (shared > 48 << 10 && dynamic_bytes > kernel->most_dynamic)
    give_up("more than 48 KiB of shared memory that cudaFuncSetAttribute did not allow", kernel->name);
  if (shared > 99 << 10) give_up("more than 99 KiB of shared memory", kernel->name);
  if (most && threads > most) give_up("more threads than __launch_bounds__ says", kernel->name);
  std::vector<unsigned char> values(ptx::parameter_bytes(code));
  const std::vector<ptx::parameter> &places = ptx::parameters(code);
  for (size_t i = 0; i < places.size(); i++) memcpy(values.data() + places[i].offset, args[i], places[i].bytes);
  return shim::queue_kernel(stream, kernel->name, grid, block, dynamic_bytes, [=] {
    ptx::run(code, {grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, dynamic_bytes, values.data(), shim::allocation_of);
  });
}

}  // extern "C"
