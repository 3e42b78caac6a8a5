// CUDA's kernel language for g++, as far as the kernels here use it. A CUDA
// thread is a fiber; the threads of a block take turns on one thread of the
// machine. block.cc is the other half.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <tuple>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __restrict__ __restrict

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct uint3 {
  unsigned x, y, z;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

namespace shim {

// Place is what a running CUDA thread knows of itself.
struct Place {
  uint3 thread, block;
  dim3 threads, blocks;
  int lane;
};
extern thread_local Place *place;

// die ends the process with what is wrong, the place in the source and the thread.
[[noreturn]] void die(const char *what, const char *file, int line);

void barrier(const char *file, int line);

// meet waits until every lane of mask has called it from this place and returns
// what each of them gave, by lane: valid until the lane's next call.
const uint64_t *meet(uint32_t mask, uint64_t value, const char *file, int line);

// warp_barrier is a meeting of all lanes that orders what they do to memory.
void warp_barrier(const char *file, int line);

// shared gives the block's memory for the variable that tag stands for, NaN at
// first; dynamic_shared the bytes that the launch asked for.
void *shared(const void *tag, size_t bytes, const char *file, int line);
void *dynamic_shared();

template <class T>
uint64_t bits(T v) {
  static_assert(sizeof(T) <= sizeof(uint64_t), "a shuffle of more than 8 bytes");
  uint64_t b = 0;
  memcpy(&b, &v, sizeof v);
  return b;
}

// shuffle gives the value of lane `from`, or the own one where that is outside
// the group of `width` lanes.
template <class T>
T shuffle(uint32_t mask, T v, int from, int width, const char *file, int line) {
  const uint64_t *all = meet(mask, bits(v), file, line);
  const int first = place->lane & ~(width - 1);
  if (from < first || from >= first + width) return v;
  if (!(mask >> from & 1)) die("a shuffle reads a lane that is not in its mask", file, line);
  T out;
  memcpy(&out, &all[from], sizeof out);
  return out;
}

inline uint32_t ballot(uint32_t mask, bool yes, const char *file, int line) {
  const uint64_t *all = meet(mask, yes, file, line);
  uint32_t out = 0;
  for (int lane = 0; lane < 32; lane++)
    if (mask >> lane & 1 && all[lane]) out |= 1u << lane;
  return out;
}

template <class T>
using type_of = T;

}  // namespace shim

#define threadIdx (shim::place->thread)
#define blockIdx (shim::place->block)
#define blockDim (shim::place->threads)
#define gridDim (shim::place->blocks)
#define warpSize 32

#define SHARED(name, ...)                                            \
  static const char name##_tag_ = 0;                                 \
  auto &name = *static_cast<shim::type_of<__VA_ARGS__> *>(     \
      shim::shared(&name##_tag_, sizeof(shim::type_of<__VA_ARGS__>), __FILE__, __LINE__))
#define DYNAMIC_SHARED(name, type) type *name = static_cast<type *>(shim::dynamic_shared())

#define __syncthreads() shim::barrier(__FILE__, __LINE__)
#define __syncwarp(...) shim::warp_barrier(__FILE__, __LINE__)
#define __ballot_sync(mask, yes) shim::ballot(mask, yes, __FILE__, __LINE__)
#define __any_sync(mask, yes) (shim::ballot(mask, yes, __FILE__, __LINE__) != 0)
#define __all_sync(mask, yes) (shim::ballot(mask, !(yes), __FILE__, __LINE__) == 0)
#define __shfl_sync(mask, v, from) shim::shuffle(mask, v, from, 32, __FILE__, __LINE__)
#define __shfl_xor_sync(mask, v, x) shim::shuffle(mask, v, shim::place->lane ^ (x), 32, __FILE__, __LINE__)
#define __shfl_up_sync(mask, v, d) shim::shuffle(mask, v, shim::place->lane - (d), 32, __FILE__, __LINE__)
#define __shfl_down_sync(mask, v, d) shim::shuffle(mask, v, shim::place->lane + (d), 32, __FILE__, __LINE__)

inline uint32_t __float_as_uint(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}
inline float __uint_as_float(uint32_t bits) {
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}
inline int __popc(uint32_t v) { return __builtin_popcount(v); }
inline float rsqrtf(float v) { return 1 / sqrtf(v); }
inline void sincospif(float v, float *sine, float *cosine) {
  *sine = static_cast<float>(std::sin(M_PI * v));
  *cosine = static_cast<float>(std::cos(M_PI * v));
}
template <class T>
T __ldg(const T *p) {
  return *p;
}
inline uint32_t __umulhi(uint32_t a, uint32_t b) { return static_cast<uint32_t>(uint64_t(a) * b >> 32); }
