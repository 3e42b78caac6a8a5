// What every .cu file of this folder includes: CUDA or its shim, the device, and
// the few things that all kernels share. doc.go says how they are meant.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <vector>

#include "rpg.h"

// RPG_ON_HOST: the library will run without a GPU, by g++'s kernels or by those of
// nvcc, interpreted.
#if !defined(__CUDACC__) || defined(RPG_PTX)
#define RPG_ON_HOST
#endif
#ifdef RPG_ON_HOST
#include "shim/queue.h"
#endif

#ifdef __CUDACC__
#include <cuda_runtime.h>
template <class T>
using rpg_type = T;
// SHARED(name, type) is memory of the block, with any contents at first.
// DYNAMIC_SHARED(name, type) is a pointer to the bytes that LAUNCH was given.
#define SHARED(name, ...) __shared__ rpg_type<__VA_ARGS__> name
#define DYNAMIC_SHARED(name, type)                       \
  extern __shared__ __align__(16) unsigned char rpg_dynamic_[]; \
  type *name = reinterpret_cast<type *>(rpg_dynamic_)
#else
#include <tuple>

#include "shim/kernel.h"
#endif

// struct rpg_device is one GPU with its stream.
struct rpg_device {
  int ordinal;
  bool bf16;  // matrix products and convolutions may round their operands
  int processors;
  cudaStream_t stream;
  bool recording;

  // fault is host memory that kernels see: RPG_E_* once one of them met it.
  int *fault;

  // staging carries uploads: parts of host memory that is not paged, used in turn,
  // each free when its event has passed.
  unsigned char *staging;
  cudaEvent_t staged[16];
  int part;

  // workspace holds what kernels of one operation leave for each other. It grows;
  // smaller ones from before are outgrown, and kept while there are graphs, which
  // may use them.
  void *workspace;
  size_t workspace_bytes;
  std::vector<void *> outgrown;
  int graphs;

  // taken is what was taken of its memory, null before the first of it. count is the
  // same on a device without a GPU, which only counts, and null on a GPU; see memory.cu.
  struct rpg_count *taken, *count;

  // blas is cuBLASLt, null without it; see gemm.cuh.
  struct rpg_blas *blas;
  char products_by[64];

  char error[512];
};

// rpg_failed notes in dev what failed, and returns the status.
int rpg_failed(rpg_device *dev, const char *what, cudaError_t status);
// rpg_workspace gives memory for one operation, aligned to 256 bytes, with any
// contents. The next operation gets the same.
int rpg_workspace(rpg_device *dev, size_t bytes, void **address);
// memory_close frees the workspace.
cudaError_t memory_close(rpg_device *dev);

// TRY(dev, call) returns from the function when a call of CUDA fails.
#define TRY(dev, call)                                                         \
  do {                                                                         \
    cudaError_t status_ = (call);                                              \
    if (status_ != cudaSuccess) return rpg_failed(dev, #call, status_);        \
  } while (0)

// LAUNCH(dev, kernel, grid, block, bytes, arguments...) queues a kernel, with
// `bytes` of dynamic shared memory. It returns from the function when that fails,
// and does nothing for an empty grid. A kernel with a comma in its template
// arguments stands in parentheses. A device that only counts leaves it out.
//
// A kernel has 48 KiB of shared memory, SHARED and dynamic together, unless it is
// allowed more: that is done from asked_shared dynamic bytes on, as no kernel with
// both has more than 16 KiB of SHARED. It is allowed all that every GPU from 8.0 has
// beside these, the same at each launch: one of before may wait in a graph.
constexpr size_t asked_shared = 32 << 10, allowed_shared = (99 - 16) << 10;
#ifdef __CUDACC__
#define RPG_START(dev, kernel, grid, block, bytes, ...)                        \
  do {                                                                         \
    auto *kernel_ = kernel;                                                    \
    if ((bytes) > asked_shared)                                                \
      TRY(dev, cudaFuncSetAttribute(kernel_, cudaFuncAttributeMaxDynamicSharedMemorySize, \
                                    static_cast<int>((bytes) > allowed_shared ? (bytes) : allowed_shared))); \
    kernel_<<<grid, block, bytes, (dev)->stream>>>(__VA_ARGS__);               \
    cudaError_t status_ = cudaGetLastError();                                  \
    if (status_ != cudaSuccess) return rpg_failed(dev, #kernel, status_);      \
  } while (0)
#else
#define RPG_START(dev, kernel, grid, block, bytes, ...)                        \
  do {                                                                         \
    auto *kernel_ = kernel;                                                    \
    const auto arguments_ = std::make_tuple(__VA_ARGS__); /* as they are now */ \
    cudaError_t status_ = shim::launch((dev)->stream, #kernel, grid, block, bytes, (bytes) > asked_shared, \
                                       [=] { std::apply(kernel_, arguments_); }); \
    if (status_ != cudaSuccess) return rpg_failed(dev, #kernel, status_);      \
  } while (0)
#endif
#define LAUNCH(dev, kernel, grid, block, bytes, ...)                           \
  do {                                                                         \
    if ((dev)->count) break;                                                   \
    const dim3 grid_ = grid, block_ = block;                                   \
    TRY(dev, cudaSetDevice((dev)->ordinal));                                   \
    if (grid_.x && grid_.y && grid_.z)                                         \
      RPG_START(dev, kernel, grid_, block_, bytes, __VA_ARGS__);               \
  } while (0)

__host__ __device__ inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// ---- values, one by one ---------------------------------------------------

// Operations on n values run in blocks of `threads` threads; a block takes
// `span` neighbouring values, a thread every threads'th of them.
constexpr int threads = 256;
constexpr int span = 4 * threads;

inline dim3 spans(int64_t n) { return dim3(static_cast<unsigned>(ceil_div(n, span))); }

// each_value calls f(i) for the values of this block.
template <class F>
__device__ __forceinline__ void each_value(int64_t n, F f) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * span + threadIdx.x;
#pragma unroll
  for (int k = 0; k < span / threads; k++) {
    const int64_t i = first + k * threads;
    if (i < n) f(i);
  }
}

// ---- scalars that change between replays ------------------------------------

// varying<T> is what a kernel takes for struct rpg_OP_now: see rpg.h.
template <class T>
struct varying {
  T now;
  const T *later;
  __device__ T get() const { return later ? *later : now; }
};

template <class A>
auto varying_of(const A *a) -> varying<decltype(a->now)> {
  return {a->now, a->later};
}

// ---- sums, always in the same order --------------------------------------------

// warp_sum gives every lane of a full warp the sum of all v.
template <class T>
__device__ __forceinline__ T warp_sum(T v) {
#pragma unroll
  for (int lane = 16; lane > 0; lane >>= 1) v += __shfl_xor_sync(0xffffffffu, v, lane);
  return v;
}

// warp_max is warp_sum for the largest.
template <class T>
__device__ __forceinline__ T warp_max(T v) {
#pragma unroll
  for (int lane = 16; lane > 0; lane >>= 1) {
    const T other = __shfl_xor_sync(0xffffffffu, v, lane);
    v = other > v ? other : v;
  }
  return v;
}

// block_sum gives every thread the sum of all v. All threads of a block of
// whole warps in one dimension must call it.
template <class T>
__device__ __forceinline__ T block_sum(T v) {
  SHARED(part, T[32]);
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
  v = warp_sum(v);
  if (lane == 0) part[warp] = v;
  __syncthreads();
  v = warp_sum(lane < warps ? part[lane] : T(0));
  __syncthreads();  // before the next sum writes part
  return v;
}

// ---- faults ---------------------------------------------------------------------

// raise notes RPG_E_... for the next rpg_sync or rpg_download.
__device__ inline void raise(int *fault, int code) {
#ifdef __CUDACC__
  *static_cast<volatile int *>(fault) = code;
#else
  __atomic_store_n(fault, code, __ATOMIC_RELAXED);
#endif
}
