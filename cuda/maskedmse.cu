// MaskedMSE: one block counts the valid values, then all blocks make their part of
// the gradient and of the sum, then one block adds the parts.
#include "rows.cuh"

static constexpr int each = 16;  // neighbouring values of a lane, 32 apart

static __global__ void __launch_bounds__(threads) count_valid(struct rpg_masked_mse a, int64_t *count, int *fault) {
  int64_t sum = 0;
  for (int64_t i = threadIdx.x; i < a.pred.rows; i += threads) {
    const int v = a.valid[i];
    if (v < 0 || v > a.pred.cols) raise(fault, RPG_E_VALID);
    sum += v;
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) *count = sum > 1 ? sum : 1;
}

static __global__ void __launch_bounds__(threads) differences(struct rpg_masked_mse a, const int64_t *count, double *sums) {
  const float factor = static_cast<float>(2 / static_cast<double>(*count));
  double sum = 0;
  each_cell<each>(a.pred.rows, a.pred.cols, [&](int64_t i, int64_t j) {
    float gradient = 0;
    if (j < a.valid[i]) {
      const float difference = a.pred.data[i * a.pred.stride + j] - a.target.data[i * a.target.stride + j];
      gradient = factor * difference;
      sum += static_cast<double>(difference) * static_cast<double>(difference);
    }
    a.dpred.data[i * a.dpred.stride + j] = gradient;
  });
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

static __global__ void __launch_bounds__(threads) total(const int64_t *count, const double *sums, int64_t blocks, float *loss) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < blocks; i += threads) sum += sums[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *loss = static_cast<float>(sum / static_cast<double>(*count));
}

int rpg_masked_mse(rpg_device *dev, const struct rpg_masked_mse *a) {
  const dim3 blocks = cells<each>(a->pred.rows, a->pred.cols);
  void *space;
  if (int bad = rpg_workspace(dev, (1 + static_cast<size_t>(blocks.x)) * sizeof(double), &space)) return bad;
  int64_t *count = static_cast<int64_t *>(space);
  double *sums = static_cast<double *>(space) + 1;
  LAUNCH(dev, count_valid, 1, threads, 0, *a, count, dev->fault);
  LAUNCH(dev, differences, blocks, threads, 0, *a, count, sums);
  LAUNCH(dev, total, 1, threads, 0, count, sums, static_cast<int64_t>(blocks.x), a->loss);
  return 0;
}
