// What the kernels of ConvLayer and of its backward pass share. In all of them a
// block takes one token at a time and a tile of its positions; "source" is where
// the values come from that are convolved, "sink" where the results go.
#pragma once

#include "tensor.cuh"

// number and put convert what is stored as float32 or as bf16.
__device__ __forceinline__ float number(float v) { return v; }
__device__ __forceinline__ float number(bf16_t v) { return bf16_number(v); }
__device__ __forceinline__ void put(float *to, float v) { *to = v; }
__device__ __forceinline__ void put(bf16_t *to, float v) { *to = static_cast<bf16_t>(bf16_pair(v, 0)); }

// signals are the channels of tokens: value (token, c, p) is number
// token*stride + c*d + p. They are all float32 or all bf16, which the kernels ask at
// run time: the same for all threads, and nothing beside the time to reach memory.
struct signals {
  void *data;  // null: absent
  int64_t stride;
  bool rounded;

  __device__ __forceinline__ float load(int64_t i) const {
    return rounded ? number(static_cast<const bf16_t *>(data)[i]) : static_cast<const float *>(data)[i];
  }
  // store returns what is then there.
  __device__ __forceinline__ float store(int64_t i, float v) const {
    if (!rounded) return static_cast<float *>(data)[i] = v;
    bf16_t *to = static_cast<bf16_t *>(data) + i;
    put(to, v);
    return number(*to);
  }
};

inline signals signals_of(const struct rpg_signals &s) { return {s.data, s.stride, s.rounded != 0}; }

// eight are the bf16 values of 8 neighbouring positions, pair k^turn of them as v[k].
struct eight {
  uint32_t v[4];
  __device__ __forceinline__ float number_of(int k, int half) const { return number(static_cast<bf16_t>(v[k] >> 16 * half)); }
};
__device__ __forceinline__ eight load_eight(const void *data, int64_t i, int turn) {
  const bf16_t *from = static_cast<const bf16_t *>(data) + i;
#ifndef __CUDACC__
  if (reinterpret_cast<uintptr_t>(from) % 16) shim::die("8 values at once that are not aligned to 16 bytes", __FILE__, __LINE__);
#endif
  const uint4 w = *reinterpret_cast<const uint4 *>(from);
  const bool odd = turn & 1;
  const uint32_t v0 = odd ? w.y : w.x, v1 = odd ? w.x : w.y, v2 = odd ? w.w : w.z, v3 = odd ? w.z : w.w;
  return turn & 2 ? eight{{v2, v3, v0, v1}} : eight{{v0, v1, v2, v3}};
}

// in_eights says whether all positions of all channels can be loaded so.
inline bool in_eights(const signals &s, int d) {
  return s.rounded && d % 8 == 0 && s.stride % 8 == 0 && reinterpret_cast<uintptr_t>(s.data) % 16 == 0;
}

// channel_norm is the part of a BatchNorm that makes N of one channel.
struct channel_norm {
  float mean, inv_std, scale, bias;
  __device__ float line(float x) const { return (x - mean) * (scale * inv_std) + bias; }
};

__device__ __forceinline__ channel_norm norm_of(const struct rpg_batch_norm &n, int c) {
  return {n.mean[c], n.inv_std[c], n.scale[c], n.bias[c]};
}

__device__ __forceinline__ float elu(float u) { return u < 0 ? expf(u) - 1 : u; }

// layer_input is the source of the forward pass: g of compute.ConvLayer.
struct layer_input {
  signals x, skip;
  struct rpg_batch_norm x_norm, skip_norm;
  struct rpg_matrix cond, time;
  int channels, d;
  bool wide;  // load_eight may be used

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

  // A table holds the norms of `count` channels from `first` on, 2·count values.
  // All threads of the block fill it.
  __device__ void fill(channel_norm *table, int first, int count) const {
    for (int i = threadIdx.x; i < count && first + i < channels; i += blockDim.x) {
      if (x_norm.scale) table[i] = norm_of(x_norm, first + i);
      if (skip_norm.scale) table[count + i] = norm_of(skip_norm, first + i);
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
  // load_eight is load for positions p..p+7, a multiple of 8, in the order of eight.
  struct raws {
    eight x, skip;
    __device__ __forceinline__ raw of(int k, int half) const { return {x.number_of(k, half), skip.number_of(k, half)}; }
  };
  __device__ __forceinline__ raws load_eight(int64_t token, int p, int c, int turn) const {
    if (p < 0 || p >= d || c >= channels) return {};
    const int64_t at = static_cast<int64_t>(c) * d + p;
    return {::load_eight(x.data, token * x.stride + at, turn),
            skip.data ? ::load_eight(skip.data, token * skip.stride + at, turn) : eight{}};
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
  const signals x = signals_of(a.x), skip = signals_of(a.skip);
  const int d = static_cast<int>(a.d);
  return {x, skip, a.x_norm, a.skip_norm, a.cond, a.time, static_cast<int>(a.in), d,
          in_eights(x, d) && (!skip.data || in_eights(skip, d))};
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
    eight v;
    __device__ __forceinline__ raw of(int k, int half) const { return v.number_of(k, half); }
  };
  __device__ __forceinline__ raws load_eight(int64_t token, int p, int c, int turn) const {
    if (p < 0 || p >= d || c >= channels) return {};
    return {::load_eight(data, ((token - first) * channels + c) * d + p, turn)};
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
// positions p + l + 32·j. row is called for each channel, and finish at the end by
// all threads of the block: the columns, which are what a warp sums over the
// channels, are then added in `memory`, for the warps 0..groups-1 that had the
// same positions.
template <int J>
struct no_columns {};

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

  template <int J>
  __device__ __forceinline__ void row(int64_t token, int o, int p, const float (&sums)[J], columns<J> &) const {
    const int lane = threadIdx.x & 31;
    const int64_t to = token * y.stride + static_cast<int64_t>(o) * d;
    const float start = bias[o];
    float v[J], sum = 0;
#pragma unroll
    for (int j = 0; j < J; j++) {
      const int at = p + lane + 32 * j;
      v[j] = activate ? elu(sums[j] + start) : sums[j] + start;
      if (at < d) {
        v[j] = y.store(to + at, v[j]);
        sum += v[j];
      }
    }
    if (!measures) return;
    sum = warp_sum(sum);
    const int n = d - p < 32 * J ? d - p : 32 * J;
    const float center = sum / n;
    float squares = 0;
#pragma unroll
    for (int j = 0; j < J; j++)
      if (p + lane + 32 * j < d) squares += (v[j] - center) * (v[j] - center);
    squares = warp_sum(squares);
    if (lane == 0)
      measures[((token - first) * ceil_div(d, 32 * J) + p / (32 * J)) * out + o] = make_float2(sum, squares);
  }

  template <int J>
  __device__ void finish(int64_t, int, const columns<J> &, float *, int, int) const {}
};

// reduce_threads is the size of a block that reduces n values.
inline unsigned reduce_threads(int64_t n) { return n >= threads ? threads : static_cast<unsigned>(ceil_div(n, 32) * 32); }
