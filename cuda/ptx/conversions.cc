// Conversions between integers and floating point of all widths.
#include <cmath>
#include <limits>

#include "lanes.h"

namespace ptx {
namespace {

template <class To, class From>
void convert(Warp &w, const Instruction &in, uint32_t active) {
  const From *a = w.from<From>(in.from[0]);
  for_lanes(active, [=](int l) { return static_cast<To>(a[l]); }, w.to<To>(in.to[0]));
}

// Rounding to an integer value: to nearest with ties to even, and towards zero,
// below and above.
struct Nearest { template <class T> static T of(T a) { return std::nearbyint(a); } };
struct Zero { template <class T> static T of(T a) { return std::trunc(a); } };
struct Below { template <class T> static T of(T a) { return std::floor(a); } };
struct Above { template <class T> static T of(T a) { return std::ceil(a); } };

// to_integer gives the nearest of To where the value lies outside, and 0 for a NaN.
template <class Round, class To, class From>
void to_integer(Warp &w, const Instruction &in, uint32_t active) {
  To *d = w.to<To>(in.to[0]);
  const From *a = w.from<From>(in.from[0]);
  constexpr To least = std::numeric_limits<To>::min(), most = std::numeric_limits<To>::max();
  each_active(active, [&](int l) {
    const From v = Round::of(a[l]);
    d[l] = v != v ? To(0) : v <= From(least) ? least : v >= From(most) ? most : To(v);
  });
}

// Saturation to [0, 1]; a NaN becomes +0.
struct Saturate { template <class T> static T of(T a) { return a > 0 ? (a < 1 ? a : T(1)) : T(0); } };

uint32_t bf16(float v) {
  uint32_t b;
  memcpy(&b, &v, sizeof b);
  if (v != v) return 0x7fff;
  return (b + 0x7fff + (b >> 16 & 1)) >> 16;
}

// The first source becomes the upper half.
void to_bf16_pair(Warp &w, const Instruction &in, uint32_t active) {
  const float *high = w.from<float>(in.from[0]), *low = w.from<float>(in.from[1]);
  for_lanes(active, [=](int l) { return bf16(high[l]) << 16 | bf16(low[l]); }, w.to<uint32_t>(in.to[0]));
}

template <class T>
constexpr const char *letter() {
  return sizeof(T) == 2 ? "h" : sizeof(T) == 4 ? "w" : "l";
}

// from_integer adds the conversions of one integer type to all other types.
template <class From>
void from_integer(Shapes &to, const std::string &from) {
  const auto put = [&](std::string name, Handler run, const char *width, Class what) {
    to[kept("cvt." + name + "." + from)] = {run, width, letter<From>(), what};
  };
  put("u16", convert<uint16_t, From>, "h", Class::integer);
  put("s16", convert<int16_t, From>, "h", Class::integer);
  put("u32", convert<uint32_t, From>, "w", Class::integer);
  put("s32", convert<int32_t, From>, "w", Class::integer);
  put("u64", convert<uint64_t, From>, "l", Class::integer);
  put("s64", convert<int64_t, From>, "l", Class::integer);
  put("rn.f32", convert<float, From>, "w", Class::special);
  put("rn.f64", convert<double, From>, "l", Class::special);
}

template <class From, class Round>
void to_integers(Shapes &to, const std::string &rounding, const std::string &from) {
  const auto put = [&](std::string name, Handler run, const char *width) {
    to[kept("cvt." + rounding + "." + name + "." + from)] = {run, width, letter<From>(), Class::special};
  };
  put("s32", to_integer<Round, int32_t, From>, "w");
  put("u32", to_integer<Round, uint32_t, From>, "w");
  put("s64", to_integer<Round, int64_t, From>, "l");
  put("u64", to_integer<Round, uint64_t, From>, "l");
  put(from, unary<Round, From>, letter<From>());
}

template <class From>
void from_float(Shapes &to, const std::string &from) {
  to_integers<From, Nearest>(to, "rni", from);
  to_integers<From, Zero>(to, "rzi", from);
  to_integers<From, Below>(to, "rmi", from);
  to_integers<From, Above>(to, "rpi", from);
  const Class what = sizeof(From) == 4 ? Class::f32 : Class::f64;
  to[kept("cvt.sat." + from + "." + from)] = {unary<Saturate, From>, letter<From>(), letter<From>(), what};
}

}  // namespace

void add_conversions(Shapes &to) {
  from_integer<uint16_t>(to, "u16");
  from_integer<int16_t>(to, "s16");
  from_integer<uint32_t>(to, "u32");
  from_integer<int32_t>(to, "s32");
  from_integer<uint64_t>(to, "u64");
  from_integer<int64_t>(to, "s64");
  from_float<float>(to, "f32");
  from_float<double>(to, "f64");
  to["cvt.f64.f32"] = {convert<double, float>, "l", "w", Class::special};
  to["cvt.rn.f32.f64"] = {convert<float, double>, "w", "l", Class::special};
  to["cvt.rn.bf16x2.f32"] = {to_bf16_pair, "w", "ww", Class::special};
}

}  // namespace ptx
