// SSD in chunks of Q tokens (Dao & Gu 2024, section 6). For one head of one chunk
// whose first state is H0 [P, S], with E[i,j] the decay from token j to token i >= j:
//
//	Y = (C·Bᵀ ∘ E)·(dt·X) + up_to·C·H0ᵀ + D·X
//	H0 of the next chunk = (decay of the whole chunk)·H0 + (dt·after·X)ᵀ·B
//
// First the last term of all chunks, in the places of the states; then a scan goes
// from chunk to chunk, value by value; then Y, all chunks at once.
#include "ssd.cuh"

// ssd_states computes what a chunk adds to the state, a tile of a head. It goes
// where the state at the start of the next chunk will be; that of the last chunk
// goes to `last`, where there is one.
static __global__ void __launch_bounds__(ssd_threads) ssd_states(ssd_scan t, float *last) {
  SHARED(slices, ssd_slices);
  ssd_split index;
  const int s0 = index.next(tiles(t.a.s)) * ssd_tile, p0 = index.next(tiles(t.a.p)) * ssd_tile;
  const int64_t head = index.next(t.a.h);
  const ssd_item item = item_of(t, index.rest);
  const int64_t size = t.a.p * t.a.s;
  float *out = t.a.states + head_of(t, item.number + 1, head) * size;
  if (item.chunk + 1 == t.chunks) {
    if (!last) return;
    out = last + head_of(t, item.number / t.chunks, head) * size;
  }
  const int64_t at = head_of(t, item.number, head) * t.a.chunk;
  const float *x = t.a.x.data + item.row * t.a.x.stride + head * t.a.p + p0;
  const float *b = t.a.b.data + item.row * t.a.b.stride + s0;
  const int64_t p_end = t.a.p - p0, s_end = t.a.s - s0;
  ssd_values sum;
  sum.clear();
  add_product<false, false>(
      sum, slices, 0, item.tokens,
      [&](int p, int j) { return p < p_end ? t.steps[at + j] * t.after[at + j] * x[j * t.a.x.stride + p] : 0; },
      [&](int s, int j) { return s < s_end ? b[j * t.a.b.stride + s] : 0; });
#pragma unroll
  for (int r = 0; r < tile_high; r++)
#pragma unroll
    for (int c = 0; c < tile_wide; c++) {
      const int p = tile_row() + r, s = tile_col() + c;
      if (p < p_end && s < s_end) out[(p0 + p) * t.a.s + s0 + s] = sum.v[r][c];
    }
}

// ssd_pass goes from chunk to chunk with one value of each state. start and end
// may be the same memory.
static __global__ void __launch_bounds__(threads) ssd_pass(ssd_scan t, const float *last) {
  const int64_t size = t.a.p * t.a.s;
  ssd_split index;
  const int64_t i = static_cast<int64_t>(index.next(ceil_div(size, threads))) * threads + threadIdx.x;
  const int64_t head = index.next(t.a.h), sequence = index.rest;
  if (i >= size) return;
  const int64_t edge = head_of(t, sequence, head) * size + i;
  float v = t.a.start ? t.a.start[edge] : 0;
  for (int64_t k = 0; k < t.chunks; k++) {
    const int64_t at = head_of(t, sequence * t.chunks + k, head);
    t.a.states[at * size + i] = v;
    const ssd_item item = item_of(t, sequence * t.chunks + k);
    const float whole = t.up_to[at * t.a.chunk + item.tokens - 1];
    if (k + 1 < t.chunks)
      v = whole * v + t.a.states[(at + t.a.h) * size + i];
    else if (t.a.end)
      t.a.end[edge] = whole * v + last[edge];
  }
}

// ssd_outputs computes a tile of Y.
static __global__ void __launch_bounds__(ssd_threads) ssd_outputs(ssd_scan t) {
  SHARED(slices, ssd_slices);
  ssd_split index;
  const int p0 = index.next(tiles(t.a.p)) * ssd_tile, i0 = index.next(tiles(t.a.chunk)) * ssd_tile;
  const int64_t head = index.next(t.a.h);
  const ssd_item item = item_of(t, index.rest);
  if (i0 >= item.tokens) return;
  const int64_t number = head_of(t, item.number, head), at = number * t.a.chunk;
  const float *x = t.a.x.data + item.row * t.a.x.stride + head * t.a.p + p0;
  const float *cb = t.cb + item.number * t.a.chunk * t.a.chunk;
  const float *c = t.a.c.data + item.row * t.a.c.stride;
  const float *state = t.a.states + number * t.a.p * t.a.s + p0 * t.a.s;
  const int64_t p_end = t.a.p - p0;
  const int end = i0 + ssd_tile < item.tokens ? i0 + ssd_tile : item.tokens;
  ssd_values sum;
  sum.clear();
  add_product<true, false>(
      sum, slices, 0, end,
      [&](int r, int j) {
        const int i = i0 + r;
        return i < item.tokens && j <= i
                   ? cb[i * t.a.chunk + j] * decay(t.logs[at + i], t.logs[at + j]) * t.steps[at + j] : 0;
      },
      [&](int p, int j) { return p < p_end ? x[j * t.a.x.stride + p] : 0; });
  if (item.chunk > 0 || t.a.start)
    add_product<true, true>(
        sum, slices, 0, static_cast<int>(t.a.s),
        [&](int r, int s) {
          const int i = i0 + r;
          return i < item.tokens ? c[i * t.a.c.stride + s] * t.up_to[at + i] : 0;
        },
        [&](int p, int s) { return p < p_end ? state[p * t.a.s + s] : 0; });
  const float skip = t.a.d[head];
  float *y = t.a.y.data + item.row * t.a.y.stride + head * t.a.p + p0;
#pragma unroll
  for (int r = 0; r < tile_high; r++)
#pragma unroll
    for (int k = 0; k < tile_wide; k++) {
      const int i = i0 + tile_row() + r, p = tile_col() + k;
      if (i < item.tokens && p < p_end) y[i * t.a.y.stride + p] = sum.v[r][k] + skip * x[i * t.a.x.stride + p];
    }
}

int rpg_ssd(rpg_device *dev, const struct rpg_ssd *a) {
  if (a->n == 0 || a->l == 0) return 0;
  const int64_t size = a->p * a->s;
  ssd_scan t;
  float *last = nullptr;
  const auto place = [&](uintptr_t base) {
    ssd_space space{base};
    t = ssd_scan_of(*a, space);
    if (a->end) last = space.take<float>(a->n * a->h * size);
    return space.used;
  };
  void *space;
  if (int bad = rpg_workspace(dev, place(0), &space)) return bad;
  place(reinterpret_cast<uintptr_t>(space));
  if (int bad = ssd_prepare(dev, t)) return bad;
  if (t.chunks > 1 || last)
    LAUNCH(dev, ssd_states, dim3(tiles(a->s) * tiles(a->p) * a->h * t.items), ssd_threads, 0, t, last);
  LAUNCH(dev, ssd_pass, dim3(ceil_div(size, threads) * a->h * a->n), threads, 0, t, last);
  LAUNCH(dev, ssd_outputs, dim3(tiles(a->p) * tiles(a->chunk) * a->h * t.items), ssd_threads, 0, t);
  return 0;
}
