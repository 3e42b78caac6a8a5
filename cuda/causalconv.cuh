// What CausalConv and its backward pass share: a thread goes down a run of rows of
// one sequence in one channel, with the values that it needs again in registers.
#pragma once

#include "common.cuh"

// Kernels are made for `most` taps; further back than a.k - 1 rows there are none.
constexpr int few_taps = 4, most_taps = 32;

// LAUNCH_TAPS(dev, kernel, blocks, a, arguments...) starts kernel<most>.
#define LAUNCH_TAPS(dev, kernel, blocks, taps, ...)                               \
  do {                                                                            \
    if ((taps) <= few_taps)                                                       \
      LAUNCH(dev, (kernel<few_taps>), blocks, conv_threads, 0, __VA_ARGS__);      \
    else                                                                          \
      LAUNCH(dev, (kernel<most_taps>), blocks, conv_threads, 0, __VA_ARGS__);     \
  } while (0)

constexpr int conv_threads = 128;  // channels of a block

// conv_run is where a thread works.
struct conv_run {
  int64_t run, c, l0;  // number of the run, channel, first row in the sequence
  int64_t row0;        // of the sequence
  int64_t sequence;
};

__device__ __forceinline__ conv_run conv_run_of(int64_t channels, int64_t l, int length) {
  const unsigned groups = static_cast<unsigned>(ceil_div(channels, conv_threads));
  const unsigned runs = static_cast<unsigned>(ceil_div(l, length));
  const unsigned run = blockIdx.x / groups;
  return {run, static_cast<int64_t>(blockIdx.x % groups) * conv_threads + threadIdx.x,
          static_cast<int64_t>(run % runs) * length, static_cast<int64_t>(run / runs) * l, run / runs};
}

inline dim3 conv_blocks(int64_t runs, int64_t channels) {
  return dim3(static_cast<unsigned>(runs * ceil_div(channels, conv_threads)));
}

// conv_window<most> holds the weights of a channel and its last values, by how many
// rows they lie back.
template <int most>
struct conv_window {
  float tap[most], x[most];
  float bias;

  // start reads what lies before row l0 of the sequence whose channel begins at in.
  __device__ __forceinline__ void start(const struct rpg_causal_conv &a, const conv_run &at, const float *in) {
    bias = a.bias[at.c];
#pragma unroll
    for (int back = 0; back < most; back++) {
      tap[back] = back < a.k ? a.w[at.c * a.k + a.k - 1 - back] : 0;
      const int64_t l = at.l0 - 1 - back;
      x[back] = 0;
      if (back < a.k - 1 && l >= 0)
        x[back] = in[l * a.x.stride];
      else if (back < a.k - 1 && a.before.data)
        x[back] = a.before.data[((at.sequence + 1) * (a.k - 1) + l) * a.before.stride + at.c];
    }
  }

  // next goes on by one row, whose value is v.
  __device__ __forceinline__ void next(float v, int64_t taps) {
#pragma unroll
    for (int back = most - 1; back > 0; back--) x[back] = back < taps ? x[back - 1] : 0;
    x[0] = v;
  }

  // linear is the value before SiLU.
  __device__ __forceinline__ float linear() const {
    float p = bias;
#pragma unroll
    for (int back = most - 1; back >= 0; back--) p += tap[back] * x[back];
    return p;
  }
};
