// LSTM and its backward pass: a launch for each token. W is read once a token, for
// up to 8 sequences together. A sum's order depends on M alone.
#include "rows.cuh"

static constexpr int together = 8;  // sequences
static constexpr int warps = threads / 32;

// start_of gives h or c before the first token, null where they are 0.
static __device__ __forceinline__ const float *start_of(const struct rpg_lstm &a, int64_t seq, int which) {
  return a.start ? a.start + (2 * seq + which) * a.m : nullptr;
}

// A warp takes one unit: the 4 products of h with its rows of W.
static __global__ void __launch_bounds__(threads) lstm_token(struct rpg_lstm a, int64_t token) {
  const int64_t unit = static_cast<int64_t>(blockIdx.x) * warps + threadIdx.x / 32, first = static_cast<int64_t>(blockIdx.y) * together;
  const int lane = threadIdx.x % 32;
  if (unit >= a.m) return;
  const float *h[together];
  float sums[4][together] = {};
#pragma unroll
  for (int s = 0; s < together; s++) {
    const int64_t seq = first + s < a.n ? first + s : a.n - 1;  // the last one again, for nothing
    h[s] = token > 0 ? a.h.data + (seq * a.l + token - 1) * a.h.stride : start_of(a, seq, 0);
  }
  if (h[0]) {
    for (int64_t k = lane; k < a.m; k += 32) {
      float w[4];
#pragma unroll
      for (int gate = 0; gate < 4; gate++) w[gate] = a.w[(gate * a.m + unit) * a.m + k];
#pragma unroll
      for (int s = 0; s < together; s++) {
        const float v = h[s][k];
#pragma unroll
        for (int gate = 0; gate < 4; gate++) sums[gate][s] += w[gate] * v;
      }
    }
  }
#pragma unroll
  for (int s = 0; s < together; s++) {
    float sum[4];
#pragma unroll
    for (int gate = 0; gate < 4; gate++) sum[gate] = warp_sum(sums[gate][s]);
    const int64_t seq = first + s;
    if (lane != s || seq >= a.n) continue;
    const int64_t row = seq * a.l + token;
    float *gates = a.gates.data + row * a.gates.stride + unit;
    const float in = sigmoid(gates[0] + sum[0]), forget = sigmoid(gates[a.m] + sum[1]);
    const float news = tanhf(gates[2 * a.m] + sum[2]), out = sigmoid(gates[3 * a.m] + sum[3]);
    const float *old = token > 0 ? a.c.data + (row - 1) * a.c.stride : start_of(a, seq, 1);
    const float c = (old ? forget * old[unit] : 0) + in * news;
    gates[0] = in, gates[a.m] = forget, gates[2 * a.m] = news, gates[3 * a.m] = out;
    a.c.data[row * a.c.stride + unit] = c;
    a.h.data[row * a.h.stride + unit] = out * tanhf(c);
  }
}

static __global__ void __launch_bounds__(threads) lstm_end(struct rpg_lstm a) {
  each_value(a.n * a.m, [&](int64_t i) {
    const int64_t seq = i / a.m, unit = i % a.m, row = (seq + 1) * a.l - 1;
    a.end[2 * seq * a.m + unit] = a.h.data[row * a.h.stride + unit];
    a.end[(2 * seq + 1) * a.m + unit] = a.c.data[row * a.c.stride + unit];
  });
}

int rpg_lstm(rpg_device *dev, const struct rpg_lstm *a) {
  const dim3 grid(static_cast<unsigned>(ceil_div(a->m, warps)), static_cast<unsigned>(ceil_div(a->n, together)));
  for (int64_t token = 0; token < a->l; token++) LAUNCH(dev, lstm_token, grid, threads, 0, *a, token);
  if (a->end) LAUNCH(dev, lstm_end, spans(a->n * a->m), threads, 0, *a);
  return 0;
}

// Backward, from the last token to the first. A block takes 32 units: its warps
// share the terms of Σ_k dgates[k]·W[k, unit] of the token behind, and then a warp
// finishes one sequence. dc, [n, m], is what goes on to the token before. Token -1 is
// what is before the first one.
static __global__ void __launch_bounds__(threads) lstm_token_backward(struct rpg_lstm_backward b, int64_t token, float *dc) {
  static_assert(warps == together, "a warp for each sequence");
  SHARED(parts, float[warps][together][32]);
  const struct rpg_lstm &a = b.forward;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int64_t unit = static_cast<int64_t>(blockIdx.x) * 32 + lane, first = static_cast<int64_t>(blockIdx.y) * together;
  float sums[together] = {};
  if (token < a.l - 1 && unit < a.m) {
    const float *later[together];
#pragma unroll
    for (int s = 0; s < together; s++) {
      const int64_t seq = first + s < a.n ? first + s : a.n - 1;
      later[s] = b.dgates.data + (seq * a.l + token + 1) * b.dgates.stride;
    }
    for (int64_t k = warp; k < 4 * a.m; k += warps) {
      const float w = a.w[k * a.m + unit];
#pragma unroll
      for (int s = 0; s < together; s++) sums[s] += w * later[s][k];
    }
  }
#pragma unroll
  for (int s = 0; s < together; s++) parts[warp][s][lane] = sums[s];
  __syncthreads();
  const int64_t seq = first + warp, row = seq * a.l + token;
  if (seq >= a.n || unit >= a.m) return;
  const int64_t edge = 2 * seq * a.m + unit;  // of h in start and end, c is m further
  float *kept = dc + seq * a.m + unit;
  float dh = token >= 0 ? b.dh.data[row * b.dh.stride + unit] : 0;
  for (int w = 0; w < warps; w++) dh += parts[w][warp][lane];
  float dc_behind = 0;
  if (token < a.l - 1) {
    dc_behind = *kept;
  } else if (b.dend) {
    dh += b.dend[edge];
    dc_behind = b.dend[edge + a.m];
  }
  if (token < 0) {
    b.dstart[edge] = dh;
    b.dstart[edge + a.m] = dc_behind;
    return;
  }
  const float *gates = a.gates.data + row * a.gates.stride + unit;
  const float in = gates[0], forget = gates[a.m], news = gates[2 * a.m], out = gates[3 * a.m];
  const float *before = token > 0 ? a.c.data + (row - 1) * a.c.stride : start_of(a, seq, 1);
  const float old = before ? before[unit] : 0;
  const float t = tanhf(a.c.data[row * a.c.stride + unit]);
  const float d = dc_behind + dh * out * (1 - t * t);
  *kept = d * forget;
  float *dgates = b.dgates.data + row * b.dgates.stride + unit;
  dgates[0] = d * news * in * (1 - in);
  dgates[a.m] = d * old * forget * (1 - forget);
  dgates[2 * a.m] = d * in * (1 - news * news);
  dgates[3 * a.m] = dh * t * out * (1 - out);
}

int rpg_lstm_backward(rpg_device *dev, const struct rpg_lstm_backward *b) {
  const struct rpg_lstm &a = b->forward;
  void *dc;
  if (int bad = rpg_workspace(dev, a.n * a.m * sizeof(float), &dc)) return bad;
  const dim3 grid(static_cast<unsigned>(ceil_div(a.m, 32)), static_cast<unsigned>(ceil_div(a.n, together)));
  for (int64_t token = a.l - 1; token >= (b->dstart ? -1 : 0); token--)
    LAUNCH(dev, lstm_token_backward, grid, threads, 0, *b, token, static_cast<float *>(dc));
  return 0;
}
