#include "rows.cuh"

static __global__ void __launch_bounds__(threads) diffuse(struct rpg_diffuse d) {
  each_cell<4>(d.x0.rows, d.x0.cols, [&](int64_t i, int64_t j) {
    const float a = d.a[i], b = d.b[i];
    const float clean = d.x0.data[i * d.x0.stride + j], noise = d.eps.data[i * d.eps.stride + j];
    d.xt.data[i * d.xt.stride + j] = a * clean + b * noise;
    float goal = noise;
    if (d.prediction == RPG_PREDICT_V) goal = a * noise - b * clean;
    if (d.prediction == RPG_PREDICT_X0) goal = clean;
    d.target.data[i * d.target.stride + j] = goal;
  });
}

int rpg_diffuse(rpg_device *dev, const struct rpg_diffuse *a) {
  LAUNCH(dev, diffuse, cells<4>(a->x0.rows, a->x0.cols), threads, 0, *a);
  return 0;
}
