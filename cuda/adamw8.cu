// AdamW with M and V in 8 bits: a warp takes one block of values after another,
// with its M and V in registers from the codes of before to those of after. A lane
// takes every 32nd value, so that a warp reads and writes 32 bytes of codes at once.
#include "adamw.cuh"

static constexpr int state_block = 256;           // values that share a scale
static constexpr int lanes = 32, warps = threads / lanes;
static constexpr int each = state_block / lanes;  // values of a lane
static constexpr int turns = 4;                   // blocks of values that a warp takes

// The codes of compute.StateCodes, in rising order, and the middle between each and
// the next.
struct state_codes {
  float value[256], middle[256];
};

static constexpr state_codes codes_of(bool with_sign) {
  state_codes c{};
  const int zero = with_sign ? 127 : 0;
  int at = zero;
  const double ends[7] = {1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1};
  for (int i = 0; i < 7; i++) {
    const int n = (with_sign ? 1 : 2) << i;
    for (int j = 0; j < n; j++) {
      at++;
      c.value[at] = static_cast<float>(ends[i] * (0.1 + 0.9 * (j + 0.5) / n));
      if (with_sign) c.value[2 * zero - at] = -c.value[at];
    }
  }
  c.value[255] = 1;
  for (int i = 0; i < 255; i++) c.middle[i] = (c.value[i] + c.value[i + 1]) / 2;
  return c;
}

static __device__ const state_codes signed_codes = codes_of(true), unsigned_codes = codes_of(false);

// nearest is the code of x: of what is not a number, 0.
static __device__ __forceinline__ int nearest(const float *middle, float x) {
  int code = 0;
#pragma unroll
  for (int step = 128; step > 0; step /= 2)
    if (x > middle[code + step - 1]) code += step;
  return code;
}

// largest gives all lanes the largest size of v. Without signs, the bits of numbers
// are in their order, and what is not a number is above all.
static __device__ __forceinline__ float largest(const float (&v)[each]) {
  uint32_t most = 0;
#pragma unroll
  for (int k = 0; k < each; k++) {
    const uint32_t bits = __float_as_uint(v[k]) & 0x7fffffffu;
    most = bits > most ? bits : most;
  }
  return __uint_as_float(warp_max(most));
}

static __global__ void __launch_bounds__(threads) adam_w8(struct rpg_adam_w8 a, varying<rpg_adam_w_now> factors) {
  SHARED(codes, state_codes[2]);
  for (int i = threadIdx.x; i < 256; i += threads) {
    codes[0].value[i] = signed_codes.value[i];
    codes[0].middle[i] = signed_codes.middle[i];
    codes[1].value[i] = unsigned_codes.value[i];
    codes[1].middle[i] = unsigned_codes.middle[i];
  }
  __syncthreads();
  const rpg_adam_w_now f = factors.get();
  const float clip = clip_of(a);
  const int lane = threadIdx.x % lanes;
  for (int turn = 0; turn < turns; turn++) {
    const int64_t block = (static_cast<int64_t>(blockIdx.x) * turns + turn) * warps + threadIdx.x / lanes;
    const int64_t first = block * state_block + lane;
    if (block * state_block >= a.n) return;
    const float m_scale = a.m_scale[block], v_scale = a.v_scale[block];
    float m[each], v[each];
#pragma unroll
    for (int k = 0; k < each; k++) {
      const int64_t i = first + k * lanes;
      m[k] = v[k] = 0;
      if (i < a.n) {
        m[k] = codes[0].value[a.m_codes[i]] * m_scale;
        v[k] = codes[1].value[a.v_codes[i]] * v_scale;
        adam_w_move(a, f, clip, i, &m[k], &v[k]);
      }
    }
    const float new_m_scale = largest(m), new_v_scale = largest(v);
    __syncwarp();  // all lanes have read the scales
    if (lane == 0) {
      a.m_scale[block] = new_m_scale;
      a.v_scale[block] = new_v_scale;
    }
#pragma unroll
    for (int k = 0; k < each; k++) {
      const int64_t i = first + k * lanes;
      if (i < a.n) {
        a.m_codes[i] = static_cast<uint8_t>(nearest(codes[0].middle, m[k] / new_m_scale));
        const int code = nearest(codes[1].middle, v[k] / new_v_scale);
        a.v_codes[i] = static_cast<uint8_t>(code == 0 && v[k] > 0 ? 1 : code);
      }
    }
  }
}

int rpg_adam_w8(rpg_device *dev, const struct rpg_adam_w8 *a) {
  const int64_t values = static_cast<int64_t>(state_block) * turns * warps;  // of a block of threads
  LAUNCH(dev, adam_w8, dim3(ceil_div(a->n, values)), threads, 0, *a, varying_of(a));
  return 0;
}
