// The squared sum in float64: each block sums its piece, then one block sums
// the blocks' sums. Which values are added in which order depends on n alone.
#include "common.cuh"

static constexpr int64_t piece = 32 * threads;  // values of one block

static __global__ void __launch_bounds__(threads) squares(const float *x, int64_t n, double *sums) {
  const int64_t first = blockIdx.x * piece, end = first + piece < n ? first + piece : n;
  double sum = 0;
  for (int64_t i = first + threadIdx.x; i < end; i += threads) {
    const double v = x[i];
    sum += v * v;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

static __global__ void __launch_bounds__(threads) total(const double *sums, int64_t count, float *dst) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += threads) sum += sums[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *dst = static_cast<float>(sum);
}

int rpg_squared_sum(rpg_device *dev, const struct rpg_squared_sum *a) {
  const int64_t pieces = ceil_div(a->n, piece);
  void *space;
  if (int bad = rpg_workspace(dev, pieces * sizeof(double), &space)) return bad;
  double *sums = static_cast<double *>(space);
  LAUNCH(dev, squares, dim3(pieces), threads, 0, a->x, a->n, sums);
  LAUNCH(dev, total, 1, threads, 0, sums, pieces, a->dst);
  return 0;
}
