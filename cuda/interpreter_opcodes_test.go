package cuda

import (
	"math"
	"math/big"
	"math/bits"
)

// opcode is an instruction with what it makes of its operands, all as bits. The types
// are a letter each: p predicate, h 16, w 32, l 64 bits.
type opcode struct {
	name, to, from string
	want           func(a, b, c, d uint64) uint64
}

func f32(v uint64) float32    { return math.Float32frombits(uint32(v)) }
func f64(v uint64) float64    { return math.Float64frombits(v) }
func bits32(v float32) uint64 { return uint64(math.Float32bits(v)) }
func truth(yes bool) uint64   { return map[bool]uint64{true: 1}[yes] }
func signed32(v uint64) int64 { return int64(int32(v)) }
func low32(v int64) uint64    { return uint64(uint32(v)) }
func two32(f func(a, b float32) float32) func(a, b, c, d uint64) uint64 {
	return func(a, b, _, _ uint64) uint64 { return bits32(f(f32(a), f32(b))) }
}
func two64(f func(a, b float64) float64) func(a, b, c, d uint64) uint64 {
	return func(a, b, _, _ uint64) uint64 { return math.Float64bits(f(f64(a), f64(b))) }
}

// rounded is a·b + c in float32 with one rounding, of exact numbers.
func rounded(a, b, c float32, mode big.RoundingMode) float32 {
	if s := float64(a)*float64(b) + float64(c); math.IsNaN(s) || math.IsInf(s, 0) {
		return float32(s)
	}
	exact := func(v float32) *big.Float { return new(big.Float).SetPrec(600).SetFloat64(float64(v)) }
	sum := new(big.Float).SetPrec(600).Mul(exact(a), exact(b))
	sum.Add(sum, exact(c))
	if sum.Sign() == 0 {
		negative := math.Signbit(float64(a)*float64(b)) && math.Signbit(float64(c))
		if mode == big.ToNegativeInf {
			negative = math.Signbit(float64(a)*float64(b)) || math.Signbit(float64(c))
		}
		if negative {
			return float32(math.Copysign(0, -1))
		}
		return 0
	}
	// A number below the normal ones has fewer bits.
	precision := uint(24)
	if e := sum.MantExp(nil); e < -125 {
		precision = uint(max(0, 24-(-125-e)))
	}
	if precision == 0 {
		return tiny(sum, mode)
	}
	near, _ := new(big.Float).SetPrec(precision).SetMode(mode).Set(sum).Float32()
	if math.IsInf(float64(near), 0) && (mode == big.ToZero || mode == big.ToNegativeInf && near > 0) {
		return float32(math.Copysign(math.MaxFloat32, float64(near)))
	}
	return near
}

// tiny rounds a number below half of the smallest one above zero, or up to it.
func tiny(v *big.Float, mode big.RoundingMode) float32 {
	if mode == big.ToNegativeInf && v.Sign() < 0 {
		return -math.SmallestNonzeroFloat32
	}
	half := big.NewFloat(math.SmallestNonzeroFloat32 / 2)
	if mode == big.ToNearestEven && new(big.Float).Abs(v).Cmp(half) > 0 {
		return float32(math.Copysign(math.SmallestNonzeroFloat32, float64(v.Sign())))
	}
	return float32(math.Copysign(0, float64(v.Sign())))
}

func fma32(mode big.RoundingMode) func(a, b, c, d uint64) uint64 {
	return func(a, b, c, _ uint64) uint64 { return bits32(rounded(f32(a), f32(b), f32(c), mode)) }
}

func shift(v uint64, by uint64, f func(uint64, uint) uint64, width uint) uint64 {
	return f(v, uint(min(by, uint64(width))))
}

func toInt(v float64, low, high float64) float64 {
	if v != v {
		return 0
	}
	return min(max(v, low), high)
}

func toInt64(v float64) uint64 {
	switch {
	case v != v:
		return 0
	case v >= 0x1p63:
		return math.MaxInt64
	case v <= -0x1p63:
		return 1 << 63
	}
	return uint64(int64(v))
}

func bf16(v uint64) uint64 {
	if f32(v) != f32(v) {
		return 0x7fff
	}
	return uint64(uint32(v)+0x7fff+uint32(v)>>16&1) >> 16
}

// pick is fmin and fmax of IEEE 754-2019: of a NaN and a number, the number.
func pick(a, b float64, f func(a, b float64) float64) float64 {
	if a != a {
		return b
	}
	if b != b {
		return a
	}
	return f(a, b)
}

var opcodes = []opcode{
	{"add.s32", "w", "ww", func(a, b, _, _ uint64) uint64 { return uint64(uint32(a + b)) }},
	{"sub.s32", "w", "ww", func(a, b, _, _ uint64) uint64 { return uint64(uint32(a - b)) }},
	{"mul.lo.s32", "w", "ww", func(a, b, _, _ uint64) uint64 { return uint64(uint32(a * b)) }},
	{"mad.lo.s32", "w", "www", func(a, b, c, _ uint64) uint64 { return uint64(uint32(a*b + c)) }},
	{"add.s64", "l", "ll", func(a, b, _, _ uint64) uint64 { return a + b }},
	{"sub.s64", "l", "ll", func(a, b, _, _ uint64) uint64 { return a - b }},
	{"mul.lo.s64", "l", "ll", func(a, b, _, _ uint64) uint64 { return a * b }},
	{"mul.lo.s16", "h", "hh", func(a, b, _, _ uint64) uint64 { return a * b & 0xffff }},
	{"neg.s64", "l", "l", func(a, _, _, _ uint64) uint64 { return -a }},
	{"abs.s32", "w", "w", func(a, _, _, _ uint64) uint64 { return low32(max(signed32(a), -signed32(a))) }},
	{"mul.hi.u32", "w", "ww", func(a, b, _, _ uint64) uint64 { return a * b >> 32 }},
	{"mul.hi.s32", "w", "ww", func(a, b, _, _ uint64) uint64 { return low32(signed32(a) * signed32(b) >> 32) }},
	{"mul.hi.u64", "l", "ll", func(a, b, _, _ uint64) uint64 { high, _ := bits.Mul64(a, b); return high }},
	{"mul.wide.u32", "l", "ww", func(a, b, _, _ uint64) uint64 { return a * b }},
	{"mul.wide.s32", "l", "ww", func(a, b, _, _ uint64) uint64 { return uint64(signed32(a) * signed32(b)) }},
	{"mul.wide.u16", "w", "hh", func(a, b, _, _ uint64) uint64 { return a * b }},
	{"mad.wide.s32", "l", "wwl", func(a, b, c, _ uint64) uint64 { return uint64(signed32(a)*signed32(b)) + c }},
	{"mad.wide.u32", "l", "wwl", func(a, b, c, _ uint64) uint64 { return a*b + c }},
	{"mul.hi.s64", "l", "ll", func(a, b, _, _ uint64) uint64 {
		high, _ := bits.Mul64(a, b)
		return high - a&uint64(int64(b)>>63) - b&uint64(int64(a)>>63)
	}},
	{"add.s16", "h", "hh", func(a, b, _, _ uint64) uint64 { return (a + b) & 0xffff }},
	{"shr.u16", "h", "hc", func(a, b, _, _ uint64) uint64 {
		return shift(a, b, func(v uint64, n uint) uint64 { return v >> n }, 16)
	}},
	{"rem.u64", "l", "ll", func(a, b, _, _ uint64) uint64 { return a % b }},
	{"popc.b64", "w", "l", func(a, _, _, _ uint64) uint64 { return uint64(bits.OnesCount64(a)) }},
	{"div.s32", "w", "ww", func(a, b, _, _ uint64) uint64 { return low32(signed32(a) / signed32(b)) }},
	{"div.u32", "w", "ww", func(a, b, _, _ uint64) uint64 { return a / b }},
	{"rem.u32", "w", "ww", func(a, b, _, _ uint64) uint64 { return a % b }},
	{"rem.s32", "w", "ww", func(a, b, _, _ uint64) uint64 { return low32(signed32(a) % signed32(b)) }},
	{"div.s64", "l", "ll", func(a, b, _, _ uint64) uint64 { return uint64(int64(a) / int64(b)) }},
	{"rem.s64", "l", "ll", func(a, b, _, _ uint64) uint64 { return uint64(int64(a) % int64(b)) }},
	{"min.s32", "w", "ww", func(a, b, _, _ uint64) uint64 { return low32(min(signed32(a), signed32(b))) }},
	{"max.s32", "w", "ww", func(a, b, _, _ uint64) uint64 { return low32(max(signed32(a), signed32(b))) }},
	{"min.u32", "w", "ww", func(a, b, _, _ uint64) uint64 { return min(a, b) }},
	{"max.u64", "l", "ll", func(a, b, _, _ uint64) uint64 { return max(a, b) }},
	{"min.s64", "l", "ll", func(a, b, _, _ uint64) uint64 { return uint64(min(int64(a), int64(b))) }},
	{"and.b32", "w", "ww", func(a, b, _, _ uint64) uint64 { return a & b }},
	{"or.b64", "l", "ll", func(a, b, _, _ uint64) uint64 { return a | b }},
	{"xor.b16", "h", "hh", func(a, b, _, _ uint64) uint64 { return a ^ b }},
	{"not.b32", "w", "w", func(a, _, _, _ uint64) uint64 { return uint64(^uint32(a)) }},
	{"not.b64", "l", "l", func(a, _, _, _ uint64) uint64 { return ^a }},
	{"shl.b32", "w", "wc", func(a, b, _, _ uint64) uint64 {
		return uint64(uint32(shift(a, b, func(v uint64, n uint) uint64 { return v << n }, 32)))
	}},
	{"shl.b64", "l", "lc", func(a, b, _, _ uint64) uint64 {
		return shift(a, b, func(v uint64, n uint) uint64 { return v << n }, 64)
	}},
	{"shr.u32", "w", "wc", func(a, b, _, _ uint64) uint64 {
		return shift(a, b, func(v uint64, n uint) uint64 { return v >> n }, 32)
	}},
	{"shr.u64", "l", "lc", func(a, b, _, _ uint64) uint64 {
		return shift(a, b, func(v uint64, n uint) uint64 { return v >> n }, 64)
	}},
	{"shr.s32", "w", "wc", func(a, b, _, _ uint64) uint64 {
		return low32(int64(shift(a, b, func(v uint64, n uint) uint64 { return uint64(signed32(v) >> n) }, 32)))
	}},
	{"shr.s64", "l", "lc", func(a, b, _, _ uint64) uint64 {
		return shift(a, b, func(v uint64, n uint) uint64 { return uint64(int64(v) >> n) }, 64)
	}},
	{"bfi.b32", "w", "wwcc", func(a, b, at, n uint64) uint64 { return insert(a, b, at, n, 32) }},
	{"bfi.b64", "l", "llcc", func(a, b, at, n uint64) uint64 { return insert(a, b, at, n, 64) }},
	{"prmt.b32", "w", "www", func(a, b, choice, _ uint64) uint64 {
		var d uint64
		for i := range 4 {
			c := choice >> (4 * i) & 15
			v := (b<<32 | a) >> (8 * (c & 7)) & 255
			if c > 7 {
				v = v >> 7 * 255
			}
			d |= v << (8 * i)
		}
		return d
	}},
	{"popc.b32", "w", "w", func(a, _, _, _ uint64) uint64 { return uint64(bits.OnesCount64(a)) }},
	{"and.pred", "p", "pp", func(a, b, _, _ uint64) uint64 { return a & b }},
	{"or.pred", "p", "pp", func(a, b, _, _ uint64) uint64 { return a | b }},
	{"xor.pred", "p", "pp", func(a, b, _, _ uint64) uint64 { return a ^ b }},
	{"not.pred", "p", "p", func(a, _, _, _ uint64) uint64 { return a ^ 1 }},
	{"selp.b32", "w", "wwp", func(a, b, c, _ uint64) uint64 { return [2]uint64{b, a}[c] }},
	{"selp.f64", "l", "llp", func(a, b, c, _ uint64) uint64 { return [2]uint64{b, a}[c] }},
	{"selp.b16", "h", "hhp", func(a, b, c, _ uint64) uint64 { return [2]uint64{b, a}[c] }},
	{"setp.lt.s32", "p", "ww", func(a, b, _, _ uint64) uint64 { return truth(signed32(a) < signed32(b)) }},
	{"setp.lt.u32", "p", "ww", func(a, b, _, _ uint64) uint64 { return truth(a < b) }},
	{"setp.ge.s64", "p", "ll", func(a, b, _, _ uint64) uint64 { return truth(int64(a) >= int64(b)) }},
	{"setp.gt.u64", "p", "ll", func(a, b, _, _ uint64) uint64 { return truth(a > b) }},
	{"setp.le.s32", "p", "ww", func(a, b, _, _ uint64) uint64 { return truth(signed32(a) <= signed32(b)) }},
	{"setp.eq.s16", "p", "hh", func(a, b, _, _ uint64) uint64 { return truth(a == b) }},
	{"setp.ne.s16", "p", "hh", func(a, b, _, _ uint64) uint64 { return truth(a != b) }},
	{"setp.eq.f32", "p", "ww", func(a, b, _, _ uint64) uint64 { return truth(f32(a) == f32(b)) }},
	{"setp.ne.f32", "p", "ww", func(a, b, _, _ uint64) uint64 { return truth(f32(a) < f32(b) || f32(a) > f32(b)) }},
	{"setp.neu.f32", "p", "ww", func(a, b, _, _ uint64) uint64 { return truth(f32(a) != f32(b)) }},
	{"setp.equ.f32", "p", "ww", func(a, b, _, _ uint64) uint64 { return truth(!(f32(a) < f32(b) || f32(a) > f32(b))) }},
	{"setp.lt.f32", "p", "ww", func(a, b, _, _ uint64) uint64 { return truth(f32(a) < f32(b)) }},
	{"setp.geu.f32", "p", "ww", func(a, b, _, _ uint64) uint64 { return truth(!(f32(a) < f32(b))) }},
	{"setp.leu.f32", "p", "ww", func(a, b, _, _ uint64) uint64 { return truth(!(f32(a) > f32(b))) }},
	{"setp.gtu.f64", "p", "ll", func(a, b, _, _ uint64) uint64 { return truth(!(f64(a) <= f64(b))) }},
	{"setp.nan.f64", "p", "ll", func(a, b, _, _ uint64) uint64 { return truth(f64(a) != f64(a) || f64(b) != f64(b)) }},
	{"setp.num.f32", "p", "ww", func(a, b, _, _ uint64) uint64 { return truth(f32(a) == f32(a) && f32(b) == f32(b)) }},
	{"add.f32", "w", "ww", two32(func(a, b float32) float32 { return a + b })},
	{"sub.f32", "w", "ww", two32(func(a, b float32) float32 { return a - b })},
	{"mul.rn.f32", "w", "ww", two32(func(a, b float32) float32 { return a * b })},
	{"div.rn.f32", "w", "ww", two32(func(a, b float32) float32 { return a / b })},
	{"sub.f64", "l", "ll", two64(func(a, b float64) float64 { return a - b })},
	{"min.f64", "l", "ll", two64(func(a, b float64) float64 { return pick(a, b, math.Min) })},
	{"max.f64", "l", "ll", two64(func(a, b float64) float64 { return pick(a, b, math.Max) })},
	{"rcp.rn.f64", "l", "l", func(a, _, _, _ uint64) uint64 { return math.Float64bits(1 / f64(a)) }},
	{"abs.f64", "l", "l", func(a, _, _, _ uint64) uint64 { return a &^ (1 << 63) }},
	{"cvt.rmi.f32.f32", "w", "w", func(a, _, _, _ uint64) uint64 { return bits32(float32(math.Floor(float64(f32(a))))) }},
	{"cvt.rpi.s64.f64", "l", "l", func(a, _, _, _ uint64) uint64 { return toInt64(math.Ceil(f64(a))) }},
	{"cvt.rzi.u32.f32", "w", "w", func(a, _, _, _ uint64) uint64 {
		return uint64(toInt(math.Trunc(float64(f32(a))), 0, math.MaxUint32))
	}},
	{"add.f64", "l", "ll", two64(func(a, b float64) float64 { return a + b })},
	{"mul.f64", "l", "ll", two64(func(a, b float64) float64 { return a * b })},
	{"div.rn.f64", "l", "ll", two64(func(a, b float64) float64 { return a / b })},
	{"fma.rn.f32", "w", "www", fma32(big.ToNearestEven)},
	{"fma.rm.f32", "w", "www", fma32(big.ToNegativeInf)},
	{"add.rz.f32", "w", "ww", func(a, b, _, _ uint64) uint64 { return bits32(rounded(f32(a), 1, f32(b), big.ToZero)) }},
	{"fma.rn.f64", "l", "lll", func(a, b, c, _ uint64) uint64 { return math.Float64bits(math.FMA(f64(a), f64(b), f64(c))) }},
	{"sqrt.rn.f32", "w", "w", func(a, _, _, _ uint64) uint64 { return bits32(float32(math.Sqrt(float64(f32(a))))) }},
	{"sqrt.rn.f64", "l", "l", func(a, _, _, _ uint64) uint64 { return math.Float64bits(math.Sqrt(f64(a))) }},
	{"rcp.rn.f32", "w", "w", func(a, _, _, _ uint64) uint64 { return bits32(1 / f32(a)) }},
	{"neg.f32", "w", "w", func(a, _, _, _ uint64) uint64 { return a ^ 1<<31 }},
	{"neg.f64", "l", "l", func(a, _, _, _ uint64) uint64 { return a ^ 1<<63 }},
	{"abs.f32", "w", "w", func(a, _, _, _ uint64) uint64 { return a &^ (1 << 31) }},
	{"copysign.f32", "w", "ww", func(a, b, _, _ uint64) uint64 { return a&(1<<31) | b&^(1<<31) }},
	{"min.f32", "w", "ww", func(a, b, _, _ uint64) uint64 {
		return bits32(float32(pick(float64(f32(a)), float64(f32(b)), math.Min)))
	}},
	{"max.f32", "w", "ww", func(a, b, _, _ uint64) uint64 {
		return bits32(float32(pick(float64(f32(a)), float64(f32(b)), math.Max)))
	}},
	{"cvt.s64.s32", "l", "w", func(a, _, _, _ uint64) uint64 { return uint64(signed32(a)) }},
	{"cvt.u64.u32", "l", "w", func(a, _, _, _ uint64) uint64 { return a }},
	{"cvt.u32.u64", "w", "l", func(a, _, _, _ uint64) uint64 { return uint64(uint32(a)) }},
	{"cvt.s64.s32", "l", "l", func(a, _, _, _ uint64) uint64 { return uint64(signed32(a)) }},
	{"cvt.u16.u32", "h", "w", func(a, _, _, _ uint64) uint64 { return a & 0xffff }},
	{"cvt.s32.s16", "w", "h", func(a, _, _, _ uint64) uint64 { return low32(int64(int16(a))) }},
	{"cvt.rn.f32.s32", "w", "w", func(a, _, _, _ uint64) uint64 { return bits32(float32(signed32(a))) }},
	{"cvt.rn.f64.s64", "l", "l", func(a, _, _, _ uint64) uint64 { return math.Float64bits(float64(int64(a))) }},
	{"cvt.rn.f64.u32", "l", "w", func(a, _, _, _ uint64) uint64 { return math.Float64bits(float64(a)) }},
	{"cvt.f64.f32", "l", "w", func(a, _, _, _ uint64) uint64 { return math.Float64bits(float64(f32(a))) }},
	{"cvt.rn.f32.f64", "w", "l", func(a, _, _, _ uint64) uint64 { return bits32(float32(f64(a))) }},
	{"cvt.rzi.s32.f32", "w", "w", func(a, _, _, _ uint64) uint64 {
		return low32(int64(toInt(math.Trunc(float64(f32(a))), math.MinInt32, math.MaxInt32)))
	}},
	{"cvt.rni.s32.f32", "w", "w", func(a, _, _, _ uint64) uint64 {
		return low32(int64(toInt(math.RoundToEven(float64(f32(a))), math.MinInt32, math.MaxInt32)))
	}},
	{"cvt.rni.f32.f32", "w", "w", func(a, _, _, _ uint64) uint64 { return bits32(float32(math.RoundToEven(float64(f32(a))))) }},
	{"cvt.rzi.f64.f64", "l", "l", func(a, _, _, _ uint64) uint64 { return math.Float64bits(math.Trunc(f64(a))) }},
	{"cvt.sat.f32.f32", "w", "w", func(a, _, _, _ uint64) uint64 {
		if v := f32(a); v > 0 {
			return bits32(min(v, 1))
		}
		return 0
	}},
	{"cvt.rn.bf16x2.f32", "w", "ww", func(a, b, _, _ uint64) uint64 { return bf16(a)<<16 | bf16(b) }},
	{"mov.b64", "l", "l", func(a, _, _, _ uint64) uint64 { return a }},
	{"mov.f32", "w", "w", func(a, _, _, _ uint64) uint64 { return a }},
}

func insert(a, b, at, n uint64, width uint64) uint64 {
	var mask uint64
	for i := at; i < min(at+n, width); i++ {
		mask |= 1 << i
	}
	if at >= width {
		return b
	}
	d := b&^mask | a<<at&mask
	if width == 32 {
		return uint64(uint32(d))
	}
	return d
}
