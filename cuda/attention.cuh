// What attention and its backward pass share. A block of ssd_threads threads has
// 64 queries and 64 keys of one head at a time, and makes 64 columns of its
// outputs: a wider head takes several blocks, which all compute the scores.
//
// A score or a weight is the same wherever its query stands in a block: blocks of
// keys begin at multiples of 64, and a key that is not seen has the weight 0.
#pragma once

#include "ssd_tile.cuh"

constexpr int attention_block = ssd_tile;

// attention_weights is a tile in shared memory, a row for each query.
typedef float attention_weights[attention_block][attention_block + 1];

// head_rows is some rows of one head: value (i, j) for i < count.
struct head_rows {
  const float *data;
  int64_t stride;
  int count;
  __device__ __forceinline__ float at(int i, int j) const { return i < count ? data[i * stride + j] : 0; }
};

// rows_of views rows row … row+count-1 of a head, or 64 of them.
__device__ __forceinline__ head_rows rows_of(const struct rpg_matrix &m, int64_t row, int64_t column, int64_t count) {
  return {m.data + row * m.stride + column, m.stride, static_cast<int>(count < attention_block ? count : attention_block)};
}

// attention_place is what a block works on.
struct attention_place {
  int64_t seq, head, block, column;  // column: the first of its outputs, in the head
};

__device__ __forceinline__ attention_place place_of(const struct rpg_attention &a) {
  const int64_t tiles = ceil_div(a.p, attention_block), blocks = ceil_div(a.l, attention_block);
  const int64_t rest = blockIdx.x / tiles;
  return {rest / blocks / a.h, rest / blocks % a.h, rest % blocks, blockIdx.x % tiles * attention_block};
}

inline dim3 attention_grid(const struct rpg_attention *a) {
  return dim3(static_cast<unsigned>(a->n * a->h * ceil_div(a->l, attention_block) * ceil_div(a->p, attention_block)));
}

__device__ __forceinline__ float attention_scale(const struct rpg_attention &a) {
  return static_cast<float>(1 / sqrt(static_cast<double>(a.p)));
}

// add_scores: sum[i,j] += factor·x_i·y_j over the values of a head.
__device__ __forceinline__ void add_scores(ssd_values &sum, ssd_slices &s, int64_t p, const head_rows &x, float factor, const head_rows &y) {
  add_product<true, true>(sum, s, 0, static_cast<int>(p), [&](int i, int k) { return factor * x.at(i, k); },
                          [&](int j, int k) { return y.at(j, k); });
}

// keep writes the block's tile to shared memory; the next add_product may read it.
__device__ __forceinline__ void keep(attention_weights &to, const ssd_values &v) {
#pragma unroll
  for (int r = 0; r < tile_high; r++)
#pragma unroll
    for (int c = 0; c < tile_wide; c++) to[tile_row() + r][tile_col() + c] = v.v[r][c];
}

// put writes factor(r)·v to the columns of the head from column on.
template <class F>
__device__ __forceinline__ void put(const struct rpg_matrix &to, int64_t row, int count, int64_t head_column, int64_t column, int64_t p,
                                    const ssd_values &v, F factor) {
#pragma unroll
  for (int r = 0; r < tile_high; r++)
#pragma unroll
    for (int c = 0; c < tile_wide; c++)
      if (tile_row() + r < count && column + tile_col() + c < p)
        to.data[(row + tile_row() + r) * to.stride + head_column + column + tile_col() + c] = factor(r) * v.v[r][c];
}
