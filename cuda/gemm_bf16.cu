// Products of bf16 on tensor cores. First factors in float32 are rounded to bf16 in the
// workspace: that is 6 bytes of traffic a value, once, instead of 4 bytes for each
// tile that needs it. Then a block of 4 warps makes tile × tile sums, a warp a
// quarter of them. Three stages of shared memory hold 32 products' depth each, of
// which two are on their way while the block multiplies the third.
#include "gemm.cuh"
#include "tensor.cuh"

namespace {

// ---- rounding -----------------------------------------------------------------

constexpr int eight = 8;  // values that a thread rounds

struct alignas(16) step {
  uint32_t pairs[eight / 2];
};
struct rounding {
  gemm_factor<float> from;
  bool kept;  // from.data points to bf16
  bf16_t *to;
  unsigned steps;  // in a row of `to`
  bool aligned;
};

__global__ void __launch_bounds__(threads) round_factors(rounding a, rounding b) {
  const rounding r = blockIdx.y ? b : a;
  const unsigned i = blockIdx.x * threads + threadIdx.x;
  const unsigned row = i / r.steps, col = i % r.steps * eight;
  if (row >= r.from.rows) return;
  const float *from = r.from.data + row * r.from.stride + col;
  float v[eight];
  if (r.aligned && col + eight <= r.from.cols) {
    const float4 low = reinterpret_cast<const float4 *>(from)[0], high = reinterpret_cast<const float4 *>(from)[1];
    v[0] = low.x, v[1] = low.y, v[2] = low.z, v[3] = low.w;
    v[4] = high.x, v[5] = high.y, v[6] = high.z, v[7] = high.w;
  } else if (r.kept) {
    const bf16_t *values = reinterpret_cast<const bf16_t *>(r.from.data) + row * r.from.stride + col;
#pragma unroll
    for (int k = 0; k < eight; k++) v[k] = col + k < r.from.cols ? bf16_number(values[k]) : 0;
  } else {
#pragma unroll
    for (int k = 0; k < eight; k++) v[k] = col + k < r.from.cols ? from[k] : 0;
  }
  step out;
#pragma unroll
  for (int k = 0; k < eight / 2; k++) out.pairs[k] = bf16_pair(v[2 * k], v[2 * k + 1]);
  reinterpret_cast<step *>(r.to)[i] = out;
}

int64_t steps_of(const gemm_factor<float> &f) { return ceil_div(f.cols, eight); }

// factor_bytes is a multiple of 256.
size_t factor_bytes(const gemm_factor<float> &f) { return ceil_div(f.rows * steps_of(f) * eight * sizeof(bf16_t), 256) * 256; }

gemm_factor<bf16_t> rounded_factor(const gemm_factor<float> &f, uintptr_t to) {
  return {reinterpret_cast<bf16_t *>(to), f.rows, f.cols, steps_of(f) * eight};
}

rounding rounding_of(const gemm_factor<float> &f, bool kept, const gemm_factor<bf16_t> &to) {
  const bool aligned = !kept && reinterpret_cast<uintptr_t>(f.data) % 16 == 0 && f.stride % 4 == 0;
  return {f, kept, const_cast<bf16_t *>(to.data), static_cast<unsigned>(steps_of(f)), aligned};
}

// stays says that B is bf16 and lies as the products want it.
bool stays(const gemm_task<float> &g) {
  return g.rounded_b && reinterpret_cast<uintptr_t>(g.b.data) % 16 == 0 && g.b.stride % 8 == 0 && g.b.stride >= g.b.cols;
}

// ---- products -----------------------------------------------------------------

constexpr int depth = 32, stages = 3, block = 128;

// A side of the product: op(A), or op(B) transposed. Its lines are rows or columns
// of C. along_k says that values of one line lie side by side; then shared memory
// has a row of 32 values for each line, else a row of the lines for each k.
template <int tile, bool along_k>
struct side {
  static constexpr int steps = along_k ? depth / 8 : tile / 8;  // of 8 values in a row of shared memory
  static constexpr int copies = tile * depth / 8 / block, apart = block / steps;  // of a thread, rows from one to the next

  const bf16_t *from;     // of the thread's first copy, of the next depth
  int64_t hop, advance;   // to its next copy, to the next depth
  int row, rows, inside;  // the first copy's row, how many there are, and values of its row that are left
  int to;                 // the first copy's step in shared memory

  __device__ __forceinline__ side(const gemm_factor<bf16_t> &f, int line, int lines, int k, int end) {
    const int t = threadIdx.x, col = (along_k ? k : line) + t % steps * 8;
    row = (along_k ? line : k) + t / steps;
    rows = along_k ? lines : end;
    inside = (along_k ? end : lines) - col;
    from = f.data + row * f.stride + col;
    hop = apart * f.stride;
    advance = along_k ? depth : depth * f.stride;
    to = swizzled<steps>(t / steps, t % steps);
  }

  // load copies one depth after the other.
  __device__ __forceinline__ void load(bf16_t *shared) {
    static_assert(apart % 8 == 0, "swizzled moves the steps of all copies in the same way");
#pragma unroll
    for (int i = 0; i < copies; i++) {
      const int values = row + i * apart < rows ? (inside < 8 ? inside : 8) : 0;
      copy_async(shared + (to + i * block) * 8, from + i * hop, values > 0 ? values * static_cast<int>(sizeof(bf16_t)) : 0);
    }
    from += advance;
    if (along_k)
      inside -= depth;
    else
      row += depth;
  }

  // tile16 is the 16×16 tile of lines `line`.. and products k.. of what load has
  // stored; `rows` where the tile is a left one along k or a right one across.
  template <bool rows>
  static __device__ __forceinline__ warp_tile tile16(const bf16_t *from, int line, int k) {
    const int lane = threadIdx.x % 32;
    const tile_spot spot = rows ? by_rows(lane) : by_columns(lane);
    if (along_k) return load_tile(from + swizzled<steps>(line + spot.row, k / 8 + spot.step) * 8);
    return load_tile_transposed(from + swizzled<steps>(k + spot.row, line / 8 + spot.step) * 8);
  }
};

template <int tile, bool trans_a, bool trans_b>
__global__ void __launch_bounds__(block, 2) multiply(gemm_task<bf16_t> g, gemm_split s) {
  constexpr int quarter = tile / 2, tiles = quarter / 16;  // of a warp, in each direction
  using left_side = side<tile, !trans_a>;
  using right_side = side<tile, trans_b>;
  DYNAMIC_SHARED(shared, bf16_t);
  const auto left = [&](int stage) { return shared + stage * 2 * tile * depth; };
  const auto right = [&](int stage) { return shared + (stage * 2 + 1) * tile * depth; };

  const gemm_tile at = gemm_tile_of(blockIdx.x, tile, g.m, g.n);
  const int start = blockIdx.z * s.depth, end = g.k - start < s.depth ? g.k : start + s.depth;
  left_side lefts(g.a, at.row, g.m, start, end);
  right_side rights(g.b, at.col, g.n, start, end);
  const auto load = [&](int stage, int k) {
    if (k < end) {
      lefts.load(left(stage));
      rights.load(right(stage));
    }
    copy_commit();
  };
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int down = warp / 2 * quarter, across = warp % 2 * quarter;

  warp_sums sums[tiles][2 * tiles] = {};
  for (int stage = 0; stage < stages - 1; stage++) load(stage, start + stage * depth);
  int now = 0;
  for (int k = start; k < end; k += depth) {
    copy_wait<stages - 2>();
    __syncthreads();  // what is there is there for all, and the stage before is free
    load(now == 0 ? stages - 1 : now - 1, k + (stages - 1) * depth);
#pragma unroll
    for (int d = 0; d < depth; d += 16) {
      warp_tile l[tiles], r[tiles];
#pragma unroll
      for (int i = 0; i < tiles; i++) {
        l[i] = left_side::template tile16<!trans_a>(left(now), down + 16 * i, d);
        r[i] = right_side::template tile16<!trans_b>(right(now), across + 16 * i, d);
      }
#pragma unroll
      for (int i = 0; i < tiles; i++)
#pragma unroll
        for (int j = 0; j < 2 * tiles; j++) multiply_add(sums[i][j], l[i], r[j / 2].v + j % 2 * 2);
    }
    now = now == stages - 1 ? 0 : now + 1;
  }

#pragma unroll
  for (int i = 0; i < tiles; i++)
#pragma unroll
    for (int j = 0; j < 2 * tiles; j++) {
      const int row = at.row + down + 16 * i + lane / 4, col = at.col + across + 8 * j + lane % 4 * 2;
      const float *v = sums[i][j].v;
      gemm_put(g, s, row, col, gemm_values<2>{{v[0], v[1]}});
      gemm_put(g, s, row + 8, col, gemm_values<2>{{v[2], v[3]}});
    }
}

template <int tile>
int start(rpg_device *dev, const gemm_task<bf16_t> &g, const gemm_split &s) {
  const auto kernel = g.trans_a ? (g.trans_b ? multiply<tile, true, true> : multiply<tile, true, false>)
                                : (g.trans_b ? multiply<tile, false, true> : multiply<tile, false, false>);
  LAUNCH(dev, kernel, gemm_grid(s, g.m, g.n), block, stages * 2 * tile * depth * sizeof(bf16_t), g, s);
  return 0;
}

}  // namespace

size_t gemm_rounded_bytes(const gemm_task<float> &g) { return factor_bytes(g.a) + (stays(g) ? 0 : factor_bytes(g.b)); }

gemm_task<bf16_t> gemm_rounded(const gemm_task<float> &g, void *to) {
  const uintptr_t first = reinterpret_cast<uintptr_t>(to);
  const gemm_factor<bf16_t> kept = {reinterpret_cast<const bf16_t *>(g.b.data), g.b.rows, g.b.cols, g.b.stride};
  return {g.c, g.c_stride, rounded_factor(g.a, first), stays(g) ? kept : rounded_factor(g.b, first + factor_bytes(g.a)),
          g.bias, g.m, g.n, g.k, g.trans_a, g.trans_b, g.beta, false};
}

int gemm_round(rpg_device *dev, const gemm_task<float> &g, const gemm_task<bf16_t> &rounded) {
  if (g.k == 0) return 0;
  const unsigned factors = stays(g) ? 1 : 2;
  const int64_t steps_a = g.a.rows * steps_of(g.a), steps_b = g.b.rows * steps_of(g.b);
  const int64_t most = factors == 1 || steps_a > steps_b ? steps_a : steps_b;
  LAUNCH(dev, round_factors, dim3(static_cast<unsigned>(ceil_div(most, threads)), factors), threads, 0,
         rounding_of(g.a, false, rounded.a), rounding_of(g.b, g.rounded_b, rounded.b));
  return 0;
}

int gemm_bf16(rpg_device *dev, const gemm_task<bf16_t> &g, const gemm_split &s) {
  return s.tile == 128 ? start<128>(dev, g, s) : start<64>(dev, g, s);
}
