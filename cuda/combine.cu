#include "common.cuh"

static __global__ void __launch_bounds__(threads) combine(struct rpg_combine a, varying<rpg_combine_now> factors) {
  const rpg_combine_now f = factors.get();
  each_value(a.n, [&](int64_t i) {
    float v = f.a * a.x[i];
    if (a.y) v += f.b * a.y[i];
    if (a.z) v += f.c * a.z[i];
    a.dst[i] = v;
  });
}

int rpg_combine(rpg_device *dev, const struct rpg_combine *a) {
  LAUNCH(dev, combine, spans(a->n), threads, 0, *a, varying_of(a));
  return 0;
}
