// The backward pass of SSD: the gradients of the states go back from chunk to
// chunk, then chunks are independent of each other. Sequences are taken in groups,
// so that these gradients take little memory.
//
// The logarithm of the decay of token l counts in all T[i,j] with j < l <= i, in
// early[i] with i >= l, in late[j] with j < l and in what is left of the first
// state. With dH the gradient of the state H at the end of the chunk, its gradient is
//
//	Σ_{i>=l} (rows + early - columns - late)[i] + Σ dH·H
#include "ssd_backward.cuh"

static constexpr int64_t most_groups = 32;  // of heads
#ifdef RPG_ON_HOST
static constexpr int64_t most_states = 16 << 10;  // so that tests take several groups of sequences
#else
static constexpr int64_t most_states = 256 << 20;  // bytes of dstates, unless one sequence has more
#endif
static constexpr int heads = threads / 32;  // of a block of finish

// leaving computes what a chunk gives to the gradient of its first state, a tile of a
// head. It goes where the gradient at the end of the chunk before will be, that of a
// sequence's first chunk to `first`, where there is one.
static __global__ void __launch_bounds__(ssd_threads) leaving(ssd_gradient g) {
  SHARED(slices, ssd_slices);
  const ssd_scan &t = g.t;
  ssd_split index;
  const int s0 = index.next(tiles(t.a.s)) * ssd_tile, p0 = index.next(tiles(t.a.p)) * ssd_tile;
  const int64_t head = index.next(t.a.h);
  const ssd_item item = item_of(t, index.rest);
  float *out = g.dstates + head_of(t, item.number - 1, head) * t.a.p * t.a.s;
  if (item.chunk == 0) {
    if (!g.first) return;
    out = g.first + head_of(t, item.number / t.chunks, head) * t.a.p * t.a.s;
  }
  const int64_t at = head_of(t, item.number, head) * t.a.chunk;
  const float *dy = g.dy.data + item.row * g.dy.stride + head * t.a.p + p0;
  const float *c = t.a.c.data + item.row * t.a.c.stride + s0;
  const int64_t p_end = t.a.p - p0, s_end = t.a.s - s0;
  ssd_values sum;
  sum.clear();
  add_product<false, false>(
      sum, slices, 0, item.tokens,
      [&](int p, int i) { return p < p_end ? t.up_to[at + i] * dy[i * g.dy.stride + p] : 0; },
      [&](int s, int i) { return s < s_end ? c[i * t.a.c.stride + s] : 0; });
#pragma unroll
  for (int r = 0; r < tile_high; r++)
#pragma unroll
    for (int k = 0; k < tile_wide; k++) {
      const int p = tile_row() + r, s = tile_col() + k;
      if (p < p_end && s < s_end) out[(p0 + p) * t.a.s + s0 + s] = sum.v[r][k];
    }
}

// whole is the decay over all tokens of an item.
static __device__ float whole(const ssd_scan &t, int64_t item, int64_t head) {
  return t.up_to[head_of(t, item, head) * t.a.chunk + item_of(t, item).tokens - 1];
}

// pass_back goes from chunk to chunk with one value of each state's gradient. dstart
// and dend may be the same memory.
static __global__ void __launch_bounds__(threads) pass_back(ssd_gradient g) {
  const ssd_scan &t = g.t;
  const int64_t size = t.a.p * t.a.s;
  ssd_split index;
  const int64_t part = index.next(g.parts), i = part * threads + threadIdx.x;
  const int64_t head = index.next(t.a.h), sequence = index.rest;
  const int64_t edge = head_of(t, sequence, head) * size + i;
  float v = 0;
  for (int64_t k = t.chunks - 1; k >= 0; k--) {
    const bool last = k + 1 == t.chunks;
    const int64_t at = head_of(t, sequence * t.chunks + k, head), next = at + t.a.h;
    if (last && !g.dend) continue;
    float product = 0;
    if (i < size) {
      const float *state = last ? t.a.end + edge : t.a.states + next * size + i;
      v = last ? g.dend[edge] : g.dstates[at * size + i] + whole(t, sequence * t.chunks + k + 1, head) * v;
      g.dstates[at * size + i] = v;
      product = v * *state;
    }
    product = block_sum(product);
    if (threadIdx.x == 0) g.ends[at * g.parts + part] = product;
  }
  if (g.dstart && i < size) g.dstart[edge] = g.first[edge] + whole(t, sequence * t.chunks, head) * v;
}

// finish computes DDT of a head of an item, by one warp, and its part of the sums.
static __global__ void __launch_bounds__(threads) finish(ssd_gradient g) {
  const ssd_scan &t = g.t;
  ssd_split index;
  const int64_t head = static_cast<int64_t>(index.next(ceil_div(t.a.h, heads))) * heads + threadIdx.x / 32;
  const ssd_item item = item_of(t, index.rest);
  if (head >= t.a.h) return;
  const int lane = threadIdx.x & 31;
  const int64_t number = head_of(t, item.number, head), at = number * t.a.chunk, tokens = ssd_tokens(g);
  const bool with_start = starts(g, item), with_end = ends(g, item);
  double behind = 0;  // the gradient of the logarithms of the decays of all tokens behind
  if (with_end)
    for (int64_t k = lane; k < g.parts; k += 32) behind += g.ends[number * g.parts + k];
  behind = warp_sum(behind);
  const double rate = -exp(static_cast<double>(t.a.a_log[head]));
  double ddt_bias = 0, da_log = 0, dd = 0;
  for (int last = item.tokens - 1; last >= 0; last -= 32) {
    const int l = last - lane;  // lanes go back
    const bool mine = l >= 0;
    double dlog = 0, along = 0, skipped = 0;
    if (mine) {
      const int tile = l / ssd_tile;
      for (int k = 0; k <= tile; k++) dlog += g.rows[k * tokens + at + l];
      for (int k = tile; k * ssd_tile < item.tokens; k++) dlog -= g.columns[k * tokens + at + l];
      for (unsigned k = 0; k < tiles(t.a.s); k++) {
        if (with_start) dlog += g.early[k * tokens + at + l];
        if (with_end) dlog -= g.late[k * tokens + at + l];
      }
      for (unsigned k = 0; k < tiles(t.a.p); k++) {
        along += g.along[k * tokens + at + l];
        skipped += g.skipped[k * tokens + at + l];
      }
    }
#pragma unroll
    for (int back = 1; back < 32; back *= 2) {
      const double before = __shfl_up_sync(0xffffffffu, dlog, back);
      if (lane >= back) dlog += before;
    }
    dlog += behind;
    behind = __shfl_sync(0xffffffffu, dlog, 31);
    if (!mine) continue;
    const float step = t.steps[at + l];
    const float v = t.a.dt.data[(item.row + l) * t.a.dt.stride + head] + t.a.dt_bias[head];
    const float d = static_cast<float>(along + dlog * rate) / (1 + expf(-v));
    g.ddt.data[(item.row + l) * g.ddt.stride + head] = d;
    ddt_bias += d;
    da_log += dlog * step * rate;
    dd += skipped;
  }
  ddt_bias = warp_sum(ddt_bias);
  da_log = warp_sum(da_log);
  dd = warp_sum(dd);
  if (lane > 0) return;
  double *sums = g.sums + item.number * 3 * t.a.h + head;
  sums[0] = ddt_bias;
  sums[t.a.h] = da_log;
  sums[2 * t.a.h] = dd;
}

// add_items: blockIdx.y is 0 for the gradient of DTBias, 1 for ALog, 2 for D.
static __global__ void __launch_bounds__(threads)
    add_items(struct rpg_ssd_backward b, const double *sums, int64_t items) {
  const int64_t head = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x, heads = b.forward.h;
  if (head >= heads) return;
  float *to = (blockIdx.y == 0 ? b.ddt_bias : blockIdx.y == 1 ? b.da_log : b.dd) + head;
  double sum = *to;
  for (int64_t item = 0; item < items; item++) sum += sums[(item * 3 + blockIdx.y) * heads + head];
  *to = static_cast<float>(sum);
}

// ssd_gradient_of lays out the workspace for as many sequences as *a has.
static ssd_gradient ssd_gradient_of(const struct rpg_ssd_backward &b, ssd_space &space) {
  const struct rpg_ssd &a = b.forward;
  ssd_gradient g = {};
  g.t = ssd_scan_of(a, space);
  g.dy = b.dy, g.dx = b.dx, g.db = b.db, g.dc = b.dc, g.ddt = b.ddt;
  g.dend = b.dend, g.dstart = b.dstart;
  g.group = ceil_div(a.h, most_groups);
  g.groups = ceil_div(a.h, g.group);
  g.parts = ceil_div(a.p * a.s, threads);
  const int64_t items = g.t.items, tokens = items * a.h * a.chunk;
  g.dstates = space.take<float>(items * a.h * a.p * a.s);
  if (g.dstart) g.first = space.take<float>(a.n * a.h * a.p * a.s);
  g.ends = space.take<float>(items * a.h * g.parts);
  g.dcb = space.take<float>(g.groups * items * a.chunk * a.chunk);
  g.dc_parts = space.take<float>(g.groups * items * a.chunk * a.s);
  g.db_parts = space.take<float>(g.groups * items * a.chunk * a.s);
  for (float **part : {&g.rows, &g.columns}) *part = space.take<float>(tiles(a.chunk) * tokens);
  for (float **part : {&g.early, &g.late}) *part = space.take<float>(tiles(a.s) * tokens);
  for (float **part : {&g.along, &g.skipped}) *part = space.take<float>(tiles(a.p) * tokens);
  return g;
}

// sequences is b for n sequences from first on.
static struct rpg_ssd_backward sequences(const struct rpg_ssd_backward &b, int64_t first, int64_t n) {
  struct rpg_ssd_backward part = b;
  struct rpg_ssd &a = part.forward;
  a.n = n;
  for (struct rpg_matrix *m : {&a.x, &a.b, &a.c, &a.dt, &part.dy, &part.dx, &part.db, &part.dc, &part.ddt}) {
    m->data += first * a.l * m->stride;
    m->rows = n * a.l;
  }
  const int64_t size = a.h * a.p * a.s;
  a.states += first * ceil_div(a.l, a.chunk) * size;
  if (a.start) a.start += first * size;
  if (a.end) a.end += first * size;
  if (part.dstart) part.dstart += first * size;
  if (part.dend) part.dend += first * size;
  return part;
}

int rpg_ssd_backward(rpg_device *dev, const struct rpg_ssd_backward *b) {
  const struct rpg_ssd &a = b->forward;
  if (a.n == 0 || a.l == 0) return 0;
  const int64_t chunks = ceil_div(a.l, a.chunk);
  int64_t most = most_states / static_cast<int64_t>(sizeof(float)) / (chunks * a.h * a.p * a.s);
  most = most < 1 ? 1 : most < a.n ? most : a.n;

  double *sums = nullptr;
  const auto place = [&](uintptr_t base, int64_t first, int64_t n, ssd_gradient *g) {
    ssd_space space{base};
    sums = space.take<double>(a.n * chunks * 3 * a.h);
    *g = ssd_gradient_of(sequences(*b, first, n), space);
    g->sums = sums + first * chunks * 3 * a.h;
    return space.used;
  };
  ssd_gradient g;
  void *space;
  if (int bad = rpg_workspace(dev, place(0, 0, most, &g), &space)) return bad;
  for (int64_t first = 0; first < a.n; first += most) {
    place(reinterpret_cast<uintptr_t>(space), first, first + most < a.n ? most : a.n - first, &g);
    if (int bad = ssd_prepare(dev, g.t)) return bad;
    if (chunks > 1 || g.dstart || g.dend) {
      LAUNCH(dev, leaving, dim3(tiles(a.s) * tiles(a.p) * a.h * g.t.items), ssd_threads, 0, g);
      LAUNCH(dev, pass_back, dim3(g.parts * a.h * g.t.a.n), threads, 0, g);
    }
    if (int bad = ssd_inside(dev, g)) return bad;
    if (int bad = ssd_edges(dev, g)) return bad;
    if (int bad = ssd_inputs(dev, g)) return bad;
    LAUNCH(dev, finish, dim3(ceil_div(a.h, heads) * g.t.items), threads, 0, g);
  }
  LAUNCH(dev, add_items, dim3(ceil_div(a.h, threads), 3), threads, 0, *b, sums, a.n * chunks);
  return 0;
}
