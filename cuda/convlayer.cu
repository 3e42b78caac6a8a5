// ConvLayer: one convolution as a matrix product whose right factor, g, is made
// in shared memory and never stored. Statistics for a YNorm are summed for each
// row that a warp writes, and then, always in the same order, in float64.
#include "convlayer_ways.cuh"

// statistics is what is known of one channel: n values so far, their mean, and
// the sum of squared differences to it.
struct statistics {
  double n, mean, squares;
};

// batch_statistics adds the measures of a window, [rows, channels] of `width`
// positions each (the last of each d fewer), to those of the windows before
// (Chan, Golub & LeVeque 1979). A block has one channel. The last window sets what
// the norm says.
static __global__ void __launch_bounds__(threads)
batch_statistics(const float2 *measures, int64_t rows, int channels, int width, int d, bool begin, bool end,
                 statistics *state, struct rpg_batch_norm norm) {
  const int c = blockIdx.x;
  const int64_t in_signal = ceil_div(d, width);
  const auto length = [&](int64_t row) {
    return row % in_signal + 1 < in_signal ? width : d - static_cast<int>(in_signal - 1) * width;
  };
  double sum = 0, squares = 0;
#pragma unroll 4
  for (int64_t row = threadIdx.x; row < rows; row += blockDim.x) sum += measures[row * channels + c].x;
  const double n = static_cast<double>(rows / in_signal) * d, mean = block_sum(sum) / n;
#pragma unroll 4
  for (int64_t row = threadIdx.x; row < rows; row += blockDim.x) {
    const float2 m = measures[row * channels + c];
    const int count = length(row);
    // The squares are about this center, not about the mean of all.
    const double center = m.x / static_cast<float>(count), shift = center - mean;
    squares += m.y + shift * (2 * (m.x - count * center) + count * shift);
  }
  squares = block_sum(squares);
  if (threadIdx.x > 0) return;
  statistics s = begin ? statistics{0, 0, 0} : state[c];
  const double all = s.n + n, shift = mean - s.mean;
  s = {all, s.mean + shift * (n / all), s.squares + squares + shift * shift * (s.n * n / all)};
  state[c] = s;
  if (!end) return;
  const double variance = s.squares / s.n, move = norm.momentum;
  norm.mean[c] = static_cast<float>(s.mean);
  norm.inv_std[c] = static_cast<float>(1 / sqrt(variance + norm.eps));
  norm.running_mean[c] = static_cast<float>((1 - move) * norm.running_mean[c] + move * s.mean);
  norm.running_var[c] = static_cast<float>((1 - move) * norm.running_var[c] + move * s.squares / (s.n - 1));
}

int rpg_packed_bytes(rpg_device *dev, const struct rpg_conv_layer *a, uint64_t *bytes) {
  *bytes = packed_bytes(dev, shape_of(*a));
  return 0;
}

int rpg_pack_conv_layer(rpg_device *dev, const struct rpg_conv_layer *a, void *to) {
  return pack(dev, a->w, shape_of(*a), false, to);
}

int rpg_conv_layer(rpg_device *dev, const struct rpg_conv_layer *a) {
  if (a->tokens == 0) return 0;
  conv_shape s = shape_of(*a);
  const int width = row_width(dev, s);
  const int64_t measures_bytes = a->y_norm.scale ? ceil_div(s.d, width) * s.out * sizeof(float2) : 0;
  const int64_t window = window_of(a->tokens, measures_bytes);
  workspace space;
  const int64_t weights_at = space.take(a->packed ? 0 : packed_bytes(dev, s));
  const int64_t measures_at = space.take(window * measures_bytes);
  const int64_t state_at = space.take(a->y_norm.scale ? s.out * sizeof(statistics) : 0);
  if (int bad = space.get(dev)) return bad;
  const void *weights = a->packed;
  if (!weights) {
    if (int bad = pack(dev, a->w, s, false, space.at<void>(weights_at))) return bad;
    weights = space.at<void>(weights_at);
  }
  for (s.first = 0; s.first < a->tokens; s.first += window) {
    s.count = a->tokens - s.first < window ? a->tokens - s.first : window;
    const layer_output sink = {signals_of(a->y, s.d), a->bias, s.out, s.d, a->elu != 0,
                               a->y_norm.scale ? space.at<float2>(measures_at) : nullptr, s.first};
    if (int bad = convolve(dev, input_of(*a), sink, s, weights)) return bad;
    if (!a->y_norm.scale) continue;
    const int64_t rows = s.count * ceil_div(s.d, width);
    LAUNCH(dev, batch_statistics, s.out, reduce_threads(rows), 0, sink.measures, rows, s.out, width, s.d, s.first == 0,
           s.first + s.count == a->tokens, space.at<statistics>(state_at), a->y_norm);
  }
  return 0;
}
