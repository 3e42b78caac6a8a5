// AdamW with EMA: a thread takes its values through all of it. The clip factor is
// the same for all and is computed by every thread.
#include "common.cuh"

static __global__ void __launch_bounds__(threads) adam_w(struct rpg_adam_w a, varying<rpg_adam_w_now> factors) {
  const rpg_adam_w_now f = factors.get();
  float clip = 1;
  if (a.norm) {
    const double fits = static_cast<double>(a.max_norm) / (sqrt(static_cast<double>(*a.norm)) + 1e-6);
    clip = fits < 1 ? static_cast<float>(fits) : 1;
    if (fits != fits) clip = static_cast<float>(fits);  // a gradient that is not a number stays one
  }
  each_value(a.n, [&](int64_t i) {
    const float g = a.g[i] * clip;
    const float m = a.m[i] + a.new1 * (g - a.m[i]), v = a.v[i] + a.new2 * (g * g - a.v[i]);
    const float p = f.keep * a.p[i] - f.rate * m / (f.root * sqrtf(v) + a.eps);
    a.m[i] = m;
    a.v[i] = v;
    a.p[i] = p;
    if (a.ema) a.ema[i] += f.new_ema * (p - a.ema[i]);
  });
}

int rpg_adam_w(rpg_device *dev, const struct rpg_adam_w *a) {
  LAUNCH(dev, adam_w, spans(a->n), threads, 0, *a, varying_of(a));
  return 0;
}
