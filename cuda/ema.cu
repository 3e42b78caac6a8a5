#include "common.cuh"

static __global__ void __launch_bounds__(threads) ema(struct rpg_ema a, varying<rpg_ema_now> factors) {
  const float decay = factors.get().decay;
  const float rest = static_cast<float>(1 - static_cast<double>(decay));
  each_value(a.n, [&](int64_t i) { a.ema[i] = decay * a.ema[i] + rest * a.p[i]; });
}

int rpg_ema(rpg_device *dev, const struct rpg_ema *a) {
  LAUNCH(dev, ema, spans(a->n), threads, 0, *a, varying_of(a));
  return 0;
}
