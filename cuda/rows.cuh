// What operations on the rows of a matrix share.
#pragma once

#include "common.cuh"

// A row is taken by a team of threads: a warp where it is short, else a block.
// Nothing of it is kept between two passes: the second one finds it in a cache.
constexpr int64_t short_row = 1024;

// LAUNCH_ROWS(dev, kernel, rows, cols, arguments...) starts kernel<team>.
#define LAUNCH_ROWS(dev, kernel, rows, cols, ...)                                               \
  do {                                                                                          \
    if ((cols) <= short_row)                                                                    \
      LAUNCH(dev, (kernel<32>), dim3(ceil_div(rows, threads / 32)), threads, 0, __VA_ARGS__);   \
    else                                                                                        \
      LAUNCH(dev, (kernel<threads>), dim3(rows), threads, 0, __VA_ARGS__);                      \
  } while (0)

template <int team>
__device__ __forceinline__ int64_t row_of_team() {
  return static_cast<int64_t>(blockIdx.x) * (threads / team) + threadIdx.x / team;
}

template <int team>
__device__ __forceinline__ int place_in_team() {
  return threadIdx.x % team;
}

template <int team, class T>
__device__ __forceinline__ T team_sum(T v) {
  if constexpr (team == 32)
    return warp_sum(v);
  else
    return block_sum(v);
}

// row_sum gives the whole team Σ_j f(j): few values are added in float32, as GPUs
// are slow in float64, the rest in float64.
template <int team, class F>
__device__ __forceinline__ double row_sum(int64_t cols, F f) {
  double sum = 0;
  for (int64_t j = place_in_team<team>(); j < cols;) {
    float few = 0;
    for (int k = 0; k < 16 && j < cols; k++, j += team) few += f(j);
    sum += few;
  }
  return team_sum<team>(sum);
}

// inverse_root is 1/sqrt(squares/n + eps).
__device__ __forceinline__ float inverse_root(double squares, int64_t n, float eps) {
  return static_cast<float>(1 / sqrt(squares / static_cast<double>(n) + static_cast<double>(eps)));
}

__device__ __forceinline__ float sigmoid(float v) { return 1 / (1 + expf(-v)); }

// add_rows: dst[j] += Σ_i sums[i,j], a thread for each column, in float64.
template <class T>
static __global__ void __launch_bounds__(threads) add_rows(const T *sums, int64_t rows, int64_t cols, float *dst) {
  const int64_t col = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x;
  if (col >= cols) return;
  double sum = dst[col];
  for (int64_t row = 0; row < rows; row++) sum += sums[row * cols + col];
  dst[col] = static_cast<float>(sum);
}

// ---- values of a matrix, one by one --------------------------------------------

// each_cell calls f(row, col) for the values of this block: a warp takes
// 32·each neighbouring ones of a row.
template <int each, class F>
__device__ __forceinline__ void each_cell(int64_t rows, int64_t cols, F f) {
  const unsigned pieces = static_cast<unsigned>(ceil_div(cols, 32 * each));
  const unsigned piece = blockIdx.x * (threads / 32) + (threadIdx.x >> 5);
  const int64_t row = piece / pieces, first = static_cast<int64_t>(piece % pieces) * (32 * each) + (threadIdx.x & 31);
  if (row >= rows) return;
#pragma unroll
  for (int k = 0; k < each; k++)
    if (first + 32 * k < cols) f(row, first + 32 * k);
}

template <int each>
dim3 cells(int64_t rows, int64_t cols) {
  return dim3(static_cast<unsigned>(ceil_div(rows * ceil_div(cols, 32 * each), threads / 32)));
}
