// ScatterAdd: blockIdx.x is a row of dst, blockIdx.y a group of `wide` columns. A block
// looks through all row numbers, `threads` at a time, lists those that are its own in
// their order, and adds their rows one after another. Most rows of a window have none,
// so that a block has many columns, and writes where there is something to add.
#include "common.cuh"

static constexpr int wide = 8 * threads;

static __global__ void __launch_bounds__(threads) scatter_add(struct rpg_scatter_add a, int *fault) {
  SHARED(mine, int[threads]);           // of these row numbers, in order
  SHARED(count, int[threads / 32]);     // of each warp
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int64_t left = static_cast<int64_t>(blockIdx.y) * wide, right = left + wide < a.dst.cols ? left + wide : a.dst.cols;
  float *out = a.dst.data + blockIdx.x * a.dst.stride;
  for (int64_t first = 0; first < a.src.rows; first += threads) {
    const int64_t i = first + threadIdx.x;
    const int64_t row = i < a.src.rows ? a.rows[i] : -1;
    if (i < a.src.rows && (row < 0 || row >= a.dst.rows)) raise(fault, RPG_E_ROW);
    const unsigned found = __ballot_sync(0xffffffffu, row == static_cast<int64_t>(blockIdx.x));
    if (lane == 0) count[warp] = __popc(found);
    __syncthreads();  // after it none still reads the lists of before
    int before = 0, all = 0;
    for (int w = 0; w < threads / 32; w++) {
      if (w < warp) before += count[w];
      all += count[w];
    }
    if (found >> lane & 1) mine[before + __popc(found & ((1u << lane) - 1))] = threadIdx.x;
    __syncthreads();
    for (int64_t col = left + threadIdx.x; all > 0 && col < right; col += threads) {
      float sum = out[col];
      for (int k = 0; k < all; k++) sum += a.src.data[(first + mine[k]) * a.src.stride + col];
      out[col] = sum;
    }
  }
}

int rpg_scatter_add(rpg_device *dev, const struct rpg_scatter_add *a) {
  LAUNCH(dev, scatter_add, dim3(a->dst.rows, ceil_div(a->dst.cols, wide)), threads, 0, *a, dev->fault);
  return 0;
}
