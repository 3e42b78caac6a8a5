// ConvLayerBackward goes through windows of tokens, so that what its kernels
// leave for each other has a bounded size: first the gradient of Y, dy, for all
// of the window; from it and g the gradient of the weights; then that of g, which
// is dy convolved with the weights turned round, and from it DX and the rest.
//
// Of what DX may overlap, DY and Y are read by the first kernel only, for the
// same tokens; and a value of Skip is read for the last time by the thread that
// then writes the same value of DX. Likewise for Y and Raw. So blocks may run in
// any order.
#include "convlayer_gradients.cuh"
#include "convlayer_ways.cuh"

static constexpr int dy_values = 4;  // of each thread of output_gradient

// output_norm makes the gradient of a value of Y from that of N(Y): of the BatchNorm,
// and of ELU where u < 0, without a branch.
struct output_norm {
  float mean, slope, bias, offset, tilt;
  __device__ output_norm(const struct rpg_batch_norm &norm, int o) {
    const channel_norm n = norm_of(norm, o);
    mean = n.mean, slope = n.scale * n.inv_std, bias = n.bias;
    offset = -slope * norm.level[o], tilt = -slope * n.inv_std * norm.along[o];
  }
  __device__ __forceinline__ float gradient(float v, float x) const {
    const float from_mean = x - mean, u = from_mean * slope + bias;
    v *= exponential(fminf(u, 0));
    return v * slope + (from_mean * tilt + offset);
  }
};

// output_gradient writes dy of a window, [count, out, d], and Raw. A block takes a
// piece of one row; sums, if not null, gets the piece's sum.
template <class T>
static __global__ void __launch_bounds__(threads)
output_gradient(signals dy, signals y, struct rpg_batch_norm norm, signals raw, conv_shape s, int pieces, T *to, float *sums) {
  const int64_t row = blockIdx.x / pieces, token = s.first + row / s.out;
  const int o = static_cast<int>(row % s.out), p0 = static_cast<int>(blockIdx.x % pieces) * dy_values * blockDim.x;
  const int64_t channel = static_cast<int64_t>(o) * s.d;
  float sum = 0;
#pragma unroll
  for (int k = 0; k < dy_values; k++) {
    const int p = p0 + k * blockDim.x + threadIdx.x;
    if (p >= s.d) continue;
    float v = dy.load(token * dy.stride + channel + p);
    if (norm.scale) v = output_norm(norm, o).gradient(v, y.load(token * y.stride + channel + p));
    if (raw.data) raw.store(token * raw.stride + channel + p, v);
    put(to + row * s.d + p, v);
    sum += v;
  }
  if (!sums) return;
  sum = block_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// output_gradient_eights is output_gradient of bf16 with a norm where all of it lies in
// eights. A warp has a whole row, a lane every 32nd 8 positions of it.
static __global__ void __launch_bounds__(threads)
output_gradient_eights(signals dy, signals y, struct rpg_batch_norm norm, signals raw, conv_shape s, bf16_t *to, float *sums) {
  const unsigned row = blockIdx.x * (threads / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (row >= s.count * s.out) return;
  const int64_t token = s.first + row / s.out, channel = static_cast<int64_t>(row % s.out) * s.d;
  const auto eights = [&](const signals &of) {
    return reinterpret_cast<uint4 *>(static_cast<bf16_t *>(of.data) + token * of.stride + channel);
  };
  const uint4 *gradients = eights(dy), *values = eights(y);
  uint4 *out = reinterpret_cast<uint4 *>(to + static_cast<int64_t>(row) * s.d), *keep = raw.data ? eights(raw) : nullptr;
  const output_norm n(norm, row % s.out);
  float sum = 0;
  const auto pair = [&](uint32_t v, uint32_t x) {
    const float first = n.gradient(__uint_as_float(v << 16), __uint_as_float(x << 16));
    const float second = n.gradient(__uint_as_float(v & 0xffff0000u), __uint_as_float(x & 0xffff0000u));
    sum += first + second;
    return bf16_pair(first, second);
  };
#pragma unroll 2
  for (int i = lane; i < s.d / 8; i += 32) {
    const uint4 v = gradients[i], x = values[i];
    const uint4 made = {pair(v.x, x.x), pair(v.y, x.y), pair(v.z, x.z), pair(v.w, x.w)};
    out[i] = made;
    if (keep) keep[i] = made;
  }
  if (!sums) return;
  sum = warp_sum(sum);
  if (lane == 0) sums[row] = sum;
}

// add_bias adds the sums of a window to DBias. A block has one channel.
static __global__ void __launch_bounds__(threads) add_bias(const float *sums, conv_shape s, int pieces, float *dbias) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < s.count * pieces; i += blockDim.x)
    sum += sums[(i / pieces * s.out + blockIdx.x) * pieces + i % pieces];
  sum = block_sum(sum);
  if (threadIdx.x == 0) dbias[blockIdx.x] = static_cast<float>(dbias[blockIdx.x] + sum);
}

// layer_gradients is the sink of the gradient of g.
struct layer_gradients {
  layer_input input;
  signals dx;
  bool add, alone;  // alone: nothing but dx and the sums is wanted
  struct rpg_matrix dcond, dtime;
  float2 *sums;   // or null: for each row those of du and du·unit, of dx as stored, [count, rows, channels]
  int64_t first;  // of the window

  template <int J>
  struct columns {
    float cond[J], time[J];
  };
  static constexpr int at_once = 2, most_tiles = 2;

  template <int R, int J, int N>
  __device__ __forceinline__ void rows(int64_t token, int c, int p, const float (*dg)[J], columns<J> &columns) const {
    const int lane = threadIdx.x & 31, left = input.d - p;
    const signals all_time = {input.time.data, 0, false, input.fours}, all_cond = {input.cond.data, 0, false, input.fours};
    // Where there is no position, time is 0 and so are v and what is summed of it.
    float time[J] = {}, cond[J] = {}, totals[2 * R] = {};
    all_time.load_row<J, N>(token * input.time.stride + p, left, time);
    if (!alone) all_cond.load_row<J, N>(token * input.cond.stride + p, left, cond);
#pragma unroll
    for (int r = 0; r < R; r++) {
      if (c + r >= input.channels) continue;
      const int64_t channel = static_cast<int64_t>(c + r) * input.d + p;
      channel_norm norm = {};
      float x[J] = {}, n[J], slope[J], v[J];  // n is ELU(N(x)) and slope is ELU'(N(x))
      if (!alone || sums) input.x.load_row<J, N>(token * input.x.stride + channel, left, x);
#pragma unroll
      for (int j = 0; j < J; j++) n[j] = x[j], slope[j] = 1, v[j] = dg[r][j] * time[j];
      if (input.x_norm.scale) {
        norm = norm_of(input.x_norm, c + r);
#pragma unroll
        for (int j = 0; j < J; j++) {
          const float u = norm.line(x[j]), e = exponential(u);
          n[j] = u < 0 ? e - 1 : u, slope[j] = u < 0 ? e : 1;
        }
      }
      if (!alone) {
#pragma unroll
        for (int j = 0; j < J; j++) n[j] += cond[j], columns.cond[j] += v[j];
        if (input.skip.data) {
          float skip[J] = {};
          input.skip.load_row<J, N>(token * input.skip.stride + channel, left, skip);
          if (input.skip_norm.scale) {
            const channel_norm skip_norm = norm_of(input.skip_norm, c + r);
#pragma unroll
            for (int j = 0; j < J; j++) skip[j] = elu(skip_norm.line(skip[j]));
          }
#pragma unroll
          for (int j = 0; j < J; j++) n[j] += skip[j];
        }
#pragma unroll
        for (int j = 0; j < J; j++) columns.time[j] += dg[r][j] * n[j];
      }
      if (!dx.data) continue;
      const int64_t to = token * dx.stride + channel;
      if (add) {
        float old[J] = {};
        dx.load_row<J, N>(to, left, old);
#pragma unroll
        for (int j = 0; j < J; j++) v[j] += old[j];
      }
      dx.store_row<J, N>(to, left, v);
      if (!sums) continue;
#pragma unroll
      for (int j = 0; j < J; j++) {
        const float du = v[j] * slope[j];
        totals[r] += du;
        totals[R + r] += du * (x[j] - norm.mean);
      }
      totals[R + r] *= norm.inv_std;
    }
    if (!sums) return;
    // The first half of the lanes has the sums of du, the other those of du·unit.
    const float mine = warp_sums_of<2 * R>(totals), other = __shfl_xor_sync(0xffffffffu, mine, 16);
    const int of = c + lane / (16 / R), in_signal = (input.d + 32 * J - 1) / (32 * J);
    if (lane < 16 && lane % (16 / R) == 0 && of < input.channels)
      sums[((token - first) * in_signal + p / (32 * J)) * input.channels + of] = make_float2(mine, other);
  }

  template <int J, int N>
  __device__ void finish(int64_t token, int p, const columns<J> &columns, float *memory, int group, int groups) const {
    if (alone) return;
    const int lane = threadIdx.x & 31, width = 32 * J;
#pragma unroll
    for (int j = 0; j < J; j++) {
      memory[(2 * group) * width + spread<N>(lane, j)] = columns.cond[j];
      memory[(2 * group + 1) * width + spread<N>(lane, j)] = columns.time[j];
    }
    __syncthreads();
    for (int i = group * 32 + lane; i < width && p + i < input.d; i += groups * 32) {
      float cond = 0, time = 0;
      for (int k = 0; k < groups; k++) {
        cond += memory[2 * k * width + i];
        time += memory[(2 * k + 1) * width + i];
      }
      dcond.data[token * dcond.stride + p + i] += cond;
      dtime.data[token * dtime.stride + p + i] += time;
    }
  }
};

// input_sums adds the sums of a window, [rows, channels], to those of the windows
// before. A block has one channel. The last window goes to the norm; count is the
// number of values of the channel.
static __global__ void __launch_bounds__(threads)
input_sums(const float2 *sums, int64_t rows, int channels, bool begin, bool end, double count, double *state,
           struct rpg_batch_norm norm) {
  const int c = blockIdx.x;
  double du = 0, along = 0;
#pragma unroll 4
  for (int64_t row = threadIdx.x; row < rows; row += blockDim.x) {
    du += sums[row * channels + c].x;
    along += sums[row * channels + c].y;
  }
  du = block_sum(du);
  along = block_sum(along);
  if (threadIdx.x > 0) return;
  if (!begin) du += state[2 * c], along += state[2 * c + 1];
  state[2 * c] = du, state[2 * c + 1] = along;
  if (!end) return;
  norm.dbias[c] = static_cast<float>(norm.dbias[c] + du);
  norm.dscale[c] = static_cast<float>(norm.dscale[c] + along);
  norm.level[c] = static_cast<float>(du / count);
  norm.along[c] = static_cast<float>(along / count);
}

// backward is all of it, with dy stored as T.
template <class T>
static int backward(rpg_device *dev, const struct rpg_conv_layer_backward *a) {
  const struct rpg_conv_layer &of = a->of;
  conv_shape layer = shape_of(of), turned = layer;
  const int in = layer.in, out = layer.out, k = layer.k, d = layer.d;
  turned.in = out, turned.out = in;
  const bool alone = !a->dw.data, wants_sums = a->dx.data && of.x_norm.dscale, wants_bias = !alone && a->dbias;
  const int64_t rows = ceil_div(d, row_width(dev, turned));
  const signals dy_from = signals_of(a->dy), y = signals_of(of.y), raw = signals_of(a->raw);
  const bool eights = sizeof(T) == sizeof(bf16_t) && of.y_norm.scale && in_eights(dy_from, d) && in_eights(y, d) && (!raw.data || in_eights(raw, d));
  const unsigned block = reduce_threads(ceil_div(d, dy_values));
  const int pieces = eights ? 1 : static_cast<int>(ceil_div(d, dy_values * block));

  const int64_t dy_bytes = static_cast<int64_t>(out) * d * sizeof(T), sums_bytes = wants_sums ? rows * in * sizeof(float2) : 0;
  const int64_t bias_bytes = wants_bias ? out * pieces * sizeof(float) : 0;
  const int64_t window = window_of(of.tokens, dy_bytes + sums_bytes + bias_bytes);
  layer.count = window;
  const gradient_plan most = plan_gradient_of(layer, static_cast<const T *>(nullptr));
  workspace space;
  const int64_t weights_at = space.take(packed_bytes(dev, turned));
  const int64_t dy_at = space.take(window * dy_bytes);
  const int64_t sums_at = space.take(window * sums_bytes);
  const int64_t bias_at = space.take(window * bias_bytes);
  const int64_t parts_at = space.take(alone ? 0 : sizeof(float) * most.parts * in * out * k);
  const int64_t state_at = space.take(wants_sums ? 2 * sizeof(double) * in : 0);
  if (int bad = space.get(dev)) return bad;
  void *weights = space.at<void>(weights_at);
  T *dy = space.at<T>(dy_at);
  float2 *sums = wants_sums ? space.at<float2>(sums_at) : nullptr;
  float *bias_sums = wants_bias ? space.at<float>(bias_at) : nullptr, *parts = space.at<float>(parts_at);

  if (int bad = pack(dev, of.w, turned, true, weights)) return bad;
  for (int64_t first = 0; first < of.tokens; first += window) {
    layer.first = turned.first = first;
    layer.count = turned.count = of.tokens - first < window ? of.tokens - first : window;
    if (eights)
      LAUNCH(dev, output_gradient_eights, dim3(static_cast<unsigned>(ceil_div(32 * layer.count * out, threads))), threads, 0, dy_from, y, of.y_norm, raw, layer,
             reinterpret_cast<bf16_t *>(dy), bias_sums);
    else
      LAUNCH(dev, output_gradient<T>, dim3(static_cast<unsigned>(layer.count * out * pieces)), block, 0, dy_from, y, of.y_norm, raw,
             layer, pieces, dy, bias_sums);
    if (wants_bias) LAUNCH(dev, add_bias, out, reduce_threads(layer.count * pieces), 0, bias_sums, layer, pieces, a->dbias);
    const window_values<T> gradients = {dy, first, out, d, d % 8 == 0};
    if (!alone) {
      const gradient_plan plan = plan_gradient_of(layer, dy);
      if (int bad = launch_gradient(dev, input_of(of), gradients, layer, plan, parts)) return bad;
      const int64_t values = static_cast<int64_t>(in) * out * k;
      LAUNCH(dev, add_parts, static_cast<unsigned>(ceil_div(values, 32)), part_threads(plan.parts), 0, parts, plan.parts,
             layer, a->dw);
    }
    const layer_gradients sink = {input_of(of), signals_of(a->dx, d), a->add_dx != 0, alone, a->dcond, a->dtime, sums, first};
    if (int bad = convolve(dev, gradients, sink, turned, weights)) return bad;
    if (wants_sums)
      LAUNCH(dev, input_sums, in, reduce_threads(turned.count * rows), 0, sums, turned.count * rows, in, first == 0,
             first + turned.count == of.tokens, static_cast<double>(of.tokens) * d, space.at<double>(state_at), of.x_norm);
  }
  return 0;
}

int rpg_conv_layer_backward(rpg_device *dev, const struct rpg_conv_layer_backward *a) {
  if (a->of.tokens == 0) return 0;
  return on_tensor_cores(dev, shape_of(a->of)) ? backward<bf16_t>(dev, a) : backward<float>(dev, a);
}
