// SiLU and its derivative: with s = 1/(1+exp(-x)), SiLU(x) = x·s and
// SiLU'(x) = s·(1 + x·(1-s)).
#include "common.cuh"

static __global__ void __launch_bounds__(threads) silu(struct rpg_silu a) {
  each_value(a.n, [&](int64_t i) { a.y[i] = a.x[i] / (1 + expf(-a.x[i])); });
}

int rpg_silu(rpg_device *dev, const struct rpg_silu *a) {
  LAUNCH(dev, silu, spans(a->n), threads, 0, *a);
  return 0;
}

static __global__ void __launch_bounds__(threads) silu_backward(struct rpg_silu_backward a) {
  each_value(a.n, [&](int64_t i) {
    const float x = a.x[i], s = 1 / (1 + expf(-x));
    a.dx[i] = a.dy[i] * s * (1 + x * (1 - s));
  });
}

int rpg_silu_backward(rpg_device *dev, const struct rpg_silu_backward *a) {
  LAUNCH(dev, silu_backward, spans(a->n), threads, 0, *a);
  return 0;
}
