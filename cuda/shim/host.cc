// The host functions for devices and memory, which lies between guards and is filled
// with NaN. queue.cc has streams. With RPG_PTX both are those of ../ptx.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <map>
#include <mutex>

#include "queue.h"
#include "tsan.h"

long shim::setting(const char *name, long otherwise) {
  const char *text = getenv(name);
  return text && *text ? strtol(text, nullptr, 10) : otherwise;
}

// ---- devices ------------------------------------------------------------------

const char *cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorInsufficientDriver: return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorLaunchFailure: return "unspecified launch failure";
    case cudaErrorStreamCaptureWrongThread: return "attempt to terminate a thread-local capture sequence from another thread";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    default: return "invalid argument";
  }
}

// device is the calling thread's GPU. A new thread of CUDA has the first one; here it
// has none, so that what goes to the first by mistake is seen.
static thread_local int device = -1;

cudaError_t cudaSetDevice(int ordinal) {
  if (ordinal != 0) return cudaErrorInvalidDevice;
  return device = ordinal, cudaSuccess;
}

// For tests: the calling thread's GPU, and a thread that is as new.
extern "C" __attribute__((visibility("default"))) int shim_device() { return device; }
extern "C" __attribute__((visibility("default"))) void shim_new_thread() { device = -1; }

cudaError_t cudaGetDeviceCount(int *count) {
  *count = 1;
  return static_cast<cudaError_t>(shim::setting("RPG_SHIM_OPEN", cudaSuccess));
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrComputeCapabilityMajor ? static_cast<int>(shim::setting("RPG_SHIM_MAJOR", 8)) : 2;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int ordinal) {
  snprintf(properties->name, sizeof properties->name, "%s", shim::device_name);
  properties->minor = 0;
  return cudaDeviceGetAttribute(&properties->major, cudaDevAttrComputeCapabilityMajor, ordinal);
}

cudaError_t cudaDriverGetVersion(int *version) { return *version = 13000, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int *version) { return *version = 13000, cudaSuccess; }

// ---- memory ---------------------------------------------------------------------

namespace {

constexpr size_t guard = 256;             // bytes before and after
constexpr unsigned char guard_byte = 0xa5;

struct Memory {
  std::mutex lock;
  std::map<unsigned char *, size_t> live;
  size_t used = 0, most = 0;
  long allocations = 0;
  size_t total() { return static_cast<size_t>(shim::setting("RPG_SHIM_MEMORY", 4L << 30)); }
};
Memory memory;

void check_guards(void *address, size_t bytes) {
  const unsigned char *p = static_cast<unsigned char *>(address);
  for (size_t i = 0; i < guard; i++) {
    const bool before = p[i - guard] != guard_byte, after = p[bytes + i] != guard_byte;
    if (!before && !after) continue;
    fprintf(stderr, "shim: a kernel wrote %s %zu bytes of device memory\n", before ? "before" : "beyond", bytes);
    abort();
  }
}

}  // namespace

cudaError_t cudaMemGetInfo(size_t *available, size_t *total) {
  std::lock_guard<std::mutex> locked(memory.lock);
  *total = memory.total();
  *available = *total - memory.used;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void **address, size_t bytes) {
  std::lock_guard<std::mutex> locked(memory.lock);
  *address = nullptr;
  const long last = shim::setting("RPG_SHIM_ALLOCATIONS", 0);
  if (memory.used + bytes > memory.total() || (last && ++memory.allocations > last)) return cudaErrorMemoryAllocation;
  const size_t all = (bytes + 2 * guard + 255) / 256 * 256;
  unsigned char *p = static_cast<unsigned char *>(aligned_alloc(256, all));
  if (!p) return cudaErrorMemoryAllocation;
  memset(p, guard_byte, all);
  memset(p + guard, 0xff, bytes);  // NaN
  *address = p + guard;
  memory.live[p + guard] = bytes;
  memory.used += bytes;
  if (memory.most < memory.used) memory.most = memory.used;
  return cudaSuccess;
}

// give frees memory of either kind.
static cudaError_t give(void *address) {
  std::lock_guard<std::mutex> locked(memory.lock);
  const auto at = memory.live.find(static_cast<unsigned char *>(address));
  if (at == memory.live.end()) return cudaErrorInvalidValue;
  check_guards(address, at->second);
  memory.used -= at->second;
  memory.live.erase(at);
  free(static_cast<unsigned char *>(address) - guard);
  return cudaSuccess;
}

// cudaFree waits for all work, whatever its stream.
cudaError_t cudaFree(void *address) {
  if (!address) return cudaSuccess;
  shim::wait_for_all();
  return give(address);
}

cudaError_t cudaHostAlloc(void **address, size_t bytes, unsigned) { return cudaMalloc(address, bytes); }

// cudaFreeHost waits for nothing.
cudaError_t cudaFreeHost(void *address) {
  if (address && shim::work_waits()) {
    fprintf(stderr, "shim: memory of the host is given back while there is work that may use it\n");
    abort();
  }
  return address ? give(address) : cudaSuccess;
}

bool shim::allocation_of(uint64_t address, uint64_t *begin, uint64_t *end) {
  std::lock_guard<std::mutex> locked(memory.lock);
  auto after = memory.live.upper_bound(reinterpret_cast<unsigned char *>(address));
  if (after == memory.live.begin()) return false;
  --after;
  *begin = reinterpret_cast<uint64_t>(after->first);
  *end = *begin + after->second;
  return address < *end;
}

// shim_most gives the most bytes that were taken at once since it was called last.
extern "C" __attribute__((visibility("default"))) uint64_t shim_most() {
  std::lock_guard<std::mutex> locked(memory.lock);
  const size_t most = memory.most;
  memory.most = memory.used;
  return most;
}
