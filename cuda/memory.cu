// Memory: allocations, the workspace, how much was taken for both, and the device
// without a GPU that does nothing else, for a forecast. There launchers check, choose and ask for workspace as ever; only
// kernels, copies and allocations are left out.
#include <string.h>

#include <map>

#include "common.cuh"

// rpg_count is what was taken of a device's memory.
struct rpg_count {
  std::map<uintptr_t, uint64_t> live;  // bytes at each address
  uint64_t now, most;                  // bytes in them, and as many as there were at once
  uintptr_t next;                      // address of the next, on a device that only counts
};

int rpg_open_counter(int processors, int bf16, rpg_device **out) {
  rpg_device *dev = new rpg_device();
  dev->bf16 = bf16 != 0;
  dev->processors = processors;
  dev->taken = dev->count = new rpg_count();
  dev->count->next = 1 << 20;  // no pointer is null
  *out = dev;
  return 0;
}

int rpg_counted(rpg_device *dev, uint64_t *bytes) {
  *bytes = dev->taken ? dev->taken->most : 0;
  return 0;
}

// take is cudaMalloc on any device.
static cudaError_t take(rpg_device *dev, void **address, uint64_t bytes) {
  if (dev->count) {
    constexpr uintptr_t line = 512;  // where memory of a GPU begins
    *address = reinterpret_cast<void *>(dev->count->next);
    dev->count->next += (bytes / line + 1) * line;
  } else {
    cudaError_t status = cudaSetDevice(dev->ordinal);
    if (status == cudaSuccess) status = cudaMalloc(address, bytes);
    if (status != cudaSuccess) return status;
  }
  if (!dev->taken) dev->taken = new rpg_count();
  rpg_count *taken = dev->taken;
  taken->live[reinterpret_cast<uintptr_t>(*address)] = bytes;
  taken->now += bytes;
  if (taken->most < taken->now) taken->most = taken->now;
  return cudaSuccess;
}

// give is cudaFree on any device.
static cudaError_t give(rpg_device *dev, void *address) {
  if (!dev->count) {
    cudaError_t status = cudaSetDevice(dev->ordinal);
    if (status == cudaSuccess) status = cudaFree(address);
    if (status != cudaSuccess) return status;
  }
  if (!dev->taken) return cudaErrorInvalidValue;
  const auto at = dev->taken->live.find(reinterpret_cast<uintptr_t>(address));
  if (at == dev->taken->live.end()) return cudaErrorInvalidValue;
  dev->taken->now -= at->second;
  dev->taken->live.erase(at);
  return cudaSuccess;
}

int rpg_alloc(rpg_device *dev, uint64_t bytes, void **address) {
  *address = nullptr;
  const cudaError_t status = take(dev, address, bytes);
  if (status != cudaSuccess) return rpg_failed(dev, "cudaMalloc", status);
  if (!dev->count) TRY(dev, cudaMemsetAsync(*address, 0, bytes, dev->stream));
  return 0;
}

int rpg_free(rpg_device *dev, void *address) {
  TRY(dev, give(dev, address));
  return 0;
}

// ---- workspace ----------------------------------------------------------------

// outgrow puts the workspace to those that were outgrown.
static void outgrow(rpg_device *dev) {
  if (dev->workspace) dev->outgrown.push_back(dev->workspace);
  dev->workspace = nullptr;
  dev->workspace_bytes = 0;
}

// give_outgrown frees what was outgrown, once no work uses it any more.
static cudaError_t give_outgrown(rpg_device *dev) {
  if (dev->outgrown.empty()) return cudaSuccess;
  cudaError_t first = dev->count ? cudaSuccess : cudaStreamSynchronize(dev->stream);
  for (void *one : dev->outgrown) {
    const cudaError_t status = give(dev, one);
    if (first == cudaSuccess) first = status;
  }
  dev->outgrown.clear();
  return first;
}

// rounded is at least `bytes`, and beyond 16 MiB at most an eighth more, so that
// the workspace does not grow again for a little.
static size_t rounded(size_t bytes) {
  size_t step = 1 << 20;
  while (16 * step < bytes) step *= 2;
  return (bytes + step - 1) / step * step;
}

// grow takes a larger workspace. The first run of a step finds the largest one
// before there is a graph, so that it is the only one then.
static int grow(rpg_device *dev, size_t bytes) {
  if (dev->recording) return rpg_failed(dev, "workspace for recorded work", cudaErrorStreamCaptureUnsupported);
  outgrow(dev);
  if (dev->graphs == 0) TRY(dev, give_outgrown(dev));
  const cudaError_t status = take(dev, &dev->workspace, bytes);
  if (status == cudaSuccess) {
    dev->workspace_bytes = bytes;
    return 0;
  }
  dev->workspace = nullptr;
  char what[64];
  snprintf(what, sizeof what, "workspace of %zu bytes", bytes);
  return rpg_failed(dev, what, status);
}

int rpg_workspace(rpg_device *dev, size_t bytes, void **address) {
  if (bytes > dev->workspace_bytes)
    if (int bad = grow(dev, rounded(bytes))) return bad;
  *address = dev->workspace;
#ifdef RPG_ON_HOST
  if (!dev->count) TRY(dev, cudaMemsetAsync(*address, 0xff, bytes, dev->stream));  // NaN: nothing of before may be read
#endif
  return 0;
}

cudaError_t memory_close(rpg_device *dev) {
  outgrow(dev);
  const cudaError_t status = give_outgrown(dev);
  delete dev->taken;
  dev->taken = dev->count = nullptr;
  return status;
}
