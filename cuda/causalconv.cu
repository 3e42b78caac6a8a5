#include "causalconv.cuh"

static constexpr int length = 16;  // rows of a run

template <int most>
static __global__ void __launch_bounds__(conv_threads) causal_conv(struct rpg_causal_conv a) {
  const conv_run at = conv_run_of(a.x.cols, a.l, length);
  if (at.c >= a.x.cols) return;
  const float *in = a.x.data + at.row0 * a.x.stride + at.c;
  float *out = a.y.data + at.row0 * a.y.stride + at.c;
  conv_window<most> window;
  window.start(a, at, in);
  const int64_t end = at.l0 + length < a.l ? at.l0 + length : a.l;
#pragma unroll 4
  for (int64_t l = at.l0; l < end; l++) {
    window.next(in[l * a.x.stride], a.k);
    const float p = window.linear();
    out[l * a.y.stride] = p / (1 + expf(-p));
  }
}

int rpg_causal_conv(rpg_device *dev, const struct rpg_causal_conv *a) {
  LAUNCH_TAPS(dev, causal_conv, conv_blocks(a->n * ceil_div(a->l, length), a->x.cols), a->k, *a);
  return 0;
}
