// Products on tensor cores, for one warp: 16×8 sums in float32 += 16×16 times
// 16×8 numbers in bf16. The shim has plain bodies of the same functions.
//
// With g = lane/4 and t = lane%4, a lane holds
//   of a left tile   [16×16]: v[0] (g, 2t..2t+1), v[1] (g+8, 2t..), v[2] (g, 2t+8..), v[3] (g+8, 2t+8..);
//   of a right tile  [16×16]: v[0] (2t..2t+1, g), v[1] (2t+8.., g), v[2] (2t.., g+8), v[3] (2t+8.., g+8);
//   of the sums      [16×8]:  v[0..1] (g, 2t..2t+1), v[2..3] (g+8, 2t..2t+1).
// The right tile is two of 16×8, side by side: v[0..1] and v[2..3].
#pragma once

#include <string.h>

#include "common.cuh"

typedef uint16_t bf16_t;  // the upper half of a float32

struct warp_tile {  // a left or a right tile
  uint32_t v[4];
};
struct warp_sums {
  float v[4];
};

// bf16_pair rounds to the nearest, ties to even; `first` has the lower address.
__device__ __forceinline__ uint32_t bf16_pair(float first, float second) {
#ifdef __CUDACC__
  uint32_t pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(second), "f"(first));
  return pair;
#else
  const auto round = [](float v) -> uint32_t {
    uint32_t b;
    memcpy(&b, &v, sizeof b);
    if (v != v) return 0x7fff;
    return (b + 0x7fff + (b >> 16 & 1)) >> 16;
  };
  return round(second) << 16 | round(first);
#endif
}

__device__ __forceinline__ float bf16_number(bf16_t v) {
  const uint32_t bits = static_cast<uint32_t>(v) << 16;
  float wide;
  memcpy(&wide, &bits, sizeof wide);
  return wide;
}

// load_tile loads four matrices of 8×8: lane l gives the address of row l%8 of
// matrix l/8, shared memory aligned to 16 bytes, and gets of matrix i the pair
// (g, 2t..2t+1) as v[i]. load_tile_transposed gets (2t..2t+1, g) instead.
// tile_spot says which addresses make a tile of them.
__device__ __forceinline__ warp_tile load_tile(const bf16_t *row) {
  warp_tile t;
#ifdef __CUDACC__
  const uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(t.v[0]), "=r"(t.v[1]), "=r"(t.v[2]), "=r"(t.v[3])
               : "r"(at)
               : "memory");
#else
  if (reinterpret_cast<uintptr_t>(row) % 16) shim::die("a row of a tile is not aligned to 16 bytes", __FILE__, __LINE__);
  const uint64_t *rows = shim::meet(0xffffffffu, shim::bits(row), __FILE__, __LINE__);
  const int g = shim::place->lane / 4, k = shim::place->lane % 4;
  for (int i = 0; i < 4; i++) {
    const bf16_t *from = reinterpret_cast<const bf16_t *>(rows[8 * i + g]) + 2 * k;
    t.v[i] = uint32_t(from[1]) << 16 | from[0];
  }
  __syncwarp();  // as no lane goes on before all have loaded
#endif
  return t;
}

__device__ __forceinline__ warp_tile load_tile_transposed(const bf16_t *row) {
  warp_tile t;
#ifdef __CUDACC__
  const uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(t.v[0]), "=r"(t.v[1]), "=r"(t.v[2]), "=r"(t.v[3])
               : "r"(at)
               : "memory");
#else
  if (reinterpret_cast<uintptr_t>(row) % 16) shim::die("a row of a tile is not aligned to 16 bytes", __FILE__, __LINE__);
  const uint64_t *rows = shim::meet(0xffffffffu, shim::bits(row), __FILE__, __LINE__);
  const int g = shim::place->lane / 4, k = shim::place->lane % 4;
  for (int i = 0; i < 4; i++) {
    const bf16_t *first = reinterpret_cast<const bf16_t *>(rows[8 * i + 2 * k]);
    const bf16_t *second = reinterpret_cast<const bf16_t *>(rows[8 * i + 2 * k + 1]);
    t.v[i] = uint32_t(second[g]) << 16 | first[g];
  }
  __syncwarp();
#endif
  return t;
}

// tile_spot is the row and the column, in steps of 8 values, whose address this
// lane gives for a 16×16 tile of a matrix in shared memory:
//   a left tile of M×K rows, load_tile:              by_rows
//   a left tile of K×M rows, load_tile_transposed:   by_columns
//   a right tile of N×K rows, load_tile:             by_columns
//   a right tile of K×N rows, load_tile_transposed:  by_rows
struct tile_spot {
  int row, step;
};
__device__ __forceinline__ tile_spot by_rows(int lane) { return {lane & 15, lane >> 4}; }
__device__ __forceinline__ tile_spot by_columns(int lane) { return {(lane & 7) + (lane >> 4) * 8, lane >> 3 & 1}; }

// multiply_add: sums += left · right, with right[0..1] of one half of a right tile.
__device__ __forceinline__ void multiply_add(warp_sums &sums, const warp_tile &left, const uint32_t *right) {
#ifdef __CUDACC__
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(sums.v[0]), "+f"(sums.v[1]), "+f"(sums.v[2]), "+f"(sums.v[3])
               : "r"(left.v[0]), "r"(left.v[1]), "r"(left.v[2]), "r"(left.v[3]), "r"(right[0]), "r"(right[1]));
#else
  const auto wide = [](uint64_t bits, int at) {
    const uint32_t b = static_cast<uint32_t>(bits >> 16 * at) << 16;
    float v;
    memcpy(&v, &b, sizeof v);
    return v;
  };
  const int g = shim::place->lane / 4, t = shim::place->lane % 4;
  float l[2][16], r[2][16];  // two rows and two columns
  for (int half = 0; half < 2; half++) {
    const uint64_t own = uint64_t(left.v[half + 2]) << 32 | left.v[half];
    const uint64_t *all = shim::meet(0xffffffffu, own, __FILE__, __LINE__);
    for (int k = 0; k < 16; k++) l[half][k] = wide(all[4 * g + k % 8 / 2], k / 8 * 2 + k % 2);
  }
  const uint64_t own = uint64_t(right[1]) << 32 | right[0];
  const uint64_t *all = shim::meet(0xffffffffu, own, __FILE__, __LINE__);
  for (int col = 0; col < 2; col++)
    for (int k = 0; k < 16; k++) r[col][k] = wide(all[4 * (2 * t + col) + k % 8 / 2], k / 8 * 2 + k % 2);
  for (int i = 0; i < 4; i++)
    for (int k = 0; k < 16; k++) sums.v[i] += l[i / 2][k] * r[i % 2][k];
#endif
}

// swizzled is where step `step` (8 values) of row `row` lies in a tile in shared
// memory with `steps` of them in a row, 4 or a multiple of 8: in steps. The steps
// that one load_tile or 8 neighbouring copies touch are in different banks.
template <int steps>
__device__ __forceinline__ int swizzled(int row, int step) {
  static_assert(steps == 4 || steps % 8 == 0, "no order without conflicts of banks is known");
  return row * steps + (step ^ (steps == 4 ? row >> 1 & 3 : row & 7));
}

// copy_async copies 16 bytes into shared memory without waiting: `bytes` of
// them, 0 to 16, and zeros for the rest. Both addresses are aligned to 16.
// copy_wait<n> waits until all but the last n groups that this thread ended with
// copy_commit are there; other threads see them after a barrier.
__device__ __forceinline__ void copy_async(void *shared, const void *from, int bytes) {
#ifdef __CUDACC__
  const uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(bytes) : "memory");
#else
  const uintptr_t both = reinterpret_cast<uintptr_t>(shared) | reinterpret_cast<uintptr_t>(from);
  if (both % 16) shim::die("copy_async of addresses that are not aligned to 16 bytes", __FILE__, __LINE__);
  unsigned char *to = static_cast<unsigned char *>(shared);
  for (int i = 0; i < 16; i++) to[i] = i < bytes ? static_cast<const unsigned char *>(from)[i] : 0;
#endif
}

__device__ __forceinline__ void copy_commit() {
#ifdef __CUDACC__
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

template <int n>
__device__ __forceinline__ void copy_wait() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory");
#endif
}
