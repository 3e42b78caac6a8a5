// Convolutions on tensor cores: for each tap, sums [outputs, positions] +=
// weights [outputs, channels] · g [channels, positions]. g of up to
// tensor_channels channels is put into shared memory at a time, position by
// position, so that each tap is the same rows one position farther. A block has
// tensor_width positions and 32·MT output channels, a warp 64 and 16·MT.
#pragma once

#include "convlayer.cuh"

constexpr int tensor_channels = 64, tensor_width = 128, tensor_threads = 128;
constexpr int tile_stride = tensor_channels + 8;  // of g in shared memory, [positions, channels], without conflicts of banks
constexpr int sums_stride = tensor_width + 8;  // of results in shared memory, without conflicts of banks

struct alignas(16) packed_tile {  // a left tile, for one lane
  warp_tile tile;
};

// tiles_of is MT for a convolution, unless its sink takes fewer, and out_tiles the number of tiles of 16 output
// channels with those that fill the last block.
inline int tiles_of(const conv_shape &s) { return s.out > 96 ? 4 : static_cast<int>(ceil_div(s.out, 32)); }
inline int64_t out_tiles(const conv_shape &s) { return ceil_div(s.out, 32 * tiles_of(s)) * 2 * tiles_of(s); }

// packed_tiles is the number of 16×16 tiles of weights.
inline int64_t packed_tiles(const conv_shape &s) { return out_tiles(s) * ceil_div(s.in, 16) * s.k; }

// pack_tensor lays weights out as left tiles, [in/16, k, outs, lane], 0 for channels
// that do not exist; turned as for pack_simt. The tiles that a warp takes for one tap
// lie side by side, so that it has one address for all.
static __global__ void __launch_bounds__(threads)
pack_tensor(struct rpg_matrix w, conv_shape s, int outs, int64_t tiles, bool turned, packed_tile *to) {
  each_value(tiles * 32, [&](int64_t i) {
    const int g = i % 32 / 4, t = i % 4, tap = static_cast<int>(i / 32 / outs % s.k);
    const int64_t in0 = i / 32 / outs / s.k * 16, out0 = i / 32 % outs * 16;
    const auto at = [&](int64_t o, int64_t c) {
      if (o >= s.out || c >= s.in) return 0.0f;
      return turned ? w.data[c * w.stride + o * s.k + s.k - 1 - tap] : w.data[o * w.stride + c * s.k + tap];
    };
    packed_tile p;
    for (int n = 0; n < 4; n++) {
      const int64_t o = out0 + g + n % 2 * 8, c = in0 + 2 * t + n / 2 * 8;
      p.tile.v[n] = bf16_pair(at(o, c), at(o, c + 1));
    }
    to[i] = p;
  });
}

// load_eights is load_positions for a source that is wide. A warp takes 32 positions
// of 16 channels at a time, a lane 8 positions of two channels. The lanes with other
// positions write other rows at the same time: rows of a tile are 4 banks, or 12 and
// so on, more than a multiple of 16 apart, so that all lanes meet different banks.
template <class Source>
__device__ void load_eights(const Source &source, bf16_t *tile, int stride, const channel_norm *table, int64_t token,
                            int first, int channels, int p, int width) {
  const int lane = threadIdx.x & 31, warps = blockDim.x >> 5, turn = lane >> 3;
  const int start = (p & ~7) + turn * 8, strips = (p + width - (p & ~7) + 31) / 32;
  int at = start + (threadIdx.x >> 5) * 32, c = lane % 8 * 2;
  const auto wrap = [&] {
    while (at >= start + strips * 32) at -= strips * 32, c += 16;
  };
  wrap();
  typename Source::raws ahead = {};
  if (c < channels) ahead = source.load_eight(token, at, first + c, turn);
  while (c < channels) {
    const int i = at - p, left = c;
    const typename Source::raws raws = ahead;
    uint32_t pairs[4][2];
    at += warps * 32;
    wrap();
    if (c < channels) ahead = source.load_eight(token, at, first + c, turn);
    source.pairs(pairs, raws, table, left, channels, token, i + p, first + left, turn);
    bf16_t *to = tile + i * stride + left;
    const auto store = [&](int k, int half) {
      *reinterpret_cast<uint32_t *>(to + (2 * (k ^ turn) + half) * stride) = pairs[k][half];
    };
    if (i >= 0 && i + 8 <= width) {
#pragma unroll
      for (int k = 0; k < 8; k++) store(k / 2, k % 2);
    } else {
#pragma unroll
      for (int k = 0; k < 8; k++) {
        const int row = i + 2 * (k / 2 ^ turn) + k % 2;
        if (row >= 0 && row < width) store(k / 2, k % 2);
      }
    }
  }
}

// load_positions puts positions p..p+width-1 of channels first.., a multiple of 16,
// into tile, [width, stride], rounded. A warp takes 8 positions of 8 channels at a
// time, so that it reads whole sectors of float32 and writes without conflicts of
// banks.
template <class Source>
__device__ void load_positions(const Source &source, bf16_t *tile, int stride, channel_norm *table, int64_t token,
                               int first, int channels, int p, int width) {
  const int lane = threadIdx.x & 31, warps = blockDim.x >> 5, strips = source.wide ? 0 : (width + 7) / 8;
  source.fill(table, first, channels);
  __syncthreads();  // and until nobody reads the tile of the last channels any more
  if (source.wide) load_eights(source, tile, stride, table, token, first, channels, p, width);
  for (int strip = threadIdx.x >> 5; strip < strips; strip += warps) {
    const int i = strip * 8 + lane / 4;
    if (i >= width) continue;
    const typename Source::place at = source.at(token, p + i);
    for (int c0 = lane % 4 * 2; c0 < channels; c0 += 32) {
      typename Source::raw raw[4][2] = {};
#pragma unroll
      for (int n = 0; n < 4; n++) {
        const int c = c0 + 8 * n;
        if (c >= channels) continue;
        raw[n][0] = source.load(at, first + c);
        raw[n][1] = source.load(at, first + c + 1);
      }
#pragma unroll
      for (int n = 0; n < 4; n++) {
        const int c = c0 + 8 * n;
        if (c >= channels) continue;
        const float v0 = source.value(at, raw[n][0], table, c, channels, first + c);
        const float v1 = source.value(at, raw[n][1], table, c + 1, channels, first + c + 1);
        *reinterpret_cast<uint32_t *>(tile + i * stride + c) = bf16_pair(v0, v1);
      }
    }
  }
  __syncthreads();
}

inline int tensor_chunk(int in) { return in >= tensor_channels ? tensor_channels : (in + 15) / 16 * 16; }
inline size_t tensor_bytes(const conv_shape &s) {
  const size_t tile = static_cast<size_t>(tensor_width + s.k - 1) * tile_stride * sizeof(bf16_t);
  return (tile + 15) / 16 * 16 + 32 * sums_stride * sizeof(float);
}

template <int MT>
__device__ __forceinline__ void load_left(packed_tile (&left)[MT], const packed_tile *from) {
#pragma unroll
  for (int m = 0; m < MT; m++) left[m] = from[m * 32];
}

// add_taps adds all taps of `channels` channels, whose weights begin at `from` and lie
// `row` apart. taps: the number of them, so that their offsets are known; 0: any k.
template <int MT, int taps>
__device__ __forceinline__ void add_taps(warp_sums (&sums)[MT][8], const bf16_t *right0, const packed_tile *from, int row,
                                         int channels, int k) {
  if (taps) k = taps;
  packed_tile left[MT], ahead[MT];
  load_left<MT>(left, from);
  for (int c = 0; c < channels; c += 16) {
#pragma unroll(taps ? taps : 1)
    for (int t = 0; t < k; t++) {
      // After the last there is nothing to load: the same again, so that no load has a condition.
      if (t + 1 < k || c + 16 < channels) from += row;
      load_left<MT>(ahead, from);
#pragma unroll
      for (int n = 0; n < 4; n++) {
        const warp_tile right = load_tile(right0 + (n * 16 + t) * tile_stride + c);
#pragma unroll
        for (int m = 0; m < MT; m++) {
          multiply_add(sums[m][2 * n], left[m].tile, right.v);
          multiply_add(sums[m][2 * n + 1], left[m].tile, right.v + 2);
        }
      }
#pragma unroll
      for (int m = 0; m < MT; m++) left[m] = ahead[m];
    }
  }
}

// convolve_tensor has a block for each tile of each token. A Sink says how many
// channels its rows take at once, and most_tiles, the MT for which it leaves registers.
template <int MT, class Source, class Sink>
__global__ void __launch_bounds__(tensor_threads, MT > 2 ? 2 : 3)
convolve_tensor(Source source, Sink sink, conv_shape s, int chunk, int row, const packed_tile *weights) {
  DYNAMIC_SHARED(memory, float);
  SHARED(table, channel_norm[2 * tensor_channels]);
  float *results = memory;  // [32, sums_stride]
  bf16_t *tile = reinterpret_cast<bf16_t *>(memory + 32 * sums_stride);
  const int tiles = (s.d + tensor_width - 1) / tensor_width;
  const int64_t token = s.first + blockIdx.x / tiles;
  const int p0 = static_cast<int>(blockIdx.x % tiles) * tensor_width, lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const int wm = warp >> 1, wn = warp & 1;
  const tile_spot spot = by_columns(lane);
  const bf16_t *right0 = tile + (wn * 64 + spot.row) * tile_stride + spot.step * 8;
  typename Sink::template columns<4> columns{};
  for (int o0 = 0; o0 < s.out; o0 += 32 * MT) {
    const int o = o0 + wm * 16 * MT;
    const bool busy = p0 + wn * 64 < s.d && o < s.out;
    warp_sums sums[MT][8] = {};
    for (int first = 0; first < s.in; first += chunk) {
      const int channels = s.in - first < chunk ? (s.in - first + 15) / 16 * 16 : chunk;
      if (o0 == 0 || s.in > chunk)
        load_positions(source, tile, tile_stride, table, token, first, channels, p0 - s.k / 2, tensor_width + s.k - 1);
      if (!busy) continue;
      const packed_tile *from = weights + static_cast<int64_t>(first / 16 * s.k) * row + o * 2 + lane;
      if (s.k == 7) {
        add_taps<MT, 7>(sums, right0, from, row, channels, 7);
      } else {
        add_taps<MT, 0>(sums, right0, from, row, channels, s.k);
      }
    }
#pragma unroll 1  // the code of the sink once
    for (int m = 0; m < MT; m++) {
      __syncthreads();  // before results are overwritten
      float *to = results + (wm * 16 + lane / 4) * sums_stride + wn * 64 + lane % 4 * 2;
#pragma unroll
      for (int mine = 0; mine < MT; mine++) {
        if (mine != m) continue;
#pragma unroll
        for (int n = 0; n < 8; n++)
#pragma unroll
          for (int half = 0; half < 2; half++)
            *reinterpret_cast<float2 *>(to + half * 8 * sums_stride + n * 8) =
                make_float2(sums[mine][n].v[2 * half], sums[mine][n].v[2 * half + 1]);
      }
      __syncthreads();
      constexpr int at_once = Sink::at_once;
#pragma unroll 1
      for (int r = warp * at_once; r < 32; r += 4 * at_once) {
        const int channel = o0 + (r / 16 * MT + m) * 16 + r % 16;
        if (channel >= s.out) continue;
        float v[at_once][4];
#pragma unroll
        for (int n = 0; n < at_once; n++) {
          const float4 four = *reinterpret_cast<const float4 *>(results + (r + n) * sums_stride + lane * 4);
          v[n][0] = four.x, v[n][1] = four.y, v[n][2] = four.z, v[n][3] = four.w;
        }
        sink.template rows<at_once, 4, 4>(token, channel, p0, v, columns);
      }
    }
  }
  __syncthreads();  // before finish writes where the results were
  sink.template finish<4, 4>(token, p0, columns, results, warp, 4);
}

template <class Source, class Sink>
int launch_tensor(rpg_device *dev, const Source &source, const Sink &sink, const conv_shape &s, const packed_tile *weights) {
  const dim3 grid(static_cast<unsigned>(ceil_div(s.d, tensor_width) * s.count));
  const size_t bytes = tensor_bytes(s);
  const int chunk = tensor_chunk(s.in);
  const int row = static_cast<int>(out_tiles(s)) * 32;
  const int tiles = tiles_of(s) < Sink::most_tiles ? tiles_of(s) : Sink::most_tiles;
  if (tiles == 1)
    LAUNCH(dev, (convolve_tensor<1, Source, Sink>), grid, tensor_threads, bytes, source, sink, s, chunk, row, weights);
  if (tiles == 2)
    LAUNCH(dev, (convolve_tensor<2, Source, Sink>), grid, tensor_threads, bytes, source, sink, s, chunk, row, weights);
  if constexpr (Sink::most_tiles == 4) {
    if (tiles == 3)
      LAUNCH(dev, (convolve_tensor<3, Source, Sink>), grid, tensor_threads, bytes, source, sink, s, chunk, row, weights);
    if (tiles == 4)
      LAUNCH(dev, (convolve_tensor<4, Source, Sink>), grid, tensor_threads, bytes, source, sink, s, chunk, row, weights);
  }
  return 0;
}
