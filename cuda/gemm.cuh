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
  int64_t m, n, k;
  bool trans_a, trans_b, beta;
};

// gemm_split is how an own kernel shares out the work: a block makes the sums of
// `tile` × `tile` values of C over `depth` of the k products. With one part it
// writes C, else sums[part], an m × n matrix, which gemm_finish then adds in
// their order.
struct gemm_split {
  int tile;  // 128 or 64
  int parts;
  int64_t depth;  // of all parts but the last, a multiple of 32
  float *sums;
};

// gemm_tile is the place of a block in C. Blocks that run at the same time share
// rows of A and columns of B, which the GPU's cache then holds.
struct gemm_tile {
  int64_t row, col;
};
__device__ __forceinline__ gemm_tile gemm_tile_of(unsigned block, int tile, int64_t m, int64_t n) {
  constexpr unsigned tall = 8;  // tiles of a column of C that follow each other
  const unsigned down = static_cast<unsigned>(ceil_div(m, tile)), across = static_cast<unsigned>(ceil_div(n, tile));
  const unsigned group = block / (tall * across), first = group * tall;
  const unsigned height = down - first < tall ? down - first : tall;
  const unsigned inside = block - first * across;
  return {static_cast<int64_t>(first + inside % height) * tile, static_cast<int64_t>(inside / height) * tile};
}

inline dim3 gemm_grid(const gemm_split &s, int64_t m, int64_t n) {
  return dim3(static_cast<unsigned>(ceil_div(m, s.tile) * ceil_div(n, s.tile)), 1, s.parts);
}

// gemm_put writes one sum of a block that is inside of C.
template <class T>
__device__ __forceinline__ void gemm_put(const gemm_task<T> &g, const gemm_split &s, int64_t row, int64_t col, float sum) {
  if (s.parts > 1) {
    s.sums[(blockIdx.z * g.m + row) * g.n + col] = sum;
    return;
  }
  float *c = g.c + row * g.c_stride + col;
  if (g.beta) sum += *c;
  if (g.bias) sum += g.bias[col];
  *c = sum;
}

int gemm_float32(rpg_device *dev, const gemm_task<float> &g, const gemm_split &s);
int gemm_bf16(rpg_device *dev, const gemm_task<uint16_t> &g, const gemm_split &s);

// gemm_round gives both factors of a product in bf16, one after the other at
// `rounded`, with rows of a multiple of 8 values that are aligned to 16 bytes.
// gemm_rounded_bytes is the memory for that.
int gemm_round(rpg_device *dev, const gemm_task<float> &g, void *rounded, gemm_task<uint16_t> *out);
size_t gemm_rounded_bytes(const gemm_task<float> &g);

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
