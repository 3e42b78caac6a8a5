// Which of the two ways a convolution goes, and its weights as that way takes them.
#pragma once

#include "convlayer_simt.cuh"
#include "convlayer_tensor.cuh"

// On tensor cores, layers from or to fewer channels would mostly multiply zeros;
// reading and writing their signals takes the time, so the other way is as fast.
constexpr int few_channels = 8;
constexpr int most_taps = 255;  // for which a tile fits into shared memory

inline bool on_tensor_cores(const rpg_device *dev, const conv_shape &s) {
  return dev->bf16 && s.in >= few_channels && s.out >= few_channels && s.k <= most_taps;
}

// row_width is the number of positions in the rows that the sink gets.
inline int row_width(const rpg_device *dev, const conv_shape &s) {
  return on_tensor_cores(dev, s) ? tensor_width : simt_row(s);
}

inline int64_t packed_bytes(const rpg_device *dev, const conv_shape &s) {
  if (on_tensor_cores(dev, s)) return packed_tiles(s) * 32 * sizeof(packed_tile);
  return static_cast<int64_t>(s.in) * s.k * plan_simt(s).out_up * sizeof(float);
}

// pack lays the weights w out in `to`; turned: those of the gradient of g.
inline int pack(rpg_device *dev, const struct rpg_matrix &w, const conv_shape &s, bool turned, void *to) {
  if (on_tensor_cores(dev, s)) {
    const int64_t tiles = packed_tiles(s);
    LAUNCH(dev, pack_tensor, spans(tiles * 32), threads, 0, w, s, static_cast<int>(out_tiles(s)), tiles, turned, static_cast<packed_tile *>(to));
  } else {
    const int out_up = plan_simt(s).out_up;
    LAUNCH(dev, pack_simt, spans(static_cast<int64_t>(s.in) * s.k * out_up), threads, 0, w, s, out_up, turned,
           static_cast<float *>(to));
  }
  return 0;
}

// convolve goes the way that the type of the source says, or, for g, s.
template <class Sink>
int convolve(rpg_device *dev, const window_values<float> &source, const Sink &sink, const conv_shape &s, const void *weights) {
  return launch_simt(dev, source, sink, s, static_cast<const float *>(weights));
}
template <class Sink>
int convolve(rpg_device *dev, const window_values<bf16_t> &source, const Sink &sink, const conv_shape &s, const void *weights) {
  return launch_tensor(dev, source, sink, s, static_cast<const packed_tile *>(weights));
}
template <class Sink>
int convolve(rpg_device *dev, const layer_input &source, const Sink &sink, const conv_shape &s, const void *weights) {
  if (on_tensor_cores(dev, s)) return launch_tensor(dev, source, sink, s, static_cast<const packed_tile *>(weights));
  return launch_simt(dev, source, sink, s, static_cast<const float *>(weights));
}

// window_bytes is how much of the workspace a window of tokens may take, unless
// one token takes more: so much that what each window costs by itself, its launches and
// the parts of the gradient of the weights, is little beside its work.
inline int64_t window_bytes() {
#ifdef RPG_ON_HOST
  return shim::setting("RPG_SHIM_WINDOW", 256 << 20);
#else
  return 256 << 20;
#endif
}

// window_of is the number of tokens in a window.
inline int64_t window_of(int64_t tokens, int64_t token_bytes) {
  const int64_t fit = token_bytes ? window_bytes() / token_bytes : tokens;
  return fit < 1 ? 1 : fit < tokens ? fit : tokens;
}

// workspace cuts rpg_workspace up: first take what is needed, then get it.
struct workspace {
  int64_t bytes = 0;
  void *address = nullptr;
  int64_t take(int64_t n) {
    const int64_t at = bytes;
    bytes += ceil_div(n, 256) * 256;
    return at;
  }
  int get(rpg_device *dev) { return bytes ? rpg_workspace(dev, bytes, &address) : 0; }
  template <class T>
  T *at(int64_t offset) const {
    return reinterpret_cast<T *>(static_cast<unsigned char *>(address) + offset);
  }
};
