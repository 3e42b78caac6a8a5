// The signals between the layers of the conv denoiser, float32 or bf16, and how their
// values are loaded and stored, several at once where they lie so.
#pragma once

#include <type_traits>

#include "tensor.cuh"

// number and put convert what is stored as float32 or as bf16.
__device__ __forceinline__ float number(float v) { return v; }
__device__ __forceinline__ float number(bf16_t v) { return bf16_number(v); }
__device__ __forceinline__ void put(float *to, float v) { *to = v; }
__device__ __forceinline__ void put(bf16_t *to, float v) { *to = static_cast<bf16_t>(bf16_pair(v, 0)); }

// lower_number and upper_number are the two numbers of a bf16_pair.
__device__ __forceinline__ float lower_number(uint32_t pair) { return number(static_cast<bf16_t>(pair)); }
__device__ __forceinline__ float upper_number(uint32_t pair) { return number(static_cast<bf16_t>(pair >> 16)); }

// lower_halves and upper_halves are pairs of the two lower and of the two upper numbers.
__device__ __forceinline__ uint32_t lower_halves(uint32_t first, uint32_t second) {
#ifdef __CUDACC__
  return __byte_perm(first, second, 0x5410);
#else
  return second << 16 | (first & 0xffff);
#endif
}
__device__ __forceinline__ uint32_t upper_halves(uint32_t first, uint32_t second) {
#ifdef __CUDACC__
  return __byte_perm(first, second, 0x7632);
#else
  return (second & 0xffff0000u) | first >> 16;
#endif
}

// aligned_to is a pointer to several values that are taken at once.
template <class V, class T>
__device__ __forceinline__ auto aligned_to(T *from) {
#ifndef __CUDACC__
  if (reinterpret_cast<uintptr_t>(from) % sizeof(V)) shim::die("values at once that are not aligned to their size", __FILE__, __LINE__);
#endif
  return reinterpret_cast<std::conditional_t<std::is_const_v<T>, const V, V> *>(from);
}

// spread<N> is where the lanes of a warp have their values of a row: N neighbours
// each, and more of them after those of all lanes.
template <int N>
__device__ __forceinline__ int spread(int lane, int j) {
  return j / N * 32 * N + lane * N + j % N;
}

// signals are the channels of tokens: value (token, c, p) is number
// token*stride + c*d + p. They are all float32 or all bf16, which the kernels ask at
// run time: the same for all threads, and nothing beside the time to reach memory.
struct signals {
  void *data;  // null: absent
  int64_t stride;
  bool rounded;
  bool fours = false;  // 4 values from a multiple of 4 of a channel on may be taken at once

  __device__ __forceinline__ float load(int64_t i) const {
    return rounded ? number(static_cast<const bf16_t *>(data)[i]) : static_cast<const float *>(data)[i];
  }
  // store returns what is then there.
  __device__ __forceinline__ float store(int64_t i, float v) const {
    if (!rounded) return static_cast<float *>(data)[i] = v;
    bf16_t *to = static_cast<bf16_t *>(data) + i;
    put(to, v);
    return number(*to);
  }
  __device__ __forceinline__ void load_four(int64_t i, float *v) const;
  __device__ __forceinline__ void store_four(int64_t i, float *v) const;

  // load_row and store_row are load and store of what a lane has of a row that begins
  // at number `first` and has `left` values: v[j] is number spread<N>(lane, j) of them,
  // and stays as it is where there is none.
  template <int J, int N>
  __device__ __forceinline__ void load_row(int64_t first, int left, float (&v)[J]) const {
#pragma unroll
    for (int j = 0; j < J; j += N) {
      const int at = spread<N>(threadIdx.x & 31, j);
      if (N == 4 && fours) {
        if (at < left) load_four(first + at, v + j);
        continue;
      }
#pragma unroll
      for (int n = 0; n < N; n++)
        if (at + n < left) v[j + n] = load(first + at + n);
    }
  }
  template <int J, int N>
  __device__ __forceinline__ void store_row(int64_t first, int left, float (&v)[J]) const {
#pragma unroll
    for (int j = 0; j < J; j += N) {
      const int at = spread<N>(threadIdx.x & 31, j);
      if (N == 4 && fours) {
        if (at < left) store_four(first + at, v + j);
        continue;
      }
#pragma unroll
      for (int n = 0; n < N; n++)
        if (at + n < left) v[j + n] = store(first + at + n, v[j + n]);
    }
  }
};

__device__ __forceinline__ void signals::load_four(int64_t i, float *v) const {
  if (rounded) {
    const uint2 w = *aligned_to<uint2>(static_cast<const bf16_t *>(data) + i);
    v[0] = lower_number(w.x), v[1] = upper_number(w.x), v[2] = lower_number(w.y), v[3] = upper_number(w.y);
  } else {
    const float4 w = *aligned_to<float4>(static_cast<const float *>(data) + i);
    v[0] = w.x, v[1] = w.y, v[2] = w.z, v[3] = w.w;
  }
}
__device__ __forceinline__ void signals::store_four(int64_t i, float *v) const {
  if (rounded) {
    const uint2 w = {bf16_pair(v[0], v[1]), bf16_pair(v[2], v[3])};
    // One number, as nvcc stores the halves of a uint2 one by one.
    *aligned_to<uint64_t>(static_cast<bf16_t *>(data) + i) = static_cast<uint64_t>(w.y) << 32 | w.x;
    v[0] = lower_number(w.x), v[1] = upper_number(w.x), v[2] = lower_number(w.y), v[3] = upper_number(w.y);
  } else {
    *aligned_to<float4>(static_cast<float *>(data) + i) = make_float4(v[0], v[1], v[2], v[3]);
  }
}

inline signals signals_of(const struct rpg_signals &s) { return {s.data, s.stride, s.rounded != 0}; }

// in_fours says whether channels of d values can be taken 4 values at a time.
inline bool in_fours(const void *data, int64_t stride, bool rounded, int d) {
  return d % 4 == 0 && stride % 4 == 0 && reinterpret_cast<uintptr_t>(data) % (rounded ? 8 : 16) == 0;
}
inline signals signals_of(const struct rpg_signals &s, int d) {
  return {s.data, s.stride, s.rounded != 0, in_fours(s.data, s.stride, s.rounded != 0, d)};
}

// eight are the bf16 values of 8 neighbouring positions, pair k^turn of them as v[k].
struct eight {
  uint32_t v[4];
};
__device__ __forceinline__ eight load_eight(const void *data, int64_t i, int turn) {
  const uint4 w = *aligned_to<uint4>(static_cast<const bf16_t *>(data) + i);
  const bool odd = turn & 1;
  const uint32_t v0 = odd ? w.y : w.x, v1 = odd ? w.x : w.y, v2 = odd ? w.w : w.z, v3 = odd ? w.z : w.w;
  return turn & 2 ? eight{{v2, v3, v0, v1}} : eight{{v0, v1, v2, v3}};
}

// in_eights says whether all positions of all channels can be loaded so.
inline bool in_eights(const signals &s, int d) {
  return s.rounded && d % 8 == 0 && s.stride % 8 == 0 && reinterpret_cast<uintptr_t>(s.data) % 16 == 0;
}
