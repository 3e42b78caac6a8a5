// What the lanes of a warp do together: shuffles, votes, matrices of shared memory
// and products on tensor cores.
#include <algorithm>
#include <cmath>

#include "lanes.h"

namespace ptx {
namespace {

enum class Way { up, down, across, index };

// shuffle: the lane that a lane takes its value from, in its segment, and itself
// where that is outside. Bits 0-4 of the last operand are the segment's last lane
// and bits 8-12 are those that all lanes of a segment have in common.
template <Way way>
void shuffle(Warp &w, const Instruction &in, uint32_t active) {
  uint32_t a[lanes], yes = 0;
  memcpy(a, w.from<uint32_t>(in.from[0]), sizeof a);
  const uint32_t *b = w.from<uint32_t>(in.from[1]), *c = w.from<uint32_t>(in.from[2]);
  uint32_t *d = w.to<uint32_t>(in.to[0]);
  uint32_t out[lanes];
  each_active(active, [&](int lane) {
    const int by = b[lane] & 31, bound = c[lane] & 31, common = c[lane] >> 8 & 31;
    const int most = (lane & common) | (bound & ~common), least = lane & common;
    int j = 0;
    bool inside = false;
    if (way == Way::up) j = lane - by, inside = j >= most;
    if (way == Way::down) j = lane + by, inside = j <= most;
    if (way == Way::across) j = lane ^ by, inside = j <= most;
    if (way == Way::index) j = least | (by & ~common), inside = j <= most;
    if (!inside) j = lane;
    if (!(active >> j & 1)) fault(w, in, lane, "a shuffle takes the value of lane %d, which does not take part", j);
    out[lane] = a[j];
    yes |= uint32_t(inside) << lane;
  });
  each_active(active, [&](int lane) { d[lane] = out[lane]; });
  if (in.to[1] >= 0) w.set_predicate(in.to[1], yes, active);
}

void ballot(Warp &w, const Instruction &in, uint32_t active) {
  const uint32_t yes = w.predicate(in.from[0]) & active;
  for_lanes(active, [=](int) { return yes; }, w.to<uint32_t>(in.to[0]));
}

template <bool all>
void vote(Warp &w, const Instruction &in, uint32_t active) {
  const uint32_t yes = w.predicate(in.from[0]) & active;
  w.set_predicate(in.to[0], (all ? yes == active : yes != 0) ? everyone : 0, active);
}

void meet(Warp &w, const Instruction &, uint32_t active) {
  if (active == w.alive) w.time++;
}

// load_matrix loads four matrices of 8x8 values of 16 bits. Lane l gives the address
// of row l%8 of matrix l/8, and gets of each matrix the values 2*(l%4) and the next
// of row l/4; transposed, those rows of column l/4.
template <bool transposed>
void load_matrix(Warp &w, const Instruction &in, uint32_t active) {
  uint64_t at[lanes];
  w.addresses(in, in.from[0], at);
  for (int l = 0; l < lanes; l++) read_shared(w, in, l, at[l], 16);
  if (w.block->counts) count_shared(w, in, active, at, 16);
  const char *shared = w.block->shared.data();
  for (int i = 0; i < 4; i++) {
    uint16_t m[8][8];
    for (int row = 0; row < 8; row++) memcpy(m[row], shared + at[8 * i + row], 16);
    uint32_t *d = w.to<uint32_t>(in.to[i]);
    for (int l = 0; l < lanes; l++) {
      const int g = l / 4, t = l % 4 * 2;
      d[l] = transposed ? uint32_t(m[t + 1][g]) << 16 | m[t][g] : uint32_t(m[g][t + 1]) << 16 | m[g][t];
    }
  }
}

float wide(uint32_t pair, int half) {
  const uint32_t bits = half ? pair & 0xffff0000u : pair << 16;
  float v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

// sum_in_order adds 16 products to c in float32, in the order of k, each sum rounded
// to nearest.
float sum_in_order(const float *a, const float (*b)[8], int col, float c) {
  for (int k = 0; k < 16; k++) c += a[k] * b[k][col];
  return c;
}

// sum_truncated adds 8 products and c at a time, each cut to a unit that is 2^-24 of
// the largest one's power of two, and the sum cut to float32: what measurements of an
// A100 show (Fasi, Higham, Mikaitis and Pranesh 2021, section 4).
float sum_truncated(const float *a, const float (*b)[8], int col, float c) {
  for (int first = 0; first < 16; first += 8) {
    double parts[9] = {c}, sum = 0;
    int most = -200;
    for (int k = 0; k < 8; k++) parts[k + 1] = double(a[first + k]) * b[first + k][col];
    for (double p : parts)
      if (p != 0 && std::isfinite(p)) most = std::max(most, std::ilogb(p));
    for (double p : parts) sum += std::isfinite(p) ? std::ldexp(std::trunc(std::ldexp(p, 24 - most)), most - 24) : p;
    c = static_cast<float>(sum);
    if (std::isfinite(c) && std::fabs(double(c)) > std::fabs(sum)) c = std::nextafter(c, 0.0f);
  }
  return c;
}

// multiply is D[16x8] = A[16x16] · B[16x8] + C. The products are exact; NVIDIA leaves
// the order and the rounding of the sums open. Lane 4g+t holds
//   of A  a[0..7]: row g, and g+8 for 2,3,6,7; column 2t + i%2, and 8 more from 4 on;
//   of B  b[0..3]: row 2t + i%2, and 8 more from 2 on; column g;
//   of C and D  c[0..3]: row g, and g+8 from 2 on; column 2t + i%2.
template <float (*sum)(const float *, const float (*)[8], int, float)>
void multiply(Warp &w, const Instruction &in, uint32_t) {
  float a[16][16], b[16][8];
  for (int l = 0; l < lanes; l++) {
    const int g = l / 4, t = l % 4;
    for (int i = 0; i < 8; i++) {
      const int row = i % 4 < 2 ? g : g + 8, col = 2 * t + i % 2 + (i < 4 ? 0 : 8);
      a[row][col] = wide(w.from<uint32_t>(in.from[i / 2])[l], i % 2);
    }
    for (int i = 0; i < 4; i++) {
      const int row = 2 * t + i % 2 + (i < 2 ? 0 : 8);
      b[row][g] = wide(w.from<uint32_t>(in.from[4 + i / 2])[l], i % 2);
    }
  }
  for (int i = 0; i < 4; i++) {
    const float *c = w.from<float>(in.from[6 + i]);
    float *d = w.to<float>(in.to[i]), out[lanes];
    for (int l = 0; l < lanes; l++) out[l] = sum(a[i < 2 ? l / 4 : l / 4 + 8], b, 2 * (l % 4) + i % 2, c[l]);
    memcpy(d, out, sizeof out);
  }
}

}  // namespace

void add_warp_operations(Shapes &to) {
  const auto members = [&](const char *name, Handler run, const char *out, const char *from, Class what) {
    to[name] = {run, out, from, what, 0, Kind::members};
  };
  members("shfl.sync.up.b32", shuffle<Way::up>, "wp", "wwww", Class::shuffle);
  members("shfl.sync.down.b32", shuffle<Way::down>, "wp", "wwww", Class::shuffle);
  members("shfl.sync.bfly.b32", shuffle<Way::across>, "wp", "wwww", Class::shuffle);
  members("shfl.sync.idx.b32", shuffle<Way::index>, "wp", "wwww", Class::shuffle);
  members("vote.sync.ballot.b32", ballot, "w", "pw", Class::shuffle);
  members("vote.sync.all.pred", vote<true>, "p", "pw", Class::shuffle);
  members("vote.sync.any.pred", vote<false>, "p", "pw", Class::shuffle);
  members("bar.warp.sync", meet, "", "w", Class::barrier);
  const auto aligned = [&](const char *name, Handler run, const char *from, Class what, uint8_t flops) {
    to[name] = {run, "wwww", from, what, flops, Kind::aligned};
  };
  aligned("ldmatrix.sync.aligned.m8n8.x4.shared.b16", load_matrix<false>, "a", Class::load_matrix, 0);
  aligned("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", load_matrix<true>, "a", Class::load_matrix, 0);
  aligned("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32",
          rough() ? multiply<sum_truncated> : multiply<sum_in_order>, "wwwwwwwwww", Class::mma, 128);
}

}  // namespace ptx
