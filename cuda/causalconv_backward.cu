// The backward pass of CausalConv. With dp the gradient before SiLU, a run adds up
// what its own rows give to dbias and dw; for dx of its last rows it computes dp of
// the rows after it once more. The sums of the runs are then added in their order.
#include "causalconv.cuh"

static constexpr int length = 32;  // rows of a run

template <int most>
static __global__ void __launch_bounds__(conv_threads)
    causal_conv_backward(struct rpg_causal_conv_backward b, float *sums) {
  const struct rpg_causal_conv &a = b.forward;
  const conv_run at = conv_run_of(a.x.cols, a.l, length);
  if (at.c >= a.x.cols) return;
  const float *in = a.x.data + at.row0 * a.x.stride + at.c;
  const float *dy = b.dy.data + at.row0 * b.dy.stride + at.c;
  float *dx = b.dx.data + at.row0 * b.dx.stride + at.c;
  // Rows before the sequence count from -(k - 1) up, in the place of its first run.
  const int64_t earliest = at.l0 == 0 && b.dbefore.data ? 1 - a.k : at.l0;
  conv_window<most> window;
  window.start(a, at, in);
  float dw[most] = {}, dp[most] = {}, dbias = 0;  // dp: that of the row `back` rows before
  const int64_t end = at.l0 + length;
#pragma unroll 4
  for (int64_t l = at.l0; l < end + most - 1; l++) {
#pragma unroll
    for (int back = most - 1; back > 0; back--) dp[back] = dp[back - 1];
    dp[0] = 0;
    if (l < a.l) {
      window.next(in[l * a.x.stride], a.k);
      const float p = window.linear(), s = 1 / (1 + expf(-p));
      dp[0] = dy[l * b.dy.stride] * s * (1 + p * (1 - s));
      if (l < end) {
        dbias += dp[0];
#pragma unroll
        for (int back = 0; back < most; back++) dw[back] += dp[0] * window.x[back];
      }
    }
    const int64_t to = l - (most - 1);
    if (to < earliest || to >= a.l) continue;
    float v = 0;
#pragma unroll
    for (int back = 0; back < most; back++) v += window.tap[back] * dp[most - 1 - back];
    if (to >= 0)
      dx[to * b.dx.stride] = v;
    else
      b.dbefore.data[((at.sequence + 1) * (a.k - 1) + to) * b.dbefore.stride + at.c] = v;
  }
  float *sum = sums + at.run * (1 + a.k) * a.x.cols + at.c;
  *sum = dbias;
#pragma unroll
  for (int back = 0; back < most; back++)
    if (back < a.k) sum[(a.k - back) * a.x.cols] = dw[back];
}

// blockIdx.y is 0 for dbias, else 1 + the tap.
static __global__ void __launch_bounds__(conv_threads)
    add_runs(struct rpg_causal_conv_backward b, const float *sums, int64_t runs) {
  const int64_t channels = b.forward.x.cols, taps = b.forward.k;
  const int64_t c = static_cast<int64_t>(blockIdx.x) * conv_threads + threadIdx.x;
  if (c >= channels) return;
  float *to = blockIdx.y == 0 ? b.dbias + c : b.dw + c * taps + blockIdx.y - 1;
  double sum = *to;
  for (int64_t run = 0; run < runs; run++) sum += sums[(run * (1 + taps) + blockIdx.y) * channels + c];
  *to = static_cast<float>(sum);
}

int rpg_causal_conv_backward(rpg_device *dev, const struct rpg_causal_conv_backward *b) {
  const struct rpg_causal_conv *a = &b->forward;
  const int64_t runs = a->n * ceil_div(a->l, length);
  void *space;
  if (int bad = rpg_workspace(dev, runs * (1 + a->k) * a->x.cols * sizeof(float), &space)) return bad;
  float *sums = static_cast<float *>(space);
  LAUNCH_TAPS(dev, causal_conv_backward, conv_blocks(runs, a->x.cols), a->k, *b, sums);
  LAUNCH(dev, add_runs, dim3(ceil_div(a->x.cols, conv_threads), 1 + a->k), conv_threads, 0, *b, sums, runs);
  return 0;
}
