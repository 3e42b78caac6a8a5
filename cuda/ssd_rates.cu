// What SSD and its backward pass compute first: the decays of each head, and the
// products C·Bᵀ that serve all heads.
#include "ssd.cuh"

static constexpr int heads = threads / 32;  // of a block

// softplus is ln(1+e^v).
static __device__ float softplus(float v) { return fmaxf(v, 0) + log1pf(expf(-fabsf(v))); }

// A warp takes a head of an item, 32 tokens at a time.
static __global__ void __launch_bounds__(threads) ssd_rates(ssd_scan t) {
  ssd_split index;
  const int64_t head = static_cast<int64_t>(index.next(ceil_div(t.a.h, heads))) * heads + threadIdx.x / 32;
  const ssd_item item = item_of(t, index.rest);
  if (head >= t.a.h) return;
  const int lane = threadIdx.x & 31;
  const int64_t at = head_of(t, item.number, head) * t.a.chunk;
  const double rate = -exp(static_cast<double>(t.a.a_log[head]));
  const float *dt = t.a.dt.data + item.row * t.a.dt.stride + head;
  double total = 0;
  for (int first = 0; first < item.tokens; first += 32) {
    const int i = first + lane;
    const float step = i < item.tokens ? softplus(dt[i * t.a.dt.stride] + t.a.dt_bias[head]) : 0;
    double sum = step * rate;
#pragma unroll
    for (int back = 1; back < 32; back *= 2) {
      const double before = __shfl_up_sync(0xffffffffu, sum, back);
      if (lane >= back) sum += before;
    }
    sum += total;
    total = __shfl_sync(0xffffffffu, sum, 31);
    if (i >= item.tokens) continue;
    const float high = static_cast<float>(sum);
    t.steps[at + i] = step;
    t.logs[at + i] = make_float2(high, static_cast<float>(sum - high));
    t.up_to[at + i] = expf(high);
  }
  const float high = static_cast<float>(total);
  const float2 end = make_float2(high, static_cast<float>(total - high));
  for (int i = lane; i < item.tokens; i += 32) t.after[at + i] = decay(end, t.logs[at + i]);
}

// A block takes a tile of an item's C·Bᵀ.
static __global__ void __launch_bounds__(ssd_threads) ssd_cb(ssd_scan t) {
  SHARED(slices, ssd_slices);
  ssd_split index;
  const int j0 = index.next(tiles(t.a.chunk)) * ssd_tile, i0 = index.next(tiles(t.a.chunk)) * ssd_tile;
  const ssd_item item = item_of(t, index.rest);
  if (j0 > i0 || i0 >= item.tokens) return;
  const float *b = t.a.b.data + (item.row + j0) * t.a.b.stride, *c = t.a.c.data + (item.row + i0) * t.a.c.stride;
  ssd_values sum;
  sum.clear();
  add_product<true, true>(
      sum, slices, 0, static_cast<int>(t.a.s),
      [&](int i, int s) { return i0 + i < item.tokens ? c[i * t.a.c.stride + s] : 0; },
      [&](int j, int s) { return j0 + j < item.tokens ? b[j * t.a.b.stride + s] : 0; });
  float *out = t.cb + item.number * t.a.chunk * t.a.chunk;
#pragma unroll
  for (int r = 0; r < tile_high; r++)
#pragma unroll
    for (int k = 0; k < tile_wide; k++) {
      const int i = i0 + tile_row() + r, j = j0 + tile_col() + k;
      if (i < item.tokens && j <= i) out[i * t.a.chunk + j] = sum.v[r][k];
    }
}

int ssd_prepare(rpg_device *dev, const ssd_scan &t) {
  LAUNCH(dev, ssd_rates, dim3(ceil_div(t.a.h, heads) * t.items), threads, 0, t);
  const unsigned side = tiles(t.a.chunk);
  LAUNCH(dev, ssd_cb, dim3(side * side * t.items), ssd_threads, 0, t);
  return 0;
}
