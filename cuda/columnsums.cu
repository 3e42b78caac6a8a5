// Column sums: a block takes `wide` columns of a piece of the rows, 8 rows at a
// time; then the sums of the pieces are added in their order. Few values are
// added in float32, as GPUs are slow in float64; the rest in float64.
#include "rows.cuh"

static constexpr int wide = 32, tall = 8;
static constexpr int short_sum = 16;                      // values added in float32
static constexpr int64_t piece = 2 * short_sum * tall;    // rows of one block

static __global__ void __launch_bounds__(wide * tall) sum_pieces(struct rpg_matrix x, double *sums) {
  SHARED(part, double[tall][wide]);
  const int64_t col = static_cast<int64_t>(blockIdx.x) * wide + threadIdx.x;
  const int64_t end = (blockIdx.y + 1) * piece < x.rows ? (blockIdx.y + 1) * piece : x.rows;
  double sum = 0;
  if (col < x.cols) {
    for (int64_t row = blockIdx.y * piece + threadIdx.y; row < end;) {
      float few = 0;
      for (int k = 0; k < short_sum && row < end; k++, row += tall) few += x.data[row * x.stride + col];
      sum += few;
    }
  }
  part[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || col >= x.cols) return;
  for (int k = 1; k < tall; k++) sum += part[k][threadIdx.x];
  sums[blockIdx.y * x.cols + col] = sum;
}

int rpg_column_sums(rpg_device *dev, const struct rpg_column_sums *a) {
  const int64_t pieces = ceil_div(a->x.rows, piece);
  void *space;
  if (int bad = rpg_workspace(dev, pieces * a->x.cols * sizeof(double), &space)) return bad;
  double *sums = static_cast<double *>(space);
  LAUNCH(dev, sum_pieces, dim3(ceil_div(a->x.cols, wide), pieces), dim3(wide, tall), 0, a->x, sums);
  LAUNCH(dev, add_rows<double>, dim3(ceil_div(a->x.cols, threads)), threads, 0, sums, pieces, a->x.cols, a->dst);
  return 0;
}
