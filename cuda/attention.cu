// Attention (Dao et al. 2022): with m the largest score of a row so far, a block
// keeps Σ_j exp(s_j-m) and Σ_j exp(s_j-m)·V_j, and scales both when m grows.
#include "attention.cuh"

// most_across is the largest v of the 16 threads that have the same rows.
static __device__ __forceinline__ float most_across(float v) {
#pragma unroll
  for (int lane = 8; lane > 0; lane >>= 1) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, lane));
  return v;
}

static __global__ void __launch_bounds__(ssd_threads) attention(struct rpg_attention a) {
  SHARED(slices, ssd_slices);
  SHARED(weights, attention_weights);
  const attention_place at = place_of(a);
  const int64_t i0 = at.block * attention_block, row = at.seq * a.l + i0, head = at.head * a.p;
  const head_rows q = rows_of(a.q, row, head, a.l - i0);
  const int64_t visible = a.first + i0 + q.count;  // keys that the last query sees
  const float scale = attention_scale(a);
  float most[tile_high], total[tile_high];
#pragma unroll
  for (int r = 0; r < tile_high; r++) most[r] = -INFINITY, total[r] = 0;
  ssd_values sum;
  sum.clear();
  for (int64_t j0 = 0; j0 < visible; j0 += attention_block) {
    const int64_t key = at.seq * (a.first + a.l) + j0;
    const head_rows k = rows_of(a.k, key, head, visible - j0), v = rows_of(a.v, key, head + at.column, visible - j0);
    ssd_values scores;
    scores.clear();
    add_scores(scores, slices, a.p, q, scale, k);
#pragma unroll
    for (int r = 0; r < tile_high; r++) {
      const int64_t seen = a.first + i0 + tile_row() + r - j0;  // the last key that the query sees
      float larger = most[r];
#pragma unroll
      for (int c = 0; c < tile_wide; c++) {
        if (tile_col() + c > seen || tile_col() + c >= k.count) scores.v[r][c] = -INFINITY;
        larger = fmaxf(larger, scores.v[r][c]);
      }
      larger = most_across(larger);
      const float fade = expf(most[r] - larger);  // 0 at first
      most[r] = larger;
      float part = 0;
#pragma unroll
      for (int c = 0; c < tile_wide; c++) {
        sum.v[r][c] *= fade;
        scores.v[r][c] = expf(scores.v[r][c] - larger);
        part += scores.v[r][c];
      }
      total[r] = total[r] * fade + across(part);
    }
    keep(weights, scores);
    add_product<true, false>(sum, slices, 0, k.count, [&](int i, int j) { return weights[i][j]; },
                             [&](int c, int j) { return at.column + c < a.p ? v.at(j, c) : 0; });
  }
  put(a.y, row, q.count, head, at.column, a.p, sum, [&](int r) { return 1 / total[r]; });
  if (at.column > 0 || tile_col() > 0) return;
#pragma unroll
  for (int r = 0; r < tile_high; r++)
    if (tile_row() + r < q.count) a.lse.data[(row + tile_row() + r) * a.lse.stride + at.head] = most[r] + logf(total[r]);
}

int rpg_attention(rpg_device *dev, const struct rpg_attention *a) {
  LAUNCH(dev, attention, attention_grid(a), ssd_threads, 0, *a);
  return 0;
}
