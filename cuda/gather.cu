// Gather: blockIdx.x is the row, blockIdx.y the span of columns.
#include "common.cuh"

static __global__ void __launch_bounds__(threads) gather(struct rpg_gather a, int *fault) {
  const int64_t to = blockIdx.x, from = a.rows[to];
  if (from < 0 || from >= a.src.rows) {
    raise(fault, RPG_E_ROW);
    return;
  }
  float *out = a.dst.data + to * a.dst.stride;
  const float *in = a.src.data + from * a.src.stride;
  const int64_t first = static_cast<int64_t>(blockIdx.y) * span;
  const int64_t end = first + span < a.dst.cols ? first + span : a.dst.cols;
  for (int64_t j = first + threadIdx.x; j < end; j += threads) out[j] = a.beta ? out[j] + in[j] : in[j];
}

int rpg_gather(rpg_device *dev, const struct rpg_gather *a) {
  LAUNCH(dev, gather, dim3(a->dst.rows, ceil_div(a->dst.cols, span)), threads, 0, *a, dev->fault);
  return 0;
}
