// The gradient of the weights, dW[o,c,t] = Σ over tokens and positions of
// dy[o,p]·g[c,p+t-K/2]. Each block sums over a part of the tokens and positions of
// a window, for some output channels, input channels and up to group_taps taps;
// then add_parts adds the parts, in an order that their number decides.
#pragma once

#include "convlayer_simt.cuh"
#include "convlayer_tensor.cuh"

constexpr int group_taps = 7;
constexpr int simt_piece = 128, tensor_piece = 128;  // positions at a time
constexpr int64_t most_part_values = 16 << 20;      // of all parts, unless there is one only

// gradient_plan is how the work is cut up: blockIdx.x goes through tiles of
// channels and taps, blockIdx.y through the parts. Their number depends on the
// sizes alone, for the same bits on every GPU: two blocks for each processor of a
// large one on tensor cores, more of the smaller blocks without.
struct gradient_plan {
  int outs, ins, taps;  // tiles of output channels, of input channels, of taps
  int parts;
  int64_t units;  // pieces of all tokens
};

inline gradient_plan plan_gradient(const conv_shape &s, int tile_outs, int tile_ins, int piece, int blocks) {
  gradient_plan p;
  p.outs = static_cast<int>(ceil_div(s.out, tile_outs));
  p.ins = static_cast<int>(ceil_div(s.in, tile_ins));
  p.taps = static_cast<int>(ceil_div(s.k, group_taps));
  p.units = s.count * ceil_div(s.d, piece);
  // A part has some pieces, or it costs more to write and to add than to sum.
  const int64_t tiles = static_cast<int64_t>(p.outs) * p.ins * p.taps, weights = static_cast<int64_t>(s.in) * s.out * s.k;
  int64_t parts = blocks / tiles;
  if (parts > most_part_values / weights) parts = most_part_values / weights;
  if (parts > ceil_div(p.units, 8)) parts = ceil_div(p.units, 8);
  p.parts = static_cast<int>(parts < 1 ? 1 : parts);
  return p;
}

// A stretch is the pieces first..end-1 of one part.
struct stretch {
  int64_t first, end;
};
__device__ inline stretch stretch_of(const gradient_plan &p, int part) {
  return {p.units * part / p.parts, p.units * (part + 1) / p.parts};
}

// ---- float32 ------------------------------------------------------------------

// A warp has TO output and TC input channels; its lanes have positions of their
// own until the end.
struct simt_tile {
  int out_warps, in_warps;
};
inline simt_tile simt_tile_of(const conv_shape &s) {
  const int to = s.out == 1 ? 1 : 8, tc = s.in == 1 ? 1 : 2;
  int outs = static_cast<int>(ceil_div(s.out, to)), ins = static_cast<int>(ceil_div(s.in, tc));
  if (ins > 2) ins = outs == 1 ? ins < 8 ? ins : 8 : 2;
  if (outs > 8 / ins) outs = 8 / ins;
  return {outs, ins};
}

template <int TO, int TC>
__global__ void __launch_bounds__(256, TO == 8 ? 1 : 3)
gradient_simt(layer_input input, window_values<float> gradients, conv_shape s, gradient_plan plan, simt_tile size, float *parts) {
  DYNAMIC_SHARED(memory, float);
  SHARED(table, channel_norm[2 * simt_channels]);
  constexpr int values = TO * TC * group_taps, at_once = values < 28 ? values : 28;
  constexpr int width = simt_piece + group_taps - 1;
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int outs = size.out_warps * TO, ins = size.in_warps * TC;
  const int t0 = blockIdx.x % plan.taps * group_taps;
  const int c0 = static_cast<int>(blockIdx.x / plan.taps % plan.ins) * ins;
  const int o0 = static_cast<int>(blockIdx.x / plan.taps / plan.ins) * outs;
  float *dy = memory, *g = memory + outs * simt_piece;
  const float *my_dy = dy + warp / size.in_warps * TO * simt_piece + lane;
  const float *my_g = g + warp % size.in_warps * TC * width + lane;
  const int pieces = (s.d + simt_piece - 1) / simt_piece;
  float sums[TO][TC][group_taps] = {};
  const stretch all = stretch_of(plan, blockIdx.y);
  for (int64_t unit = all.first; unit < all.end; unit++) {
    const int64_t token = s.first + unit / pieces;
    const int p0 = static_cast<int>(unit % pieces) * simt_piece;
    load_simt(gradients, dy, table, token, o0, outs, p0, simt_piece);
    load_simt(input, g, table, token, c0, ins, p0 + t0 - s.k / 2, width);
    for (int p = 0; p < simt_piece && p0 + p < s.d; p += 32) {
      float left[TO];
#pragma unroll
      for (int n = 0; n < TO; n++) left[n] = my_dy[n * simt_piece + p];
#pragma unroll
      for (int c = 0; c < TC; c++)
#pragma unroll
        for (int t = 0; t < group_taps; t++) {
          const float right = my_g[c * width + p + t];
#pragma unroll
          for (int n = 0; n < TO; n++) sums[n][c][t] += left[n] * right;
        }
    }
  }
  __syncthreads();  // before the sums are written where the tiles were
  // Each lane adds what all lanes have of one sum.
  const int o = o0 + warp / size.in_warps * TO, c = c0 + warp % size.in_warps * TC;
  float *mine = memory + warp * 32 * (at_once + 1);
#pragma unroll
  for (int first = 0; first < values; first += at_once) {
#pragma unroll
    for (int v = 0; v < at_once; v++)
      mine[lane * (at_once + 1) + v] = sums[(first + v) / (TC * group_taps)][(first + v) / group_taps % TC][(first + v) % group_taps];
    __syncwarp();
    const int v = first + lane, n = v / (TC * group_taps), i = v / group_taps % TC, t = t0 + v % group_taps;
    if (lane < at_once && o + n < s.out && c + i < s.in && t < s.k) {
      float sum = 0;
      for (int k = 0; k < 32; k++) sum += mine[k * (at_once + 1) + lane];
      parts[((static_cast<int64_t>(blockIdx.y) * s.out + o + n) * s.in + c + i) * s.k + t] = sum;
    }
    __syncwarp();
  }
}

template <int TO, int TC>
int launch_gradient_simt(rpg_device *dev, const layer_input &input, const window_values<float> &gradients,
                         const conv_shape &s, const gradient_plan &p, const simt_tile &size, float *parts) {
  const int warps = size.out_warps * size.in_warps;
  const size_t tiles = size.out_warps * TO * simt_piece + size.in_warps * TC * (simt_piece + group_taps - 1);
  const size_t ends = warps * 32 * 29;
  LAUNCH(dev, (gradient_simt<TO, TC>), dim3(p.outs * p.ins * p.taps, p.parts), 32 * warps,
         sizeof(float) * (tiles > ends ? tiles : ends), input, gradients, s, p, size, parts);
  return 0;
}

inline gradient_plan plan_gradient_of(const conv_shape &s, const float *) {
  const simt_tile size = simt_tile_of(s);
  return plan_gradient(s, size.out_warps * (s.out == 1 ? 1 : 8), size.in_warps * (s.in == 1 ? 1 : 2), simt_piece, 1024);
}

inline int launch_gradient(rpg_device *dev, const layer_input &input, const window_values<float> &gradients,
                           const conv_shape &s, const gradient_plan &p, float *parts) {
  const simt_tile size = simt_tile_of(s);
  if (s.out == 1 && s.in == 1) return launch_gradient_simt<1, 1>(dev, input, gradients, s, p, size, parts);
  if (s.out == 1) return launch_gradient_simt<1, 2>(dev, input, gradients, s, p, size, parts);
  if (s.in == 1) return launch_gradient_simt<8, 1>(dev, input, gradients, s, p, size, parts);
  return launch_gradient_simt<8, 2>(dev, input, gradients, s, p, size, parts);
}

// ---- tensor cores ---------------------------------------------------------------

constexpr int gradient_stride = tensor_piece + 8;  // of dy in shared memory, [outputs, positions]
constexpr int signal_rows = tensor_piece + 16;     // of g, [positions, channels]

// gradient_tile is what a block with OW warps for different output channels, 16·MT
// each, has. The others have the same ones of other input channels, 8 each.
template <int MT, int OW>
struct gradient_tile {
  static constexpr int outs = 16 * MT * OW, ins = 8 * (tensor_threads / 32 / OW);
  static constexpr int stride = ins + 8;  // of g
  static constexpr size_t bytes = sizeof(bf16_t) * (signal_rows * stride + outs * gradient_stride);
  static_assert(bytes >= sizeof(float) * tensor_threads / 32 * 16 * 8 * group_taps,
                "the sums of 16 output channels of each warp have no room");
};

// load_gradients puts a piece of dy of `rows` channels into shared memory, zeros for
// positions that do not exist. `from` is the first channel's first one.
__device__ __forceinline__ void load_gradients(const bf16_t *from, bf16_t *dy, int rows, int64_t d, int positions,
                                               bool wide) {
  constexpr int steps = tensor_piece / 8, at_once = tensor_threads / steps;
  const int p = threadIdx.x % steps * 8, first = threadIdx.x / steps, valid = positions - p;
  from += first * d + p;
  bf16_t *to = dy + first * gradient_stride + p;
  if (wide && valid > 0) {
#pragma unroll 4
    for (int row = first; row < rows; row += at_once, from += at_once * d, to += at_once * gradient_stride)
      copy_async(to, from, 16);
  } else {
#pragma unroll 1
    for (int row = first; row < rows; row += at_once, from += at_once * d, to += at_once * gradient_stride)
      for (int k = 0; k < 8; k++) to[k] = k < valid ? from[k] : bf16_t(0);
  }
  copy_commit();
}

// add_products adds those of up to `positions` positions: of all taps or the first ones.
template <int MT, int stride, bool all>
__device__ __forceinline__ void add_products(warp_sums (&sums)[MT][group_taps], const bf16_t *dy, const bf16_t *g,
                                             int positions, int taps) {
#pragma unroll 1
  for (int p = 0; p < positions; p += 32, dy += 32, g += 32 * stride) {
    warp_tile left[MT][2];
#pragma unroll
    for (int m = 0; m < MT; m++)
      for (int half = 0; half < 2; half++) left[m][half] = load_tile(dy + m * 16 * gradient_stride + 16 * half);
#pragma unroll
    for (int t = 0; t < group_taps; t++) {
      if (!all && t >= taps) break;
      // The right tiles of two steps of 16 positions, of 8 channels, at once.
      const warp_tile right = load_tile_transposed(g + t * stride);
#pragma unroll
      for (int m = 0; m < MT; m++) {
        multiply_add(sums[m][t], left[m][0], right.v);
        multiply_add(sums[m][t], left[m][1], right.v + 2);
      }
    }
  }
}

// A warp has 16·MT output channels, 8 input channels and all taps. The tile of g begins
// `start` positions from the piece, at a multiple of 8, so that strips of load_positions
// are full; the first tap is `off` rows on. The last 16 rows are the first ones of the
// next piece of the same token.
template <int MT, int OW>
__global__ void __launch_bounds__(tensor_threads, MT == 4 ? 2 : 3)
gradient_tensor(layer_input input, window_values<bf16_t> gradients, conv_shape s, gradient_plan plan, float *parts) {
  typedef gradient_tile<MT, OW> tile;
  DYNAMIC_SHARED(memory, bf16_t);
  SHARED(table, channel_norm[2 * tile::ins]);
  bf16_t *g = memory, *dy = memory + signal_rows * tile::stride;
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, wo = warp % OW, wi = warp / OW;
  const int t0 = blockIdx.x % plan.taps * group_taps;
  const int c0 = static_cast<int>(blockIdx.x / plan.taps % plan.ins) * tile::ins;
  const int o0 = static_cast<int>(blockIdx.x / plan.taps / plan.ins) * tile::outs;
  const int o = o0 + wo * 16 * MT, c = c0 + wi * 8;
  const int rows = s.out - o0 < tile::outs ? s.out - o0 : tile::outs;
  const int taps = s.k - t0 < group_taps ? s.k - t0 : group_taps;
  const int start = (t0 - s.k / 2) & ~7, off = (t0 - s.k / 2) & 7;
  const tile_spot spot = by_rows(lane);
  const bf16_t *left = dy + (wo * 16 * MT + spot.row) * gradient_stride + spot.step * 8;
  const bf16_t *right = g + (lane + off) * tile::stride + wi * 8;
  for (int i = rows * gradient_stride + threadIdx.x; i < tile::outs * gradient_stride; i += tensor_threads) dy[i] = 0;
  const int pieces = (s.d + tensor_piece - 1) / tensor_piece;
  warp_sums sums[MT][group_taps] = {};
  const stretch all = stretch_of(plan, blockIdx.y);
  int64_t token = s.first + all.first / pieces;
  int piece = static_cast<int>(all.first % pieces);
  const int units = static_cast<int>(all.end - all.first);  // of a window, which is in the workspace
  for (int unit = 0; unit < units; unit++) {
    const bool begin = unit == 0 || piece == 0;
    const int p0 = piece * tensor_piece, positions = s.d - p0 < tensor_piece ? s.d - p0 : tensor_piece;
    const bf16_t *from = gradients.data + ((token - gradients.first) * s.out + o0) * s.d + p0;
    load_gradients(from, dy, rows, s.d, positions, gradients.wide);
    if (!begin && threadIdx.x < 2 * tile::ins) {
      const int at = threadIdx.x / (tile::ins / 8) * tile::stride + threadIdx.x % (tile::ins / 8) * 8;
      *reinterpret_cast<uint4 *>(g + at) = *reinterpret_cast<const uint4 *>(g + tensor_piece * tile::stride + at);
    }
    const int skip = begin ? 0 : 16;
    load_positions(input, g + skip * tile::stride, tile::stride, table, token, c0, tile::ins, p0 + start + skip,
                   signal_rows - skip);
    copy_wait<0>();
    __syncthreads();
    if (o < s.out && c < s.in) {
      if (taps == group_taps)
        add_products<MT, tile::stride, true>(sums, left, right, positions, taps);
      else
        add_products<MT, tile::stride, false>(sums, left, right, positions, taps);
    }
    __syncthreads();  // before the next piece
    if (++piece == pieces) piece = 0, token++;
  }
  // Through shared memory, where the taps of 8 channels lie side by side as in a part: the
  // lanes have weights of other rows.
  constexpr int width = 8 * group_taps;
  float *mine = reinterpret_cast<float *>(memory) + warp * 16 * width;
  const int64_t next = static_cast<int64_t>(s.in) * s.k;
#pragma unroll
  for (int m = 0; m < MT; m++) {
    const int first = o + 16 * m, count = s.out - first < 16 ? s.out - first : 16;
#pragma unroll
    for (int t = 0; t < group_taps; t++)
#pragma unroll
      for (int n = 0; n < 4; n++)
        mine[(lane / 4 + n / 2 * 8) * width + (lane % 4 * 2 + n % 2) * group_taps + t] = sums[m][t].v[n];
    __syncwarp();
    for (int at = lane; at < width; at += 32) {
      const int in = c + at / group_taps, t = at % group_taps;
      if (in >= s.in || t >= taps) continue;
      float *to = parts + (static_cast<int64_t>(blockIdx.y) * s.out + first) * next;
      to += static_cast<int64_t>(in) * s.k + t0 + t;
      for (int row = 0; row < count; row++, to += next) *to = mine[row * width + at];
    }
    __syncwarp();
  }
}

template <int MT, int OW>
int launch_gradient_tensor(rpg_device *dev, const layer_input &input, const window_values<bf16_t> &gradients,
                           const conv_shape &s, const gradient_plan &p, float *parts) {
  LAUNCH(dev, (gradient_tensor<MT, OW>), dim3(p.outs * p.ins * p.taps, p.parts), tensor_threads,
         (gradient_tile<MT, OW>::bytes), input, gradients, s, p, parts);
  return 0;
}

// gradient_outs is the number of output channels of a block. Up to 64 are one warp's,
// and the four have other input channels.
inline int gradient_outs(const conv_shape &s) { return s.out <= 16 ? 16 : s.out <= 32 ? 32 : s.out <= 64 ? 64 : 128; }

inline gradient_plan plan_gradient_of(const conv_shape &s, const bf16_t *) {
  const int outs = gradient_outs(s);
  return plan_gradient(s, outs, outs <= 64 ? 32 : 16, tensor_piece, 256);
}

inline int launch_gradient(rpg_device *dev, const layer_input &input, const window_values<bf16_t> &gradients,
                           const conv_shape &s, const gradient_plan &p, float *parts) {
  if (gradient_outs(s) == 16) return launch_gradient_tensor<1, 1>(dev, input, gradients, s, p, parts);
  if (gradient_outs(s) == 32) return launch_gradient_tensor<2, 1>(dev, input, gradients, s, p, parts);
  if (gradient_outs(s) == 64) return launch_gradient_tensor<4, 1>(dev, input, gradients, s, p, parts);
  return launch_gradient_tensor<4, 2>(dev, input, gradients, s, p, parts);
}

// add_parts adds the parts to dW. A block has 32 weights; each of its warps adds some
// parts, evenly spaced, and the first one what the warps have. There is a warp for 8
// parts, or reading them one after another would take longer than to make them.
constexpr int most_part_warps = 32;
inline unsigned part_threads(int parts) {
  const int warps = static_cast<int>(ceil_div(parts, 8));
  return 32 * (warps < most_part_warps ? warps : most_part_warps);
}
static __global__ void __launch_bounds__(32 * most_part_warps)
add_parts(const float *parts, int count, conv_shape s, struct rpg_matrix dw) {
  SHARED(sums, float[32 * most_part_warps]);
  const int lane = threadIdx.x & 31, warps = blockDim.x >> 5;
  const int64_t cols = static_cast<int64_t>(s.in) * s.k, n = cols * s.out, i = static_cast<int64_t>(blockIdx.x) * 32 + lane;
  float sum = 0;
  if (i < n) {
#pragma unroll 8
    for (int part = threadIdx.x >> 5; part < count; part += warps) sum += parts[part * n + i];
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x >= 32 || i >= n) return;
  for (int warp = 1; warp < warps; warp++) sum += sums[warp * 32 + lane];
  dw.data[i / cols * dw.stride + i % cols] += sum;
}
