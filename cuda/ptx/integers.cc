// Integers, logic, predicates and moves.
#include "lanes.h"

namespace ptx {
namespace {

struct Add { template <class T> static T of(T a, T b) { return a + b; } };
struct Sub { template <class T> static T of(T a, T b) { return a - b; } };
struct Mul { template <class T> static T of(T a, T b) { return T(1u * a * b); } };
struct Mad { template <class T> static T of(T a, T b, T c) { return T(1u * a * b + c); } };
struct Min { template <class T> static T of(T a, T b) { return b < a ? b : a; } };
struct Max { template <class T> static T of(T a, T b) { return a < b ? b : a; } };
struct And { template <class T> static T of(T a, T b) { return a & b; } };
struct Or { template <class T> static T of(T a, T b) { return a | b; } };
struct Xor { template <class T> static T of(T a, T b) { return a ^ b; } };
struct Not { template <class T> static T of(T a) { return ~a; } };
struct Neg { template <class T> static T of(T a) { return T(0) - a; } };
struct Abs { template <class T> static T of(T a) { return a < 0 ? T(0) - a : a; } };
struct Same { template <class T> static T of(T a) { return a; } };

struct MulHigh {
  static uint32_t of(uint32_t a, uint32_t b) { return uint64_t(a) * b >> 32; }
  static int32_t of(int32_t a, int32_t b) { return int64_t(a) * b >> 32; }
  static uint64_t of(uint64_t a, uint64_t b) { return static_cast<unsigned __int128>(a) * b >> 64; }
  static int64_t of(int64_t a, int64_t b) { return static_cast<__int128>(a) * b >> 64; }
};

// A shift by more than the width is one by the width.
struct Left {
  template <class T>
  static T of(T a, uint32_t n) {
    return n >= 8 * sizeof(T) ? T(0) : T(a << n);
  }
};
struct Right {
  template <class T>
  static T of(T a, uint32_t n) {
    return n >= 8 * sizeof(T) ? (a < 0 ? T(-1) : T(0)) : T(a >> n);
  }
};
struct RightUnsigned {
  template <class T>
  static T of(T a, uint32_t n) {
    return n >= 8 * sizeof(T) ? T(0) : T(a >> n);
  }
};

template <class F, class T>
void shift(Warp &w, const Instruction &in, uint32_t active) {
  T *d = w.to<T>(in.to[0]);
  const T *a = w.from<T>(in.from[0]);
  const uint32_t *n = w.from<uint32_t>(in.from[1]);
  for_lanes(active, [=](int l) { return F::of(a[l], n[l]); }, d);
}

template <class T, class W>
void mul_wide(Warp &w, const Instruction &in, uint32_t active) {
  W *d = w.to<W>(in.to[0]);
  const T *a = w.from<T>(in.from[0]), *b = w.from<T>(in.from[1]);
  for_lanes(active, [=](int l) { return W(W(a[l]) * W(b[l])); }, d);
}

template <class T, class W>
void mad_wide(Warp &w, const Instruction &in, uint32_t active) {
  W *d = w.to<W>(in.to[0]);
  const T *a = w.from<T>(in.from[0]), *b = w.from<T>(in.from[1]);
  const W *c = w.from<W>(in.from[2]);
  for_lanes(active, [=](int l) { return W(W(a[l]) * W(b[l]) + c[l]); }, d);
}

// divide leaves the result by zero open, so that it is a fault; the lowest number
// by -1 is itself and leaves nothing.
template <class T, bool rest>
void divide(Warp &w, const Instruction &in, uint32_t active) {
  T *d = w.to<T>(in.to[0]);
  const T *a = w.from<T>(in.from[0]), *b = w.from<T>(in.from[1]);
  each_active(active, [&](int l) {
    if (b[l] == 0) fault(w, in, l, "an integer division by zero");
    if (b[l] == T(-1) && T(-1) < 0)
      d[l] = rest ? T(0) : Neg::of(static_cast<std::make_unsigned_t<T>>(a[l]));
    else
      d[l] = rest ? a[l] % b[l] : a[l] / b[l];
  });
}

// bfi puts `length` bits of a into b from bit `at` on.
template <class T>
void insert(Warp &w, const Instruction &in, uint32_t active) {
  T *d = w.to<T>(in.to[0]);
  const T *a = w.from<T>(in.from[0]), *b = w.from<T>(in.from[1]);
  const uint32_t *at = w.from<uint32_t>(in.from[2]), *length = w.from<uint32_t>(in.from[3]);
  constexpr uint32_t width = 8 * sizeof(T);
  each_active(active, [&](int l) {
    const uint32_t p = at[l] & 255, n = length[l] & 255;
    const T ones = n >= width ? ~T(0) : (T(1) << n) - 1;
    const T mask = p >= width ? T(0) : ones << p;
    d[l] = (b[l] & ~mask) | (p >= width ? T(0) : a[l] << p & mask);
  });
}

// prmt without a mode: each byte is one of the 8 of b:a, or its sign.
uint32_t permuted(uint32_t a, uint32_t b, uint32_t choice) {
  const uint64_t all = uint64_t(b) << 32 | a;
  uint32_t d = 0;
  for (int i = 0; i < 4; i++) {
    const uint32_t c = choice >> 4 * i & 15;
    uint32_t byte = all >> 8 * (c & 7) & 255;
    if (c & 8) byte = byte & 128 ? 255 : 0;
    d |= byte << 8 * i;
  }
  return d;
}
struct Permute { static uint32_t of(uint32_t a, uint32_t b, uint32_t c) { return permuted(a, b, c); } };

template <class T>
void bit_count(Warp &w, const Instruction &in, uint32_t active) {
  uint32_t *d = w.to<uint32_t>(in.to[0]);
  const T *a = w.from<T>(in.from[0]);
  each_active(active, [&](int l) { d[l] = __builtin_popcountll(a[l]); });
}

template <class F>
void predicate2(Warp &w, const Instruction &in, uint32_t active) {
  w.set_predicate(in.to[0], F::of(w.predicate(in.from[0]), w.predicate(in.from[1])), active);
}
template <class F>
void predicate1(Warp &w, const Instruction &in, uint32_t active) {
  w.set_predicate(in.to[0], F::of(w.predicate(in.from[0])), active);
}

template <class T>
void pack(Warp &w, const Instruction &in, uint32_t active) {
  using Wide = std::conditional_t<sizeof(T) == 4, uint64_t, uint32_t>;
  Wide *d = w.to<Wide>(in.to[0]);
  const T *low = w.from<T>(in.from[0]), *high = w.from<T>(in.from[1]);
  each_active(active, [&](int l) { d[l] = Wide(high[l]) << 8 * sizeof(T) | low[l]; });
}
template <class T>
void unpack(Warp &w, const Instruction &in, uint32_t active) {
  using Wide = std::conditional_t<sizeof(T) == 4, uint64_t, uint32_t>;
  T *low = w.to<T>(in.to[0]), *high = w.to<T>(in.to[1]);
  const Wide *a = w.from<Wide>(in.from[0]);
  each_active(active, [&](int l) {
    const Wide v = a[l];
    low[l] = T(v);
    high[l] = T(v >> 8 * sizeof(T));
  });
}

template <class T, class Signed>
void add_width(Shapes &to, const char *bits, const char *one, const char *two, const char *three, const char *shifted) {
  const auto put = [&](std::string name, Handler run, const char *from, Class what = Class::integer) {
    to[kept(name)] = {run, one, from, what};
  };
  const std::string n = bits;
  for (const char *kind : {"s", "u"}) {
    const std::string type = kind + n;
    put("add." + type, binary<Add, T>, two);
    put("sub." + type, binary<Sub, T>, two);
    put("mul.lo." + type, binary<Mul, T>, two);
    put("mad.lo." + type, ternary<Mad, T>, three);
  }
  put("min.u" + n, binary<Min, T>, two);
  put("max.u" + n, binary<Max, T>, two);
  put("min.s" + n, binary<Min, Signed>, two);
  put("max.s" + n, binary<Max, Signed>, two);
  put("neg.s" + n, unary<Neg, T>, one);
  put("abs.s" + n, unary<Abs, Signed>, one);
  put("div.u" + n, divide<T, false>, two);
  put("div.s" + n, divide<Signed, false>, two);
  put("rem.u" + n, divide<T, true>, two);
  put("rem.s" + n, divide<Signed, true>, two);
  put("and.b" + n, binary<And, T>, two);
  put("or.b" + n, binary<Or, T>, two);
  put("xor.b" + n, binary<Xor, T>, two);
  put("not.b" + n, unary<Not, T>, one);
  put("shl.b" + n, shift<Left, T>, shifted);
  put("shr.u" + n, shift<RightUnsigned, T>, shifted);
  put("shr.b" + n, shift<RightUnsigned, T>, shifted);
  put("shr.s" + n, shift<Right, Signed>, shifted);
  for (const char *kind : {"s", "u", "b", "f"}) put("mov." + (kind + n), unary<Same, T>, one, Class::move);
  comparisons<T>(to, "u" + n, two, Class::integer);
  comparisons<Signed>(to, "s" + n, two, Class::integer);
  to[kept("setp.eq.b" + n)] = {compare<Equal, T>, "p", two, Class::integer};
  to[kept("setp.ne.b" + n)] = {compare<NotEqual, T>, "p", two, Class::integer};
}

}  // namespace

void add_integers(Shapes &to) {
  add_width<uint16_t, int16_t>(to, "16", "h", "hh", "hhh", "hw");
  add_width<uint32_t, int32_t>(to, "32", "w", "ww", "www", "ww");
  add_width<uint64_t, int64_t>(to, "64", "l", "ll", "lll", "lw");
  const Class what = Class::integer;
  to["mul.hi.u32"] = {binary<MulHigh, uint32_t>, "w", "ww", what};
  to["mul.hi.s32"] = {binary<MulHigh, int32_t>, "w", "ww", what};
  to["mul.hi.u64"] = {binary<MulHigh, uint64_t>, "l", "ll", what};
  to["mul.hi.s64"] = {binary<MulHigh, int64_t>, "l", "ll", what};
  to["mul.wide.u16"] = {mul_wide<uint16_t, uint32_t>, "w", "hh", what};
  to["mul.wide.s16"] = {mul_wide<int16_t, int32_t>, "w", "hh", what};
  to["mul.wide.u32"] = {mul_wide<uint32_t, uint64_t>, "l", "ww", what};
  to["mul.wide.s32"] = {mul_wide<int32_t, int64_t>, "l", "ww", what};
  to["mad.wide.u32"] = {mad_wide<uint32_t, uint64_t>, "l", "wwl", what};
  to["mad.wide.s32"] = {mad_wide<int32_t, int64_t>, "l", "wwl", what};
  to["bfi.b32"] = {insert<uint32_t>, "w", "wwww", what};
  to["bfi.b64"] = {insert<uint64_t>, "l", "llww", what};
  to["prmt.b32"] = {ternary<Permute, uint32_t>, "w", "www", what};
  to["popc.b32"] = {bit_count<uint32_t>, "w", "w", what};
  to["popc.b64"] = {bit_count<uint64_t>, "w", "l", what};
  to["and.pred"] = {predicate2<And>, "p", "pp", what};
  to["or.pred"] = {predicate2<Or>, "p", "pp", what};
  to["xor.pred"] = {predicate2<Xor>, "p", "pp", what};
  to["not.pred"] = {predicate1<Not>, "p", "p", what};
  to["mov.pred"] = {predicate1<Same>, "p", "p", Class::move};
  for (const char *kind : {"b", "s", "u", "f"}) {
    to[kept(std::string("selp.") + kind + "16")] = {select<uint16_t>, "h", "hhp", what};
    to[kept(std::string("selp.") + kind + "32")] = {select<uint32_t>, "w", "wwp", what};
    to[kept(std::string("selp.") + kind + "64")] = {select<uint64_t>, "l", "llp", what};
  }
  // What addresses of global memory are is the same in all spaces here.
  to["cvta.to.global.u64"] = {unary<Same, uint64_t>, "l", "l", Class::move};
  to["cvta.global.u64"] = {unary<Same, uint64_t>, "l", "l", Class::move};
  // Moves between a register and a vector of two have names of their own.
  to["pack.b32"] = {pack<uint16_t>, "w", "hh", Class::move};
  to["pack.b64"] = {pack<uint32_t>, "l", "ww", Class::move};
  to["unpack.b32"] = {unpack<uint16_t>, "hh", "w", Class::move};
  to["unpack.b64"] = {unpack<uint32_t>, "ww", "l", Class::move};
}

}  // namespace ptx
