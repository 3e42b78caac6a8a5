// AttentionBackward: with W the weights, S the scores before their scale and
// r_i = dY_i·Y_i,
//
//   dV = Wᵀ·dY,  dS = W ∘ (dY·Vᵀ - r)/sqrt(P),  dQ = dS·K,  dK = dSᵀ·Q
//
// One kernel computes r, one dK and dV for blocks of keys, one dQ for blocks of
// queries; both of these compute the weights again.
#include "attention.cuh"

// along, [n·l, h], receives r: a warp for each head of a row.
static __global__ void __launch_bounds__(threads) attention_along(struct rpg_attention_backward b, float *along) {
  const struct rpg_attention &a = b.forward;
  const int64_t item = static_cast<int64_t>(blockIdx.x) * (threads / 32) + threadIdx.x / 32;
  if (item >= a.n * a.l * a.h) return;
  const int64_t row = item / a.h, head = item % a.h * a.p;
  const float *dy = b.dy.data + row * b.dy.stride + head, *y = a.y.data + row * a.y.stride + head;
  float sum = 0;
  for (int64_t j = threadIdx.x % 32; j < a.p; j += 32) sum += dy[j] * y[j];
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) along[item] = sum;
}

// weigh turns the scores of queries from i0 on and keys from j0 on into weights.
static __device__ __forceinline__ void weigh(const struct rpg_attention &a, ssd_values &scores, int64_t row, int count, int64_t ahead,
                                             int keys, int64_t head) {
#pragma unroll
  for (int r = 0; r < tile_high; r++) {
    const int i = tile_row() + r;
    const float level = i < count ? a.lse.data[(row + i) * a.lse.stride + head] : 0;
#pragma unroll
    for (int c = 0; c < tile_wide; c++) {
      const int j = tile_col() + c;
      scores.v[r][c] = i < count && j < keys && j <= ahead + i ? expf(fminf(0, scores.v[r][c] - level)) : 0;
    }
  }
}

// slope makes of weights and their gradients those of the scores, in dweights.
static __device__ __forceinline__ void slope(const struct rpg_attention &a, const float *along, const ssd_values &weights, ssd_values &dweights,
                                             int64_t row, int count, int64_t head) {
#pragma unroll
  for (int r = 0; r < tile_high; r++) {
    const int i = tile_row() + r;
    const float mean = i < count ? along[(row + i) * a.h + head] : 0;
#pragma unroll
    for (int c = 0; c < tile_wide; c++) dweights.v[r][c] = weights.v[r][c] * (dweights.v[r][c] - mean);
  }
}

static __global__ void __launch_bounds__(ssd_threads) attention_keys(struct rpg_attention_backward b, const float *along) {
  SHARED(slices, ssd_slices);
  SHARED(tile, attention_weights);
  const struct rpg_attention &a = b.forward;
  const attention_place at = place_of(a);
  const int64_t j0 = at.block * attention_block, sequence = at.seq * a.l, head = at.head * a.p;
  const head_rows k = rows_of(a.k, sequence + j0, head, a.l - j0), v = rows_of(a.v, sequence + j0, head, a.l - j0);
  const float scale = attention_scale(a);
  ssd_values dk, dv;
  dk.clear();
  dv.clear();
  for (int64_t i0 = j0; i0 < a.l; i0 += attention_block) {
    const int64_t row = sequence + i0;
    const head_rows q = rows_of(a.q, row, head, a.l - i0), dy = rows_of(b.dy, row, head, a.l - i0);
    ssd_values weights, dscores;
    weights.clear();
    add_scores(weights, slices, a.p, q, scale, k);
    weigh(a, weights, row, q.count, i0 - j0, k.count, at.head);
    keep(tile, weights);
    const auto turned = [&](int j, int i) { return tile[i][j]; };
    const int64_t left = a.p - at.column;
    add_product<false, false>(dv, slices, 0, q.count, turned, [&](int c, int i) { return c < left ? dy.at(i, static_cast<int>(at.column) + c) : 0; });
    dscores.clear();
    add_scores(dscores, slices, a.p, dy, 1, v);
    slope(a, along, weights, dscores, row, q.count, at.head);
    keep(tile, dscores);
    add_product<false, false>(dk, slices, 0, q.count, turned,
                              [&](int c, int i) { return c < left ? scale * q.at(i, static_cast<int>(at.column) + c) : 0; });
  }
  put(b.dk, sequence + j0, k.count, head, at.column, a.p, dk, [](int) { return 1.f; });
  put(b.dv, sequence + j0, k.count, head, at.column, a.p, dv, [](int) { return 1.f; });
}

static __global__ void __launch_bounds__(ssd_threads) attention_queries(struct rpg_attention_backward b, const float *along) {
  SHARED(slices, ssd_slices);
  SHARED(tile, attention_weights);
  const struct rpg_attention &a = b.forward;
  const attention_place at = place_of(a);
  const int64_t i0 = at.block * attention_block, sequence = at.seq * a.l, row = sequence + i0, head = at.head * a.p;
  const head_rows q = rows_of(a.q, row, head, a.l - i0), dy = rows_of(b.dy, row, head, a.l - i0);
  const float scale = attention_scale(a);
  ssd_values dq;
  dq.clear();
  for (int64_t j0 = 0; j0 <= i0; j0 += attention_block) {
    const head_rows k = rows_of(a.k, sequence + j0, head, a.l - j0), v = rows_of(a.v, sequence + j0, head, a.l - j0);
    ssd_values weights, dscores;
    weights.clear();
    add_scores(weights, slices, a.p, q, scale, k);
    weigh(a, weights, row, q.count, i0 - j0, k.count, at.head);
    dscores.clear();
    add_scores(dscores, slices, a.p, dy, 1, v);
    slope(a, along, weights, dscores, row, q.count, at.head);
    keep(tile, dscores);
    const int64_t left = a.p - at.column;
    add_product<true, false>(dq, slices, 0, k.count, [&](int i, int j) { return tile[i][j]; },
                             [&](int c, int j) { return c < left ? k.at(j, static_cast<int>(at.column) + c) : 0; });
  }
  put(b.dq, row, q.count, head, at.column, a.p, dq, [&](int) { return scale; });
}

int rpg_attention_backward(rpg_device *dev, const struct rpg_attention_backward *b) {
  const struct rpg_attention &a = b->forward;
  const int64_t items = a.n * a.l * a.h;
  void *space;
  if (int bad = rpg_workspace(dev, items * sizeof(float), &space)) return bad;
  float *along = static_cast<float *>(space);
  LAUNCH(dev, attention_along, dim3(ceil_div(items, threads / 32)), threads, 0, *b, along);
  LAUNCH(dev, attention_keys, attention_grid(&a), ssd_threads, 0, *b, along);
  LAUNCH(dev, attention_queries, attention_grid(&a), ssd_threads, 0, *b, along);
  return 0;
}
