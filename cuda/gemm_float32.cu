// Products of float32 without tensor cores. A block of 256 threads makes 16r ×
// 16r sums, r = 8 or 4, a thread r × r of them. 1024 values of each factor at a
// time go through registers into shared memory, k after k, while the block
// multiplies the 1024 before.
#include "gemm.cuh"

namespace {

constexpr int values = 4 * threads;  // of a factor that a block loads at a time

__device__ __forceinline__ float part(const float4 &v, int i) { return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w; }

// fetch gives 4 values of a row, and 0 for those outside.
__device__ __forceinline__ float4 fetch(const gemm_factor<float> &f, bool aligned, int row, int rows, int col, int cols) {
  float4 v = make_float4(0, 0, 0, 0);
  if (row >= rows || col >= cols) return v;
  const float *at = f.data + row * f.stride + col;
  if (aligned && col + 4 <= cols) return *reinterpret_cast<const float4 *>(at);
  v.x = at[0];
  if (col + 1 < cols) v.y = at[1];
  if (col + 2 < cols) v.z = at[2];
  if (col + 3 < cols) v.w = at[3];
  return v;
}

// A side of the product: op(A), or op(B) transposed. Its lines are rows or columns
// of C. along_k says that values of one line lie side by side.
template <int tile, bool along_k>
struct side {
  static constexpr int depth = values / tile, pitch = tile + 4;  // 4: stores along k meet different banks

  static __device__ __forceinline__ float4 load(const gemm_factor<float> &f, bool aligned, int line, int lines, int k, int end) {
    const int t = threadIdx.x;
    if (along_k) return fetch(f, aligned, line + t / (depth / 4), lines, k + t % (depth / 4) * 4, end);
    return fetch(f, aligned, k + t / (tile / 4), end, line + t % (tile / 4) * 4, lines);
  }

  static __device__ __forceinline__ void store(float4 *to, const float4 &v) {
    const int t = threadIdx.x;
    if (along_k) {
      float *at = reinterpret_cast<float *>(to) + t % (depth / 4) * 4 * pitch + t / (depth / 4);
#pragma unroll
      for (int i = 0; i < 4; i++) at[i * pitch] = part(v, i);
    } else {
      to[t / (tile / 4) * (pitch / 4) + t % (tile / 4)] = v;
    }
  }
};

template <int r, bool trans_a, bool trans_b>
__global__ void __launch_bounds__(threads) multiply(gemm_task<float> g, gemm_split s, bool aligned_a, bool aligned_b) {
  constexpr int tile = 16 * r, fours = r / 4;
  using left_side = side<tile, !trans_a>;
  using right_side = side<tile, trans_b>;
  constexpr int depth = left_side::depth, row = left_side::pitch / 4;  // in float4
  SHARED(left, float4[2][depth * row]);
  SHARED(right, float4[2][depth * row]);

  const gemm_tile at = gemm_tile_of(blockIdx.x, tile, g.m, g.n);
  const int start = blockIdx.z * s.depth, end = g.k - start < s.depth ? g.k : start + s.depth;
  // A warp's sums are 4 × 8 threads': few different reads of shared memory.
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int y = warp / 2 * 4 + lane / 8, x = warp % 2 * 8 + lane % 8;

  float sums[r][r] = {};
  float4 next_left, next_right;
  const auto load = [&](int k) {
    next_left = left_side::load(g.a, aligned_a, at.row, g.m, k, end);
    next_right = right_side::load(g.b, aligned_b, at.col, g.n, k, end);
  };
  const auto store = [&](int half) {
    left_side::store(left[half], next_left);
    right_side::store(right[half], next_right);
  };

  load(start);
  store(0);
  __syncthreads();
  int half = 0;
  for (int k = start; k < end; k += depth) {
    const bool more = end - k > depth;
    if (more) load(k + depth);
#pragma unroll
    for (int d = 0; d < depth; d++) {
      float4 l[fours], q[fours];
#pragma unroll
      for (int i = 0; i < fours; i++) {
        l[i] = left[half][d * row + 16 * i + y];
        q[i] = right[half][d * row + 16 * i + x];
      }
#pragma unroll
      for (int i = 0; i < r; i++)
#pragma unroll
        for (int j = 0; j < r; j++) sums[i][j] += part(l[i / 4], i % 4) * part(q[j / 4], j % 4);
    }
    if (!more) break;
    half ^= 1;
    store(half);
    __syncthreads();
  }

#pragma unroll
  for (int i = 0; i < r; i++)
#pragma unroll
    for (int j = 0; j < r; j += 4)
      gemm_put(g, s, at.row + 64 * (i / 4) + 4 * y + i % 4, at.col + 16 * j + 4 * x,
               gemm_values<4>{{sums[i][j], sums[i][j + 1], sums[i][j + 2], sums[i][j + 3]}});
}

bool aligned(const gemm_factor<float> &f) { return reinterpret_cast<uintptr_t>(f.data) % 16 == 0 && f.stride % 4 == 0; }

template <int r>
int start(rpg_device *dev, const gemm_task<float> &g, const gemm_split &s) {
  const auto kernel = g.trans_a ? (g.trans_b ? multiply<r, true, true> : multiply<r, true, false>)
                                : (g.trans_b ? multiply<r, false, true> : multiply<r, false, false>);
  LAUNCH(dev, kernel, gemm_grid(s, g.m, g.n), threads, 0, g, s, aligned(g.a), aligned(g.b));
  return 0;
}

}  // namespace

int gemm_float32(rpg_device *dev, const gemm_task<float> &g, const gemm_split &s) {
  return s.tile == 128 ? start<8>(dev, g, s) : start<4>(dev, g, s);
}
