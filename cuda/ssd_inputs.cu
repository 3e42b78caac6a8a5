// The gradient of X, a tile of a head of a chunk. With U = dt·X, E as in ssd.cu and
// dH the gradient of the state at the end of the chunk:
//
//	dU = (C·Bᵀ ∘ E)ᵀ·dY + after·B·dHᵀ,  DX = dt·dU + D·dY
//
// along is X·dU summed over P, skipped is X·dY.
#include "ssd_backward.cuh"

static __global__ void __launch_bounds__(ssd_threads) inputs(ssd_gradient g) {
  SHARED(slices, ssd_slices);
  const ssd_scan &t = g.t;
  ssd_split index;
  const unsigned tile_p = index.next(tiles(t.a.p));
  const int p0 = tile_p * ssd_tile, j0 = index.next(tiles(t.a.chunk)) * ssd_tile;
  const int64_t head = index.next(t.a.h);
  const ssd_item item = item_of(t, index.rest);
  if (j0 >= item.tokens) return;
  const int64_t number = head_of(t, item.number, head), at = number * t.a.chunk;
  const int64_t p_end = t.a.p - p0;
  const float *dy = g.dy.data + item.row * g.dy.stride + head * t.a.p + p0;
  const float *x = t.a.x.data + item.row * t.a.x.stride + head * t.a.p + p0;
  const float *cb = t.cb + item.number * t.a.chunk * t.a.chunk;
  const float *b = t.a.b.data + item.row * t.a.b.stride;
  const float *dstate = g.dstates + number * t.a.p * t.a.s + p0 * t.a.s;
  ssd_values du;
  du.clear();
  add_product<false, false>(
      du, slices, j0, item.tokens,
      [&](int r, int i) {
        const int j = j0 + r;
        return j <= i ? cb[i * t.a.chunk + j] * decay(t.logs[at + i], t.logs[at + j]) : 0;
      },
      [&](int p, int i) { return p < p_end ? dy[i * g.dy.stride + p] : 0; });
  if (ends(g, item))
    add_product<true, true>(
        du, slices, 0, static_cast<int>(t.a.s),
        [&](int r, int s) {
          const int j = j0 + r;
          return j < item.tokens ? t.after[at + j] * b[j * t.a.b.stride + s] : 0;
        },
        [&](int p, int s) { return p < p_end ? dstate[p * t.a.s + s] : 0; });
  const float skip = t.a.d[head];
  float *dx = g.dx.data + item.row * g.dx.stride + head * t.a.p + p0;
#pragma unroll
  for (int r = 0; r < tile_high; r++) {
    const int j = j0 + tile_row() + r;
    float along = 0, skipped = 0;
    if (j < item.tokens) {
      const float step = t.steps[at + j];
#pragma unroll
      for (int c = 0; c < tile_wide; c++) {
        const int p = tile_col() + c;
        if (p >= p_end) continue;
        const float in = x[j * t.a.x.stride + p], up = dy[j * g.dy.stride + p];
        along += in * du.v[r][c];
        skipped += in * up;
        dx[j * g.dx.stride + p] = step * du.v[r][c] + skip * up;
      }
    }
    along = across(along);
    skipped = across(skipped);
    if (threadIdx.x % 16 == 0 && j < item.tokens) {
      g.along[tile_p * ssd_tokens(g) + at + j] = along;
      g.skipped[tile_p * ssd_tokens(g) + at + j] = skipped;
    }
  }
}

int ssd_inputs(rpg_device *dev, const ssd_gradient &g) {
  LAUNCH(dev, inputs, dim3(tiles(g.t.a.p) * tiles(g.t.a.chunk) * g.t.a.h * g.t.items), ssd_threads, 0, g);
  return 0;
}
