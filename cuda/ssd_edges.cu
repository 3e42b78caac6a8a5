// What the states at the two ends of a chunk give to DC and DB, and the gradients
// of the decays up to there. A block takes a tile of a group of heads, and the sums
// over heads are made in registers. With H0 the state at the start and dH the
// gradient of that at the end, for each head
//
//	dC += up_to·dY·H0,  early = the same times C, summed over S
//	dB += dt·after·X·dH,  late = the same times B, summed over S
#include "ssd_backward.cuh"

// With start: DC and early; else DB and late.
template <bool start>
static __global__ void __launch_bounds__(ssd_threads) edges(ssd_gradient g) {
  SHARED(slices, ssd_slices);
  const ssd_scan &t = g.t;
  ssd_split index;
  const unsigned tile_s = index.next(tiles(t.a.s));
  const int s0 = tile_s * ssd_tile, i0 = index.next(tiles(t.a.chunk)) * ssd_tile;
  const int64_t group = index.next(g.groups);
  const ssd_item item = item_of(t, index.rest);
  if (i0 >= item.tokens || !(start ? starts(g, item) : ends(g, item))) return;
  const struct rpg_matrix &from = start ? g.dy : t.a.x, &with = start ? t.a.c : t.a.b;
  const float *states = start ? t.a.states : g.dstates;
  const int row = i0 + tile_row(), col = s0 + tile_col();
  ssd_values all;
  all.clear();
  for (int64_t head = group * g.group; head < (group + 1) * g.group && head < t.a.h; head++) {
    const int64_t number = head_of(t, item.number, head), at = number * t.a.chunk;
    const float *v = from.data + (item.row + i0) * from.stride + head * t.a.p;
    const float *state = states + number * t.a.p * t.a.s + s0;
    ssd_values one;
    one.clear();
    add_product<true, false>(
        one, slices, 0, static_cast<int>(t.a.p),
        [&](int i, int p) { return i0 + i < item.tokens ? v[i * from.stride + p] : 0; },
        [&](int s, int p) { return s0 + s < t.a.s ? state[p * t.a.s + s] : 0; });
#pragma unroll
    for (int r = 0; r < tile_high; r++) {
      const int i = row + r;
      float sum = 0;
      if (i < item.tokens) {
        const float scale = start ? t.up_to[at + i] : t.steps[at + i] * t.after[at + i];
#pragma unroll
        for (int c = 0; c < tile_wide; c++) {
          if (col + c >= t.a.s) continue;
          const float part = scale * one.v[r][c];
          all.v[r][c] += part;
          sum += part * with.data[(item.row + i) * with.stride + col + c];
        }
      }
      sum = across(sum);
      if (threadIdx.x % 16 == 0 && i < item.tokens)
        (start ? g.early : g.late)[tile_s * ssd_tokens(g) + at + i] = sum;
    }
  }
  float *out = (start ? g.dc_parts : g.db_parts) + (group * t.items + item.number) * t.a.chunk * t.a.s;
#pragma unroll
  for (int r = 0; r < tile_high; r++)
#pragma unroll
    for (int c = 0; c < tile_wide; c++)
      if (row + r < item.tokens && col + c < t.a.s) out[(row + r) * t.a.s + col + c] = all.v[r][c];
}

// sums makes a tile of DC or DB of what the groups of heads gave:
//
//	DC = d(C·Bᵀ)·B + dc_parts,  DB = d(C·Bᵀ)ᵀ·C + db_parts
template <bool start>
static __global__ void __launch_bounds__(ssd_threads) sums(ssd_gradient g) {
  SHARED(slices, ssd_slices);
  const ssd_scan &t = g.t;
  ssd_split index;
  const int s0 = index.next(tiles(t.a.s)) * ssd_tile, i0 = index.next(tiles(t.a.chunk)) * ssd_tile;
  const ssd_item item = item_of(t, index.rest);
  if (i0 >= item.tokens) return;
  const int64_t square = t.a.chunk * t.a.chunk, size = t.a.chunk * t.a.s;
  const float *dcb = g.dcb + item.number * square;
  const auto over_groups = [&](int i, int j) {  // the gradient of element (i, j) of C·Bᵀ
    float sum = 0;
    if (i < item.tokens && j <= i)
      for (int64_t k = 0; k < g.groups; k++) sum += dcb[k * t.items * square + i * t.a.chunk + j];
    return sum;
  };
  const struct rpg_matrix &with = start ? t.a.b : t.a.c;
  const float *in = with.data + item.row * with.stride + s0;
  const auto right = [&](int s, int j) { return s0 + s < t.a.s ? in[j * with.stride + s] : 0; };
  ssd_values sum;
  sum.clear();
  if constexpr (start) {
    const int end = i0 + ssd_tile < item.tokens ? i0 + ssd_tile : item.tokens;
    add_product<true, false>(sum, slices, 0, end, [&](int i, int j) { return over_groups(i0 + i, j); }, right);
  } else {
    add_product<false, false>(sum, slices, i0, item.tokens, [&](int j, int i) { return over_groups(i, i0 + j); }, right);
  }
  const bool edge = start ? starts(g, item) : ends(g, item);
  const float *parts = (start ? g.dc_parts : g.db_parts) + item.number * size;
  const struct rpg_matrix &out = start ? g.dc : g.db;
#pragma unroll
  for (int r = 0; r < tile_high; r++)
#pragma unroll
    for (int c = 0; c < tile_wide; c++) {
      const int i = i0 + tile_row() + r, s = s0 + tile_col() + c;
      if (i >= item.tokens || s >= t.a.s) continue;
      float v = sum.v[r][c];
      for (int64_t k = 0; edge && k < g.groups; k++) v += parts[k * t.items * size + i * t.a.s + s];
      out.data[(item.row + i) * out.stride + s] = v;
    }
}

int ssd_edges(rpg_device *dev, const ssd_gradient &g) {
  const dim3 blocks(tiles(g.t.a.s) * tiles(g.t.a.chunk) * g.t.items);
  if (g.t.chunks > 1 || g.t.a.start)
    LAUNCH(dev, (edges<true>), dim3(blocks.x * g.groups), ssd_threads, 0, g);
  if (g.t.chunks > 1 || g.dend)
    LAUNCH(dev, (edges<false>), dim3(blocks.x * g.groups), ssd_threads, 0, g);
  LAUNCH(dev, (sums<true>), blocks, ssd_threads, 0, g);
  LAUNCH(dev, (sums<false>), blocks, ssd_threads, 0, g);
  return 0;
}
