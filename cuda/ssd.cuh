// What SSD and its backward pass share. An item is a chunk of a sequence; in it,
// tokens are counted from 0. Decays over several tokens are exponentials of sums of
// logarithms, which are kept as two float32 numbers: a difference of two sums is
// then as exact as the decay of one token, and nothing is divided by a decay.
#pragma once

#include "ssd_tile.cuh"

struct ssd_scan {
  struct rpg_ssd a;
  int64_t chunks, items;  // of a sequence, of all

  // For each token of each head of an item, [items, H, Chunk]:
  float *steps;  // softplus(DT + DTBias)
  float2 *logs;  // Σ ln decay up to and with the token: x + y
  float *up_to;  // the same as a decay: what is left of the chunk's first state
  float *after;  // the decay of all tokens behind it

  float *cb;  // [items, Chunk, Chunk]: C·Bᵀ, in tiles on and below the diagonal
};

struct ssd_item {
  int64_t number, chunk;  // chunk: in its sequence
  int64_t row;            // of its first token
  int tokens;
};

__device__ __forceinline__ ssd_item item_of(const ssd_scan &t, int64_t number) {
  const unsigned chunk = static_cast<unsigned>(number) % static_cast<unsigned>(t.chunks);
  const int64_t first = chunk * t.a.chunk, left = t.a.l - first;
  return {number, chunk, number / static_cast<unsigned>(t.chunks) * t.a.l + first,
          static_cast<int>(left < t.a.chunk ? left : t.a.chunk)};
}

// head_of is the number of an item's head: what is stored for heads or states lies
// in this order.
__device__ __forceinline__ int64_t head_of(const ssd_scan &t, int64_t item, int64_t head) {
  return item * t.a.h + head;
}

// decay is that from token `from` (without) to a later one (with).
__device__ __forceinline__ float decay(float2 to, float2 from) { return expf((to.x - from.x) + (to.y - from.y)); }

__host__ __device__ inline unsigned tiles(int64_t n) { return static_cast<unsigned>(ceil_div(n, ssd_tile)); }

// ssd_split takes a block's number apart, the last index first.
struct ssd_split {
  unsigned rest;
  __device__ ssd_split() : rest(blockIdx.x) {}
  __device__ __forceinline__ unsigned next(unsigned count) {
    const unsigned i = rest % count;
    rest /= count;
    return i;
  }
};

// ssd_space hands out parts of the workspace, or adds up how much they take.
struct ssd_space {
  uintptr_t base;
  size_t used = 0;
  template <class T>
  T *take(int64_t n) {
    T *part = reinterpret_cast<T *>(base + used);
    used += static_cast<size_t>(ceil_div(n * static_cast<int64_t>(sizeof(T)), 256)) * 256;
    return part;
  }
};

inline ssd_scan ssd_scan_of(const struct rpg_ssd &a, ssd_space &space) {
  ssd_scan t = {};
  t.a = a;
  t.chunks = ceil_div(a.l, a.chunk);
  t.items = a.n * t.chunks;
  const int64_t tokens = t.items * a.h * a.chunk;
  t.steps = space.take<float>(tokens);
  t.logs = space.take<float2>(tokens);
  t.up_to = space.take<float>(tokens);
  t.after = space.take<float>(tokens);
  t.cb = space.take<float>(t.items * a.chunk * a.chunk);
  return t;
}

// ssd_prepare fills what t has: ssd_rates.cu.
int ssd_prepare(rpg_device *dev, const ssd_scan &t);
