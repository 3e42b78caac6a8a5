// The matrix products inside SSD: a block of ssd_threads threads computes a tile
// of 64 × 64 values, a thread 8 × 4 of them.
//
// The operands are float32 and never lie in memory as the product takes them: they
// are scaled by decays and masked as they are read. With bf16 operands in shared
// memory the tensor cores could take the inner loop; docs/cuda.md has what that
// would be worth.
#pragma once

#include "common.cuh"

constexpr int ssd_tile = 64, ssd_slice = 16, ssd_threads = 128;
constexpr int tile_high = 8, tile_wide = 4;  // values of a thread

// ssd_slices is a slice of both operands, 16 of the inner index; 4 values of
// padding keep 8 neighbours of it in banks of their own.
struct alignas(16) ssd_slices {
  float a[ssd_slice][ssd_tile + 4];
  float b[ssd_slice][ssd_tile + 4];
};

// ssd_values are a thread's: (row + r, col + c) of the tile is v[r][c].
struct ssd_values {
  float v[tile_high][tile_wide];
  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int r = 0; r < tile_high; r++)
#pragma unroll
      for (int c = 0; c < tile_wide; c++) v[r][c] = 0;
  }
};
__device__ __forceinline__ int tile_row() { return threadIdx.x / 16 * tile_high; }
__device__ __forceinline__ int tile_col() { return threadIdx.x % 16 * tile_wide; }

// read_slice reads f(line, k) for the 64 lines of an operand and a slice of k.
// inner_adjacent says along which of the two the values lie next to each other.
template <bool inner_adjacent, class F>
__device__ __forceinline__ void read_slice(float (&to)[ssd_slice][ssd_tile + 4], int first, int inner, F f) {
  constexpr int each = ssd_slice * ssd_tile / ssd_threads;
  const int t = threadIdx.x;
  float v[each];
#pragma unroll
  for (int e = 0; e < each; e++) {
    const int k = inner_adjacent ? (t & 7) + 8 * (e & 1) : t / ssd_tile + 2 * e;
    const int line = inner_adjacent ? (t >> 3) + 16 * (e >> 1) : t % ssd_tile;
    v[e] = first + k < inner ? f(line, first + k) : 0;
  }
#pragma unroll
  for (int e = 0; e < each; e++) {
    const int k = inner_adjacent ? (t & 7) + 8 * (e & 1) : t / ssd_tile + 2 * e;
    const int line = inner_adjacent ? (t >> 3) + 16 * (e >> 1) : t % ssd_tile;
    to[k][line] = v[e];
  }
}

// add_product: sum[i,j] += Σ a(i, k)·b(j, k) over k = start … inner-1, in this
// order. a and b give 0 for lines that do not exist. All threads must call it.
template <bool a_adjacent, bool b_adjacent, class A, class B>
__device__ __forceinline__ void add_product(ssd_values &sum, ssd_slices &s, int start, int inner, A a, B b) {
  const int row = tile_row(), col = tile_col();
  for (int first = start; first < inner; first += ssd_slice) {
    __syncthreads();  // the slice of before has been used
    read_slice<a_adjacent>(s.a, first, inner, a);
    read_slice<b_adjacent>(s.b, first, inner, b);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < ssd_slice; k++) {
      const float4 low = *reinterpret_cast<const float4 *>(&s.a[k][row]);
      const float4 high = *reinterpret_cast<const float4 *>(&s.a[k][row + 4]);
      const float4 right = *reinterpret_cast<const float4 *>(&s.b[k][col]);
      const float l[tile_high] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
      const float m[tile_wide] = {right.x, right.y, right.z, right.w};
#pragma unroll
      for (int r = 0; r < tile_high; r++)
#pragma unroll
        for (int c = 0; c < tile_wide; c++) sum.v[r][c] += l[r] * m[c];
    }
  }
}

// across sums v over the 16 threads that have the same rows.
__device__ __forceinline__ float across(float v) {
#pragma unroll
  for (int lane = 8; lane > 0; lane >>= 1) v += __shfl_xor_sync(0xffffffffu, v, lane);
  return v;
}
