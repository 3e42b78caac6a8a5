// AdamW with EMA: a thread takes its values through all of it.
#include "adamw.cuh"

static __global__ void __launch_bounds__(threads) adam_w(struct rpg_adam_w a, varying<rpg_adam_w_now> factors) {
  const rpg_adam_w_now f = factors.get();
  const float clip = clip_of(a);
  each_value(a.n, [&](int64_t i) { adam_w_move(a, f, clip, i, &a.m[i], &a.v[i]); });
}

int rpg_adam_w(rpg_device *dev, const struct rpg_adam_w *a) {
  LAUNCH(dev, adam_w, spans(a->n), threads, 0, *a, varying_of(a));
  return 0;
}
