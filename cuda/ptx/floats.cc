// Arithmetic of float32 and float64: as IEEE 754 says, to the last bit, with two
// exceptions. A NaN keeps the payload that the host gives it, and the approximate
// functions, whose last bits NVIDIA leaves open, are computed in float64 and
// rounded to nearest; or, with RPG_PTX_ROUGH, are off by nearly what it allows:
// 2^-22 of ex2 and 2^-23 of rcp.
#include <cfenv>
#include <cmath>

#include "lanes.h"

namespace ptx {
namespace {

struct Add { template <class T> static T of(T a, T b) { return a + b; } };
struct Sub { template <class T> static T of(T a, T b) { return a - b; } };
struct Mul { template <class T> static T of(T a, T b) { return a * b; } };
struct Div { template <class T> static T of(T a, T b) { return a / b; } };
struct Fma {
  static float of(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
  static double of(double a, double b, double c) { return __builtin_fma(a, b, c); }
};
struct Sqrt {
  static float of(float a) { return __builtin_sqrtf(a); }
  static double of(double a) { return __builtin_sqrt(a); }
};
struct Reciprocal { template <class T> static T of(T a) { return T(1) / a; } };

double with_bits(uint64_t b) {
  double v;
  memcpy(&v, &b, sizeof v);
  return v;
}

// The sign is a bit, of a NaN too.
struct Neg { template <class T> static T of(T a) { return a ^ T(1) << (8 * sizeof(T) - 1); } };
struct Abs { template <class T> static T of(T a) { return a & ~(T(1) << (8 * sizeof(T) - 1)); } };
struct CopySign {
  template <class T>
  static T of(T sign, T size) {
    const T bit = T(1) << (8 * sizeof(T) - 1);
    return (sign & bit) | (size & ~bit);
  }
};

// Of a NaN and a number the number; -0 is below +0.
struct Min {
  template <class T>
  static T of(T a, T b) {
    return a < b ? a : b < a ? b : a != a ? b : b != b ? a : std::signbit(a) ? a : b;
  }
};
struct Max {
  template <class T>
  static T of(T a, T b) {
    return a > b ? a : b > a ? b : a != a ? b : b != b ? a : std::signbit(a) ? b : a;
  }
};

float flushed(float v) { return std::fabs(v) < 0x1p-126f ? std::copysign(0.0f, v) : v; }
struct Exp2 { static float of(float a) { return flushed(float(std::exp2(double(flushed(a))))); } };
// off is v with a relative error of at most 2^-bits, this way or that.
float off(double v, float argument, int bits) {
  uint32_t b;
  memcpy(&b, &argument, sizeof b);
  return float(v * (1 + std::ldexp(b * 2654435761u >> 31 ? 0.9 : -0.9, -bits)));
}
struct Exp2Rough {
  static float of(float a) {
    const double power = std::exp2(double(flushed(a)));
    return flushed(std::nearbyint(a) == a ? float(power) : off(power, a, 22));
  }
};
struct ReciprocalRough { static float of(float a) { return flushed(off(1.0 / flushed(a), a, 23)); } };
struct ReciprocalApprox { static float of(float a) { return flushed(1.0f / flushed(a)); } };

// The float64 reciprocal sees and gives the upper 32 bits only.
struct ReciprocalGross {
  static double of(double a) {
    uint64_t bits;
    memcpy(&bits, &a, sizeof bits);
    double v = 1 / with_bits(bits & ~0xffffffffull);
    if (std::fabs(a) < 0x1p-1022) v = std::copysign(HUGE_VAL, a);
    if (std::fabs(v) < 0x1p-1022) v = std::copysign(0.0, v);
    memcpy(&bits, &v, sizeof bits);
    return with_bits(bits & ~0xffffffffull);
  }
};

// directed does an instruction with another rounding than to nearest. The barriers
// keep g++ from moving what it computes out of it.
template <Handler run, int direction>
void directed(Warp &w, const Instruction &in, uint32_t active) {
  const Handler volatile hidden = run;
  fesetround(direction);
  hidden(w, in, active);
  fesetround(FE_TONEAREST);
}

// Comparisons that are true, besides, where either is a NaN; and those of NaNs.
template <class F>
struct OrNan { template <class T> static bool of(T a, T b) { return F::of(a, b) || a != a || b != b; } };
struct Ordered { template <class T> static bool of(T a, T b) { return a == a && b == b; } };
struct Unordered { template <class T> static bool of(T a, T b) { return a != a || b != b; } };
struct LessOrGreater { template <class T> static bool of(T a, T b) { return a < b || a > b; } };

template <class T, class Bits>
void add_width(Shapes &to, const std::string &type, const char *one, const char *two, const char *three, Class what) {
  const auto put = [&](std::string name, Handler run, const char *from, uint8_t flops, Class c) {
    to[kept(name)] = {run, one, from, c, flops};
  };
  // Without a rounding it is to nearest; ptxas may join such a product and sum,
  // which nvcc has done before.
  for (const char *to_nearest : {".", ".rn."}) {
    const std::string end = to_nearest + type;
    put("add" + end, binary<Add, T>, two, 1, what);
    put("sub" + end, binary<Sub, T>, two, 1, what);
    put("mul" + end, binary<Mul, T>, two, 1, what);
  }
  put("fma.rn." + type, ternary<Fma, T>, three, 2, what);
  put("fma.rm." + type, directed<ternary<Fma, T>, FE_DOWNWARD>, three, 2, what);
  put("add.rz." + type, directed<binary<Add, T>, FE_TOWARDZERO>, two, 1, what);
  put("div.rn." + type, binary<Div, T>, two, 1, Class::special);
  put("sqrt.rn." + type, unary<Sqrt, T>, one, 1, Class::special);
  put("rcp.rn." + type, unary<Reciprocal, T>, one, 1, Class::special);
  put("min." + type, binary<Min, T>, two, 1, what);
  put("max." + type, binary<Max, T>, two, 1, what);
  put("neg." + type, unary<Neg, Bits>, one, 0, what);
  put("abs." + type, unary<Abs, Bits>, one, 0, what);
  put("copysign." + type, binary<CopySign, Bits>, two, 0, what);

  comparisons<T>(to, type, two, what);
  const auto test = [&](std::string name, Handler run) { to[kept("setp." + name + "." + type)] = {run, "p", two, what}; };
  test("ne", compare<LessOrGreater, T>);
  test("equ", compare<OrNan<Equal>, T>);
  test("neu", compare<NotEqual, T>);  // which is true of a NaN
  test("ltu", compare<OrNan<Less>, T>);
  test("leu", compare<OrNan<LessEqual>, T>);
  test("gtu", compare<OrNan<Greater>, T>);
  test("geu", compare<OrNan<GreaterEqual>, T>);
  test("num", compare<Ordered, T>);
  test("nan", compare<Unordered, T>);
}

}  // namespace

void add_floats(Shapes &to) {
  add_width<float, uint32_t>(to, "f32", "w", "ww", "www", Class::f32);
  add_width<double, uint64_t>(to, "f64", "l", "ll", "lll", Class::f64);
  to["ex2.approx.ftz.f32"] = {rough() ? unary<Exp2Rough, float> : unary<Exp2, float>, "w", "w", Class::special, 1};
  const Handler reciprocal = rough() ? unary<ReciprocalRough, float> : unary<ReciprocalApprox, float>;
  to["rcp.approx.ftz.f32"] = {reciprocal, "w", "w", Class::special, 1};
  to["rcp.approx.ftz.f64"] = {unary<ReciprocalGross, double>, "l", "l", Class::special, 1};
}

}  // namespace ptx
