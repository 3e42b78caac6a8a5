// The gradients of C·Bᵀ and of the decays inside a chunk. A block takes a tile of
// a group of heads. With E as in ssd.cu, for each head
//
//	d(C·Bᵀ) = dY·(dt·X)ᵀ ∘ E,  T = d(C·Bᵀ) ∘ C·Bᵀ below the diagonal
//
// and the sums over heads are made in registers.
#include "ssd_backward.cuh"

static __global__ void __launch_bounds__(ssd_threads) inside(ssd_gradient g) {
  SHARED(slices, ssd_slices);
  SHARED(down, float[ssd_tile / tile_high][ssd_tile]);
  const ssd_scan &t = g.t;
  ssd_split index;
  const unsigned tile_j = index.next(tiles(t.a.chunk)), tile_i = index.next(tiles(t.a.chunk));
  const int j0 = tile_j * ssd_tile, i0 = tile_i * ssd_tile;
  const int64_t group = index.next(g.groups);
  const ssd_item item = item_of(t, index.rest);
  if (j0 > i0 || i0 >= item.tokens) return;
  const int64_t square = item.number * t.a.chunk * t.a.chunk;
  const int row = i0 + tile_row(), col = j0 + tile_col();
  ssd_values all;
  all.clear();
  for (int64_t head = group * g.group; head < (group + 1) * g.group && head < t.a.h; head++) {
    const int64_t at = head_of(t, item.number, head) * t.a.chunk;
    const float *x = t.a.x.data + (item.row + j0) * t.a.x.stride + head * t.a.p;
    const float *dy = g.dy.data + (item.row + i0) * g.dy.stride + head * t.a.p;
    ssd_values one;
    one.clear();
    add_product<true, true>(
        one, slices, 0, static_cast<int>(t.a.p),
        [&](int i, int p) { return i0 + i < item.tokens ? dy[i * g.dy.stride + p] : 0; },
        [&](int j, int p) { return j0 + j < item.tokens ? x[j * t.a.x.stride + p] : 0; });
    float columns[tile_wide] = {};
#pragma unroll
    for (int r = 0; r < tile_high; r++) {
      const int i = row + r;
      float sum = 0;
#pragma unroll
      for (int c = 0; c < tile_wide; c++) {
        const int j = col + c;
        if (i >= item.tokens || j > i) continue;
        const float v = one.v[r][c] * t.steps[at + j] * decay(t.logs[at + i], t.logs[at + j]);
        all.v[r][c] += v;
        if (j == i) continue;
        const float along = v * t.cb[square + i * t.a.chunk + j];
        sum += along;
        columns[c] += along;
      }
      sum = across(sum);
      if (threadIdx.x % 16 == 0 && i < item.tokens) g.rows[tile_j * ssd_tokens(g) + at + i] = sum;
    }
#pragma unroll
    for (int c = 0; c < tile_wide; c++) down[threadIdx.x / 16][tile_col() + c] = columns[c];
    __syncthreads();
    const int j = threadIdx.x;
    if (j < ssd_tile && j0 + j < item.tokens) {
      float sum = 0;
      for (int k = 0; k < ssd_tile / tile_high; k++) sum += down[k][j];
      g.columns[tile_i * ssd_tokens(g) + at + j0 + j] = sum;
    }
    // add_product of the next head waits before down is written again.
  }
  float *out = g.dcb + group * t.items * t.a.chunk * t.a.chunk + square;
#pragma unroll
  for (int r = 0; r < tile_high; r++)
#pragma unroll
    for (int c = 0; c < tile_wide; c++) {
      const int i = row + r, j = col + c;
      if (i < item.tokens && j <= i) out[i * t.a.chunk + j] = all.v[r][c];
    }
}

int ssd_inside(rpg_device *dev, const ssd_gradient &g) {
  const unsigned side = tiles(g.t.a.chunk);
  LAUNCH(dev, inside, dim3(side * side * g.groups * g.t.items), ssd_threads, 0, g);
  return 0;
}
