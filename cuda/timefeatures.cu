// TimeFeatures: a thread takes one frequency of a run of rows. The number of turns
// is float64, so that angles of many turns lose nothing; what is left of the last
// turn is exact enough in float32.
#include "common.cuh"

static constexpr int run = 16;  // rows of a thread

static __global__ void __launch_bounds__(threads) time_features(struct rpg_time_features a) {
  const int64_t half = a.y.cols / 2;
  const int64_t groups = ceil_div(half, threads);
  const int64_t k = blockIdx.x % groups * threads + threadIdx.x, first = blockIdx.x / groups * run;
  if (k >= half) return;
  // of half a turn, as sincospif counts
  const double frequency = pow(10000.0, -static_cast<double>(k) / static_cast<double>(half)) * 0.31830988618379067154;
  for (int64_t i = first; i < first + run && i < a.y.rows; i++) {
    const double angle = a.t[i] * frequency;
    float sine, cosine;
    sincospif(static_cast<float>(angle - 2 * rint(0.5 * angle)), &sine, &cosine);
    float *row = a.y.data + i * a.y.stride;
    row[k] = cosine;
    row[half + k] = sine;
  }
}

int rpg_time_features(rpg_device *dev, const struct rpg_time_features *a) {
  LAUNCH(dev, time_features, dim3(ceil_div(a->y.cols / 2, threads) * ceil_div(a->y.rows, run)), threads, 0, *a);
  return 0;
}
