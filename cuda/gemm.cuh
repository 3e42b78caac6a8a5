// What the files of rpg_gemm share: gemm.cu chooses, gemm_float32.cu and
// gemm_bf16.cu hold the own kernels, cublas.cu asks cuBLASLt.
#pragma once

#include "common.cuh"

// gemm_factor is op(A) or op(B) before op: values of type T, row after row.
template <class T>
struct gemm_factor {
  const T *data;
  int64_t rows, cols, stride;
};

// gemm_task is C [m, n] = beta·C + op(A)·op(B) + bias with k products a sum.
template <class T>
struct gemm_task {
  float *c;
  int64_t c_stride;
  gemm_factor<T> a, b;
  const float *bias;  // may be null
  int m, n, k;        // at most gemm_longest
  bool trans_a, trans_b, beta;
  bool rounded_b;     // of gemm_task<float>: what b.data points to is bf16
};

constexpr int64_t gemm_longest = (1LL << 31) - 256;  // so that places in tiles are ints

// gemm_split is how an own kernel shares out the work: a block makes the sums of
// `tile` × `tile` values of C over `depth` of the k products. With one part it
// writes C, else sums[part], an m × n matrix, which gemm_finish then adds in
// their order.
struct gemm_split {
  int tile;  // 128 or 64
  int parts;
  int depth;  // of all parts but the last, a multiple of 32
  float *sums;
  bool aligned;  // 4 neighbouring values of C, or of sums, are written at once
};

// gemm_tile is the place of a block in C. Blocks that run at the same time share
// rows of A and columns of B, which the GPU's cache then holds.
struct gemm_tile {
  int row, col;
};
__device__ __forceinline__ gemm_tile gemm_tile_of(unsigned block, unsigned tile, unsigned m, unsigned n) {
  constexpr unsigned tall = 8;  // tiles of a column of C that follow each other
  const unsigned down = (m + tile - 1) / tile, across = (n + tile - 1) / tile;
  const unsigned group = block / (tall * across), first = group * tall;
  const unsigned height = down - first < tall ? down - first : tall;
  const unsigned inside = block - first * across;
  return {static_cast<int>((first + inside % height) * tile), static_cast<int>(inside / height * tile)};
}

inline dim3 gemm_grid(const gemm_split &s, int m, int n) {
  return dim3(static_cast<unsigned>(ceil_div(m, s.tile) * ceil_div(n, s.tile)), 1, s.parts);
}

template <int count>
struct alignas(4 * count) gemm_values {
  float v[count];
};

// gemm_put writes neighbouring sums of a row, as far as they are inside of C. col
// is a multiple of their count.
template <int count, class T>
__device__ __forceinline__ void gemm_put(const gemm_task<T> &g, const gemm_split &s, int row, int col, gemm_values<count> sums) {
  if (row >= g.m) return;
  const bool last = s.parts == 1;
  float *to = last ? g.c + row * g.c_stride + col : s.sums + (static_cast<int64_t>(blockIdx.z) * g.m + row) * g.n + col;
  if (s.aligned && col + count <= g.n) {
    if (last && g.beta) {
      const gemm_values<count> old = *reinterpret_cast<const gemm_values<count> *>(to);
#pragma unroll
      for (int i = 0; i < count; i++) sums.v[i] += old.v[i];
    }
#pragma unroll
    for (int i = 0; i < count; i++) sums.v[i] += last && g.bias ? g.bias[col + i] : 0;
    *reinterpret_cast<gemm_values<count> *>(to) = sums;
    return;
  }
#pragma unroll
  for (int i = 0; i < count; i++) {
    if (col + i >= g.n) break;
    float sum = sums.v[i];
    if (last && g.beta) sum += to[i];
    if (last && g.bias) sum += g.bias[col + i];
    to[i] = sum;
  }
}

int gemm_float32(rpg_device *dev, const gemm_task<float> &g, const gemm_split &s);
int gemm_bf16(rpg_device *dev, const gemm_task<uint16_t> &g, const gemm_split &s);

// gemm_rounded is g with both factors in bf16, one after the other in memory of
// gemm_rounded_bytes at `to`: rows of a multiple of 8 values, aligned to 16 bytes.
// gemm_round writes them there. A factor that is bf16 and lies so stays where it is.
size_t gemm_rounded_bytes(const gemm_task<float> &g);
gemm_task<uint16_t> gemm_rounded(const gemm_task<float> &g, void *to);
int gemm_round(rpg_device *dev, const gemm_task<float> &g, const gemm_task<uint16_t> &rounded);

// ---- cuBLASLt -----------------------------------------------------------------

// blas_open looks for cuBLASLt on the machine. $RPG_CUDA_BLAS may be "own", which
// does not look, or "lt", which fails without it; $RPG_CUBLASLT is its path.
int blas_open(rpg_device *dev);
void blas_close(rpg_device *dev);

// blas_plan is a product of some shape and what cuBLASLt would do about it.
struct blas_plan;
// blas_find returns null when cuBLASLt is not there or does not do the product:
// then the own kernels do it. bytes is the workspace it needs.
template <class T>
blas_plan *blas_find(rpg_device *dev, const gemm_task<T> &g, size_t *bytes);
// blas_run queues the product and says whether cuBLASLt took it.
template <class T>
bool blas_run(rpg_device *dev, blas_plan *plan, const gemm_task<T> &g, void *workspace);
