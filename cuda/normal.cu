// Normal and NormalRows: a thread makes the 4 numbers of one block of Philox.
#include "philox.cuh"

static __global__ void __launch_bounds__(threads) normal(struct rpg_normal a, varying<rpg_normal_now> key) {
  const rpg_normal_now k = key.get();
  const int64_t block = static_cast<int64_t>(blockIdx.x) * threads + threadIdx.x;
  if (4 * block >= a.n) return;
  const normals out = normals_of(k.seed, k.stream, static_cast<uint64_t>(block));
#pragma unroll
  for (int i = 0; i < 4; i++)
    if (4 * block + i < a.n) a.x[4 * block + i] = out.v[i];
}

int rpg_normal(rpg_device *dev, const struct rpg_normal *a) {
  LAUNCH(dev, normal, dim3(ceil_div(ceil_div(a->n, 4), threads)), threads, 0, *a, varying_of(a));
  return 0;
}

// two_words is a number of 64 bits, low word first.
static __device__ __forceinline__ uint64_t two_words(const int32_t *at) {
  return static_cast<uint32_t>(at[0]) | static_cast<uint64_t>(static_cast<uint32_t>(at[1])) << 32;
}

static __global__ void __launch_bounds__(threads) normal_rows(struct rpg_normal_rows a, varying<rpg_normal_rows_now> now) {
  const unsigned groups = static_cast<unsigned>(ceil_div(ceil_div(a.x.cols, 4), threads));
  const int64_t row = blockIdx.x / groups;
  const int64_t block = static_cast<int64_t>(blockIdx.x % groups) * threads + threadIdx.x;
  if (4 * block >= a.x.cols) return;
  const uint64_t seed = two_words(a.keys + 4 * row), stream = two_words(a.keys + 4 * row + 2) + now.get().offset;
  const normals out = normals_of(seed, stream, static_cast<uint64_t>(block));
  float *x = a.x.data + row * a.x.stride;
#pragma unroll
  for (int i = 0; i < 4; i++)
    if (4 * block + i < a.x.cols) x[4 * block + i] = out.v[i];
}

int rpg_normal_rows(rpg_device *dev, const struct rpg_normal_rows *a) {
  LAUNCH(dev, normal_rows, dim3(a->x.rows * ceil_div(ceil_div(a->x.cols, 4), threads)), threads, 0, *a, varying_of(a));
  return 0;
}
