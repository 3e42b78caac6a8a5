// What the kernels of SSD's backward pass leave for each other.
#pragma once

#include "ssd.cuh"

struct ssd_gradient {
  ssd_scan t;
  struct rpg_matrix dy, dx, db, dc, ddt;
  int64_t group, groups;  // of heads: sums over heads are made in groups first

  // Of pieces of sequences, [N, H, P, S] each, null where absent: the gradients of the
  // states at the ends and at the starts, and what the first chunks give to these.
  const float *dend;
  float *dstart, *first;

  // dstates, [items, H, P, S], is the gradient of the state at the end of each
  // chunk; without dend there is none of a sequence's last chunk.
  float *dstates;
  // ends, [items, H, parts], adds up to the product of that gradient and the state.
  float *ends;
  int64_t parts;

  // Sums over a group of heads: [groups, items, Chunk, Chunk] of the gradient of
  // C·Bᵀ, and [groups, items, Chunk, S] of what the states give to DC and DB.
  float *dcb, *dc_parts, *db_parts;

  // For each token of each head, by tile of what was summed, [tiles, items, H,
  // Chunk]. With T[i,j] how much the loss depends on the logarithm of the decay from
  // token j to token i > j: its sums over j and i. The same for the decay from the
  // chunk's start to i (early), from j to its end (late). Last, the gradient of dt
  // by itself (along) and that of D (skipped).
  float *rows, *columns, *early, *late, *along, *skipped;

  double *sums;  // [items, 3, H]: parts of the gradients of DTBias, ALog and D
};

__device__ __forceinline__ int64_t ssd_tokens(const ssd_gradient &g) { return g.t.items * g.t.a.h * g.t.a.chunk; }

// starts and ends say whether the state at that end of an item has a part in what
// is computed.
__device__ __forceinline__ bool starts(const ssd_gradient &g, const ssd_item &item) {
  return item.chunk > 0 || g.t.a.start;
}
__device__ __forceinline__ bool ends(const ssd_gradient &g, const ssd_item &item) {
  return item.chunk + 1 < g.t.chunks || g.dend;
}

// ssd_inside: dcb, rows, columns. ssd_edges: dc_parts, db_parts, early, late.
// ssd_inputs: DX, along, skipped.
int ssd_inside(rpg_device *dev, const ssd_gradient &g);
int ssd_edges(rpg_device *dev, const ssd_gradient &g);
int ssd_inputs(rpg_device *dev, const ssd_gradient &g);
