// What AdamW does whatever the form of its states.
#pragma once

#include "common.cuh"

// clip_of is the factor of all gradients. It is the same for all threads, and
// every one computes it.
template <class A>
__device__ __forceinline__ float clip_of(const A &a) {
  if (!a.norm) return 1;
  const double fits = static_cast<double>(a.max_norm) / (sqrt(static_cast<double>(*a.norm)) + 1e-6);
  // A gradient that is not a number stays one.
  return fits < 1 || fits != fits ? static_cast<float>(fits) : 1;
}

// adam_w_move takes value i, and its m and v, through a step.
template <class A>
__device__ __forceinline__ void adam_w_move(const A &a, const rpg_adam_w_now &f, float clip, int64_t i, float *m, float *v) {
  const float g = a.g[i] * clip;
  const float new_m = *m + a.new1 * (g - *m), new_v = *v + a.new2 * (g * g - *v);
  const float p = f.keep * a.p[i] - f.rate * new_m / (f.root * sqrtf(new_v) + a.eps);
  *m = new_m;
  *v = new_v;
  a.p[i] = p;
  if (a.ema) a.ema[i] += f.new_ema * (p - a.ema[i]);
}
