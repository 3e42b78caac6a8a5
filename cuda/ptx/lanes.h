// Handlers that do the same for each lane, of which g++ makes vector instructions.
#pragma once

#include "warp.h"

namespace ptx {

// for_lanes sets d[l] to f(l) for the active lanes. What f reads of another lane
// than l must not be d.
template <class F, class T>
inline void for_lanes(uint32_t active, F f, T *d) {
  if (active == everyone) {
#pragma GCC ivdep
    for (int l = 0; l < lanes; l++) d[l] = f(l);
    return;
  }
#pragma GCC ivdep
  for (int l = 0; l < lanes; l++) {
    const T value = f(l);
    d[l] = active >> l & 1 ? value : d[l];
  }
}

template <class F, class T>
void unary(Warp &w, const Instruction &in, uint32_t active) {
  const T *a = w.from<T>(in.from[0]);
  for_lanes(active, [=](int l) { return F::of(a[l]); }, w.to<T>(in.to[0]));
}
template <class F, class T>
void binary(Warp &w, const Instruction &in, uint32_t active) {
  const T *a = w.from<T>(in.from[0]), *b = w.from<T>(in.from[1]);
  for_lanes(active, [=](int l) { return F::of(a[l], b[l]); }, w.to<T>(in.to[0]));
}
template <class F, class T>
void ternary(Warp &w, const Instruction &in, uint32_t active) {
  const T *a = w.from<T>(in.from[0]), *b = w.from<T>(in.from[1]), *c = w.from<T>(in.from[2]);
  for_lanes(active, [=](int l) { return F::of(a[l], b[l], c[l]); }, w.to<T>(in.to[0]));
}
template <class F, class T>
void compare(Warp &w, const Instruction &in, uint32_t active) {
  const T *a = w.from<T>(in.from[0]), *b = w.from<T>(in.from[1]);
  uint32_t yes = 0;
  for (int l = 0; l < lanes; l++) yes |= uint32_t(F::of(a[l], b[l])) << l;
  w.set_predicate(in.to[0], yes, active);
}
template <class T>
void select(Warp &w, const Instruction &in, uint32_t active) {
  const T *a = w.from<T>(in.from[0]), *b = w.from<T>(in.from[1]);
  const uint32_t yes = w.predicate(in.from[2]);
  for_lanes(active, [=](int l) { return yes >> l & 1 ? a[l] : b[l]; }, w.to<T>(in.to[0]));
}

struct Equal { template <class T> static bool of(T a, T b) { return a == b; } };
struct NotEqual { template <class T> static bool of(T a, T b) { return a != b; } };
struct Less { template <class T> static bool of(T a, T b) { return a < b; } };
struct LessEqual { template <class T> static bool of(T a, T b) { return a <= b; } };
struct Greater { template <class T> static bool of(T a, T b) { return a > b; } };
struct GreaterEqual { template <class T> static bool of(T a, T b) { return a >= b; } };

// kept is a name for as long as the process lives.
inline std::string_view kept(const std::string &name) { return *new std::string(name); }

// comparisons adds setp of one type, with the comparisons that integers have too.
template <class T>
void comparisons(Shapes &to, const std::string &type, const char *two, Class what) {
  to[kept("setp.eq." + type)] = {compare<Equal, T>, "p", two, what};
  to[kept("setp.lt." + type)] = {compare<Less, T>, "p", two, what};
  to[kept("setp.le." + type)] = {compare<LessEqual, T>, "p", two, what};
  to[kept("setp.gt." + type)] = {compare<Greater, T>, "p", two, what};
  to[kept("setp.ge." + type)] = {compare<GreaterEqual, T>, "p", two, what};
  to[kept("setp.ne." + type)] = {compare<NotEqual, T>, "p", two, what};
}

}  // namespace ptx
