// The random numbers of package compute: see generator/compute/philox.go, of which
// this is the same, bit for bit up to the rounding of the compiler.
#pragma once

#include "common.cuh"

struct philox_words {
  uint32_t v[4];
};

__device__ inline philox_words philox(uint64_t seed, uint64_t stream, uint64_t block) {
  uint32_t c0 = static_cast<uint32_t>(block), c1 = static_cast<uint32_t>(block >> 32);
  uint32_t c2 = static_cast<uint32_t>(stream), c3 = static_cast<uint32_t>(stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const uint32_t hi0 = __umulhi(0xD2511F53u, c0), lo0 = 0xD2511F53u * c0;
    const uint32_t hi1 = __umulhi(0xCD9E8D57u, c2), lo1 = 0xCD9E8D57u * c2;
    c0 = hi1 ^ c1 ^ k0, c1 = lo1, c2 = hi0 ^ c3 ^ k1, c3 = lo0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// log_fraction is ln((r+1)/2^32). With r+1 = 2^e·m, m near 1, and s = (m-1)/(m+1),
// ln m = 2·(s + s³/3 + s⁵/5 + …).
__device__ inline double log_fraction(uint32_t r) {
  const double whole = static_cast<double>(r) + 1;
  int e;
  double m = 2 * frexp(whole, &e);
  e -= 33;
  if (m > 1.4142135623730951) {
    m /= 2;
    e++;
  }
  const double s = (m - 1) / (m + 1), z = s * s;
  const double p = 1.0 / 3 + z * (1.0 / 5 + z * (1.0 / 7 + z * (1.0 / 9 + z * (1.0 / 11 + z * (1.0 / 13)))));
  return e * 0.69314718055994530942 + 2 * (s + s * z * p);
}

// turn_of gives the sine and cosine of r/2^32 turns: whole quarters and an angle of
// at most an eighth of a turn.
__device__ inline void turn_of(uint32_t r, double *sine, double *cosine) {
  const uint32_t quarters = (r + (1u << 29)) >> 30;
  const double a = static_cast<int32_t>(r - (quarters << 30)) * (2 * 3.14159265358979323846 / 4294967296.0), z = a * a;
  const double s = a - a * z * (1.0 / 6 - z * (1.0 / 120 - z * (1.0 / 5040 - z * (1.0 / 362880 - z * (1.0 / 39916800)))));
  const double c = 1 - z * (1.0 / 2 - z * (1.0 / 24 - z * (1.0 / 720 - z * (1.0 / 40320 - z * (1.0 / 3628800 - z * (1.0 / 479001600))))));
  const double first = quarters & 1 ? c : s, second = quarters & 1 ? s : c;
  *sine = quarters & 2 ? -first : first;
  *cosine = (quarters + 1) & 2 ? -second : second;
}

// normals are the standard normal numbers 4·block … 4·block+3 of a stream.
struct normals {
  float v[4];
};

__device__ inline normals normals_of(uint64_t seed, uint64_t stream, uint64_t block) {
  const philox_words r = philox(seed, stream, block);
  normals out;
#pragma unroll
  for (int i = 0; i < 4; i += 2) {
    double sine, cosine;
    turn_of(r.v[i + 1], &sine, &cosine);
    const double radius = sqrt(-2 * log_fraction(r.v[i]));
    out.v[i] = static_cast<float>(radius * cosine);
    out.v[i + 1] = static_cast<float>(radius * sine);
  }
  return out;
}
