// Convolutions in float32, and those of few channels to or from many: g of some
// channels is put into shared memory at a time; each thread sums TO output
// channels at J positions, 32 apart.
#pragma once

#include "convlayer.cuh"

constexpr int simt_channels = 16;               // of g at a time, at most
constexpr int64_t simt_most_values = 12 << 10;  // of g in shared memory, unless one channel has more

// simt_plan is how one convolution is cut up.
struct simt_plan {
  int groups;     // warps of a block for different output channels, TO each
  int positions;  // and for different positions, 32·J each
  int width;      // positions of a block
  int channels;   // of g at a time
  int out_up;     // output channels of packed weights
  size_t bytes;   // of shared memory
};

inline bool simt_single(const conv_shape &s) { return s.out == 1; }  // TO is 1, else 8
inline int simt_row(const conv_shape &s) { return simt_single(s) || s.d <= 64 ? 64 : 256; }

inline simt_plan plan_simt(const conv_shape &s) {
  simt_plan p;
  const int to = simt_single(s) ? 1 : 8;
  p.groups = s.out > 64 ? 8 : static_cast<int>(ceil_div(s.out, to));
  p.positions = !simt_single(s) ? 1 : s.d > 192 ? 4 : static_cast<int>(ceil_div(s.d, 64));
  p.width = simt_row(s) * p.positions;
  p.out_up = static_cast<int>(ceil_div(s.out, to) * to);
  const int64_t row = p.width + s.k - 1, columns = static_cast<int64_t>(2) * p.width * p.groups;
  p.channels = simt_channels;
  while (p.channels > 1 && p.channels * row > simt_most_values) p.channels /= 2;
  p.bytes = sizeof(float) * (p.channels * row > columns ? p.channels * row : columns);
  return p;
}

// pack_simt lays weights out as [in, k, out_up], 0 for channels that do not
// exist. For the gradient of g they are turned round: w is [in, out·k] then.
static __global__ void __launch_bounds__(threads)
pack_simt(struct rpg_matrix w, conv_shape s, int out_up, bool turned, float *to) {
  each_value(static_cast<int64_t>(s.in) * s.k * out_up, [&](int64_t i) {
    const int64_t o = i % out_up, t = i / out_up % s.k, c = i / out_up / s.k;
    float v = 0;
    if (o < s.out) v = turned ? w.data[c * w.stride + o * s.k + s.k - 1 - t] : w.data[o * w.stride + c * s.k + t];
    to[i] = v;
  });
}

// load_simt puts positions p..p+width-1 of channels first.. into tile, [channels,
// width]. A warp takes 32 positions of 8 channels at a time.
template <class Source>
__device__ void load_simt(const Source &source, float *tile, channel_norm *table, int64_t token, int first, int channels,
                          int p, int width) {
  const int lane = threadIdx.x & 31, warps = blockDim.x >> 5, strips = (width + 31) / 32;
  source.fill(table, first, channels);
  __syncthreads();  // and until nobody reads the tile of the last channels any more
  for (int unit = threadIdx.x >> 5; unit < strips * ((channels + 7) / 8); unit += warps) {
    const int i = unit % strips * 32 + lane, c = unit / strips * 8;
    if (i >= width) continue;
    const typename Source::place at = source.at(token, p + i);
    typename Source::raw raw[8] = {};
#pragma unroll
    for (int n = 0; n < 8; n++)
      if (c + n < channels) raw[n] = source.load(at, first + c + n);
#pragma unroll
    for (int n = 0; n < 8; n++)
      if (c + n < channels) tile[(c + n) * width + i] = source.value(at, raw[n], table, c + n, channels, first + c + n);
  }
  __syncthreads();
}

template <int TO>
__device__ __forceinline__ void load_weights(float (&w)[TO], const float *from) {
  if constexpr (TO == 1) {
    w[0] = *from;
  } else {
#pragma unroll
    for (int n = 0; n < TO; n += 4) {
      const float4 four = *reinterpret_cast<const float4 *>(from + n);
      w[n] = four.x, w[n + 1] = four.y, w[n + 2] = four.z, w[n + 3] = four.w;
    }
  }
}

// convolve_simt has a block for each tile of each token.
template <int TO, int J, class Source, class Sink>
__global__ void __launch_bounds__(256, J == 8 ? 1 : 2)
convolve_simt(Source source, Sink sink, conv_shape s, simt_plan plan, const float *weights) {
  DYNAMIC_SHARED(tile, float);
  SHARED(table, channel_norm[2 * simt_channels]);
  const int64_t tiles = ceil_div(s.d, plan.width), token = s.first + blockIdx.x / tiles;
  const int p0 = static_cast<int>(blockIdx.x % tiles) * plan.width, lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int group = warp % plan.groups, mine = warp / plan.groups * 32 * J;
  const int width = plan.width + s.k - 1;
  typename Sink::template columns<J> columns{};
  for (int o0 = 0; o0 < s.out; o0 += plan.groups * TO) {
    const int o = o0 + group * TO;
    const bool busy = o < s.out && p0 + mine < s.d;
    float sums[TO][J] = {};
    for (int first = 0; first < s.in; first += plan.channels) {
      const int channels = s.in - first < plan.channels ? s.in - first : plan.channels;
      if (o0 == 0 || s.in > plan.channels) load_simt(source, tile, table, token, first, channels, p0 - s.k / 2, width);
      if (!busy) continue;
      const float *w = weights + static_cast<int64_t>(first) * s.k * plan.out_up + o;
      for (int c = 0; c < channels; c++)
        for (int t = 0; t < s.k; t++, w += plan.out_up) {
          float by[TO];
          load_weights<TO>(by, w);
          const float *g = tile + c * width + mine + lane + t;
#pragma unroll
          for (int j = 0; j < J; j++) {
            const float v = g[32 * j];
#pragma unroll
            for (int n = 0; n < TO; n++) sums[n][j] += by[n] * v;
          }
        }
    }
    if (!busy) continue;
#pragma unroll
    for (int n = 0; n < TO; n++)
      if (o + n < s.out) sink.template rows<1, J, 1>(token, o + n, p0 + mine, sums + n, columns);
  }
  __syncthreads();  // before finish writes where the tile was
  sink.template finish<J, 1>(token, p0 + mine, columns, tile + mine * plan.groups * 2, group, plan.groups);
}

template <class Source, class Sink>
int launch_simt(rpg_device *dev, const Source &source, const Sink &sink, const conv_shape &s, const float *weights) {
  const simt_plan p = plan_simt(s);
  const dim3 grid(static_cast<unsigned>(ceil_div(s.d, p.width) * s.count)), block(32 * p.groups * p.positions);
  if (simt_single(s))
    LAUNCH(dev, (convolve_simt<1, 2, Source, Sink>), grid, block, p.bytes, source, sink, s, p, weights);
  else if (simt_row(s) == 64)
    LAUNCH(dev, (convolve_simt<8, 2, Source, Sink>), grid, block, p.bytes, source, sink, s, p, weights);
  else
    LAUNCH(dev, (convolve_simt<8, 8, Source, Sink>), grid, block, p.bytes, source, sink, s, p, weights);
  return 0;
}
