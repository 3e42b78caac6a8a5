// What the kernels of ConvLayer and of its backward pass share. In all of them a
// block takes one token at a time and a tile of its positions; "source" is where
// the values come from that are convolved, "sink" where the results go.
#pragma once

#include "signals.cuh"

// channel_norm is the part of a BatchNorm that makes N of one channel.
struct alignas(16) channel_norm {
  float mean, inv_std, scale, bias;
  __device__ float line(float x) const { return (x - mean) * (scale * inv_std) + bias; }
};

__device__ __forceinline__ channel_norm norm_of(const struct rpg_batch_norm &n, int c) {
  return {n.mean[c], n.inv_std[c], n.scale[c], n.bias[c]};
}

// exponential is e^u for the negative side of ELU, to about 2^-22 + |u|·2^-24 of it: what
// is rounded away beside the 1 that ELU subtracts is as much.
__device__ __forceinline__ float exponential(float u) {
#ifdef __CUDACC__
  float e;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(e) : "f"(u * 1.44269504f));
  return e;
#else
  return expf(u);
#endif
}
__device__ __forceinline__ float elu(float u) { return u < 0 ? exponential(u) - 1 : u; }

// layer_input is the source of the forward pass: g of compute.ConvLayer.
struct layer_input {
  signals x, skip;
  struct rpg_batch_norm x_norm, skip_norm;
  struct rpg_matrix cond, time;
  int channels, d;
  bool wide;   // load_eight and pairs may be used
  bool fours;  // as of signals, for cond and time

  // A place is a position of a token; inside says whether the token has it.
  struct place {
    int64_t x, skip;  // of channel 0
    float cond, time;
    bool inside;
  };
  __device__ place at(int64_t token, int p) const {
    if (p < 0 || p >= d) return {0, 0, 0, 0, false};
    return {token * x.stride + p, token * skip.stride + p, cond.data[token * cond.stride + p],
            time.data[token * time.stride + p], true};
  }

  // A table holds the norms of `count` channels from `first` on, 0 for one that is not
  // there, 2·count values. All threads of the block fill it.
  __device__ void fill(channel_norm *table, int first, int count) const {
    for (int i = threadIdx.x; i < count; i += blockDim.x) {
      const bool there = first + i < channels;
      if (x_norm.scale) table[i] = there ? norm_of(x_norm, first + i) : channel_norm{};
      if (skip_norm.scale) table[count + i] = there ? norm_of(skip_norm, first + i) : channel_norm{};
    }
  }

  // load and value are the two halves of g at a place, so that several loads can
  // be under way: of channel c, which may not be there, and with its norms, which
  // are entries i and count+i of the table.
  struct raw {
    float x, skip;
  };
  __device__ __forceinline__ raw load(const place &at, int c) const {
    if (!at.inside || c >= channels) return {0, 0};
    const int64_t row = static_cast<int64_t>(c) * d;
    return {x.load(at.x + row), skip.data ? skip.load(at.skip + row) : 0};
  }
  // load_eight is load of x, of channels c and c+1 and for positions p..p+7, a multiple of
  // 8, in the order of eight; and pairs is value: of each position the two channels,
  // rounded, position 2·(k^turn)+half as to[k][half]. What is not there is loaded from
  // the first channel or position, so that no load has a condition, and pairs makes it 0.
  struct raws {
    eight v[2];
  };
  __device__ __forceinline__ raws load_eight(int64_t token, int p, int c, int turn) const {
    return eights_of(x, token, p, c, turn);
  }
  __device__ __forceinline__ raws eights_of(const signals &from, int64_t token, int p, int c, int turn) const {
    raws r;
    const int64_t at = token * from.stride + (p >= 0 && p < d ? p : 0);
    r.v[0] = ::load_eight(from.data, at + static_cast<int64_t>(c < channels ? c : 0) * d, turn);
    r.v[1] = ::load_eight(from.data, at + static_cast<int64_t>(c + 1 < channels ? c + 1 : 0) * d, turn);
    return r;
  }
  __device__ __forceinline__ void pairs(uint32_t (&to)[4][2], const raws &r, const channel_norm *table, int i, int count,
                                        int64_t token, int p, int c, int turn) const {
    const bool inside = p >= 0 && p < d;
    raws skips = {};
    if (skip.data) skips = eights_of(skip, token, p, c, turn);
    const float *conds = cond.data + token * cond.stride + (inside ? p : 0);
    const float *times = time.data + token * time.stride + (inside ? p : 0);
    const uint32_t there = !inside || c >= channels ? 0 : c + 1 < channels ? 0xffffffffu : 0xffffu;
    // 4 positions at a time, as many numbers as there are registers for.
#pragma unroll
    for (int half = 0; half < 4; half += 2) {
      float v[2][4];
#pragma unroll
      for (int n = 0; n < 2; n++) numbers(v[n], r.v[n], half, x_norm.scale, table[i + n]);
      float2 by[2];
#pragma unroll
      for (int k = 0; k < 2; k++) {
        const int at = 2 * ((half + k) ^ turn);
        const float2 more = *aligned_to<float2>(conds + at);
        by[k] = *aligned_to<float2>(times + at);
#pragma unroll
        for (int n = 0; n < 2; n++) v[n][2 * k] += more.x, v[n][2 * k + 1] += more.y;
      }
      if (skip.data) {
#pragma unroll
        for (int n = 0; n < 2; n++) {
          float s[4];
          numbers(s, skips.v[n], half, skip_norm.scale, table[count + i + n]);
#pragma unroll
          for (int k = 0; k < 4; k++) v[n][k] += s[k];
        }
      }
#pragma unroll
      for (int k = 0; k < 2; k++) {
        to[half + k][0] = bf16_pair(v[0][2 * k] * by[k].x, v[1][2 * k] * by[k].x) & there;
        to[half + k][1] = bf16_pair(v[0][2 * k + 1] * by[k].y, v[1][2 * k + 1] * by[k].y) & there;
      }
    }
  }
  // numbers are those of two pairs of an eight, or, of which there is a norm, ELU(N) of them.
  static __device__ __forceinline__ void numbers(float (&v)[4], const eight &from, int pair, bool normed,
                                                 const channel_norm &norm) {
#pragma unroll
    for (int k = 0; k < 2; k++) v[2 * k] = lower_number(from.v[pair + k]), v[2 * k + 1] = upper_number(from.v[pair + k]);
    if (!normed) return;
    const channel_norm n = norm;
#pragma unroll
    for (int k = 0; k < 4; k++) v[k] = elu(n.line(v[k]));
  }
  __device__ __forceinline__ float value(const place &at, const raw &r, const channel_norm *table, int i, int count,
                                         int c) const {
    if (!at.inside || c >= channels) return 0;
    const float x = x_norm.scale ? elu(table[i].line(r.x)) : r.x;
    const float s = skip_norm.scale ? elu(table[count + i].line(r.skip)) : r.skip;
    return (x + at.cond + s) * at.time;
  }
};

inline layer_input input_of(const struct rpg_conv_layer &a) {
  const int d = static_cast<int>(a.d);
  const signals x = signals_of(a.x, d), skip = signals_of(a.skip, d);
  const bool fours = in_fours(a.cond.data, a.cond.stride, false, d) && in_fours(a.time.data, a.time.stride, false, d);
  return {x, skip, a.x_norm, a.skip_norm, a.cond, a.time, static_cast<int>(a.in), d,
          in_eights(x, d) && (!skip.data || in_eights(skip, d)) && fours, fours};
}

// window_values is the source of the backward pass: what an earlier kernel left
// in the workspace for a window of tokens from `first` on, dense: float32 or, for
// tensor cores, bf16.
template <class T>
struct window_values {
  const T *data;
  int64_t first;
  int channels, d;
  bool wide;  // as of layer_input

  struct place {
    int64_t at;
    bool inside;
  };
  __device__ place at(int64_t token, int p) const {
    return {(token - first) * channels * d + p, p >= 0 && p < d};
  }
  __device__ void fill(channel_norm *, int, int) const {}
  typedef float raw;
  __device__ __forceinline__ raw load(const place &at, int c) const {
    return at.inside && c < channels ? number(data[at.at + static_cast<int64_t>(c) * d]) : 0;
  }
  struct raws {
    eight v[2];
  };
  __device__ __forceinline__ raws load_eight(int64_t token, int p, int c, int turn) const {
    raws r = {};
    if (p < 0 || p >= d) return r;
    const int64_t at = ((token - first) * channels + c) * d + p;
    if (c < channels) r.v[0] = ::load_eight(data, at, turn);
    if (c + 1 < channels) r.v[1] = ::load_eight(data, at + d, turn);
    return r;
  }
  __device__ __forceinline__ void pairs(uint32_t (&to)[4][2], const raws &r, const channel_norm *, int, int, int64_t, int,
                                        int, int) const {
#pragma unroll
    for (int k = 0; k < 4; k++) {
      to[k][0] = lower_halves(r.v[0].v[k], r.v[1].v[k]);
      to[k][1] = upper_halves(r.v[0].v[k], r.v[1].v[k]);
    }
  }
  __device__ __forceinline__ float value(const place &, raw r, const channel_norm *, int, int, int) const { return r; }
};

// conv_shape is one convolution: for the gradient of g, `in` and `out` have
// changed places. Tokens first..first+count-1 are taken.
struct conv_shape {
  int in, out, k, d;
  int64_t first, count;
};

inline conv_shape shape_of(const struct rpg_conv_layer &a) {
  return {static_cast<int>(a.in), static_cast<int>(a.out), static_cast<int>(a.k), static_cast<int>(a.d), 0, a.tokens};
}

// Sinks take rows: 32·J positions of one channel, held by a warp, whose lane l has
// positions p + spread<N>(l, j). rows is called for each R neighbouring channels, R a
// power of 2, of which the last may not be there; and finish at the end by all threads
// of the block: the columns, which are what a warp sums over the channels, are then
// added in `memory`, for the warps 0..groups-1 that had the same positions.
template <int J>
struct no_columns {};

// warp_sums_of gives lane l what warp_sum gives of v[l/(32/R)], with fewer shuffles.
template <int R>
__device__ __forceinline__ float warp_sums_of(float (&v)[R]) {
  int lanes = 16;
#pragma unroll
  for (int n = R / 2; n > 0; n /= 2, lanes /= 2) {
    const bool upper = threadIdx.x & lanes;
#pragma unroll
    for (int i = 0; i < n; i++) {
      const float mine = upper ? v[i + n] : v[i], other = upper ? v[i] : v[i + n];
      v[i] = mine + __shfl_xor_sync(0xffffffffu, other, lanes);
    }
  }
#pragma unroll
  for (; lanes > 0; lanes /= 2) v[0] += __shfl_xor_sync(0xffffffffu, v[0], lanes);
  return v[0];
}

// layer_output is the sink of the forward pass: bias, ELU, and for a YNorm what
// batch_statistics takes: for each row, of the values as they are stored, their sum
// and the squared differences to their mean, [count, rows, out] of a window.
struct layer_output {
  signals y;
  const float *bias;
  int out, d;
  bool activate;
  float2 *measures;  // or null
  int64_t first;     // of the window

  template <int J>
  using columns = no_columns<J>;
  static constexpr int at_once = 4, most_tiles = 4;

  template <int R, int J, int N>
  __device__ __forceinline__ void rows(int64_t token, int o, int p, const float (*sums)[J], columns<J> &) const {
    const int lane = threadIdx.x & 31, left = d - p;
    const int64_t to = token * y.stride + static_cast<int64_t>(o) * d + p;
    float v[R][J];
#pragma unroll
    for (int r = 0; r < R; r++) {
      const float start = o + r < out ? bias[o + r] : 0;
#pragma unroll
      for (int j = 0; j < J; j++) v[r][j] = sums[r][j] + start;
    }
    if (activate) {
#pragma unroll
      for (int r = 0; r < R; r++)
#pragma unroll
        for (int j = 0; j < J; j++) v[r][j] = elu(v[r][j]);
    }
#pragma unroll
    for (int r = 0; r < R; r++)
      if (o + r < out) y.template store_row<J, N>(to + static_cast<int64_t>(r) * d, left, v[r]);
    if (!measures) return;
    const bool whole = left >= 32 * J;
    float total[R] = {}, squares[R] = {};
#pragma unroll
    for (int r = 0; r < R; r++)
#pragma unroll
      for (int j = 0; j < J; j++)
        if (whole || spread<N>(lane, j) < left) total[r] += v[r][j];
    const float sum = warp_sums_of<R>(total), mean = sum / (whole ? 32 * J : left);
#pragma unroll
    for (int r = 0; r < R; r++) {
      const float center = R == 1 ? mean : __shfl_sync(0xffffffffu, mean, r * (32 / R));
#pragma unroll
      for (int j = 0; j < J; j++)
        if (whole || spread<N>(lane, j) < left) squares[r] += (v[r][j] - center) * (v[r][j] - center);
    }
    const float about = warp_sums_of<R>(squares);
    const int mine = o + lane / (32 / R), in_signal = (d + 32 * J - 1) / (32 * J);
    if (lane % (32 / R) == 0 && mine < out)
      measures[((token - first) * in_signal + p / (32 * J)) * out + mine] = make_float2(sum, about);
  }

  template <int J, int N>
  __device__ void finish(int64_t, int, const columns<J> &, float *, int, int) const {}
};

// reduce_threads is the size of a block that reduces n values.
inline unsigned reduce_threads(int64_t n) { return n >= threads ? threads : static_cast<unsigned>(ceil_div(n, 32) * 32); }
