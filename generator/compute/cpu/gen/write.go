package main

import (
	"fmt"
	"strings"
)

// writer writes the body of a loop for a target. Its reg may become Y, for the
// same registers at half their width.
type writer struct {
	*loop
	target
}

// sumRegister is the register of sum i or, with AVX2, the first of its two, which
// go downwards. freeBelow is the highest register for temporaries.
func (w *writer) sumRegister(i int) int { return w.argRegister(len(w.args)) - i*w.perSum() }
func (w *writer) freeBelow() int        { return w.sumRegister(len(w.sums)) }

func (w *writer) perSum() int { return 64 / w.bytes }

func (w *writer) wide() bool { return w.registers == 32 }

// write gives registers to the temporaries, each from the step that makes it to
// its last use, and writes the steps.
func (w *writer) write() {
	last := make([]int, w.temps)
	for i, s := range w.steps {
		for _, v := range s.src {
			if v.kind == 't' {
				last[v.index] = i
			}
		}
	}
	register := make([]int, w.temps)
	var free []int
	for r := w.freeBelow(); r >= 0; r-- {
		free = append(free, r)
	}
	take := func() int {
		if len(free) == 0 {
			panic("out of registers: " + w.loop.name)
		}
		r := free[len(free)-1]
		free = free[:len(free)-1]
		return r
	}
	for i, s := range w.steps {
		number := func(v value) int {
			if v.kind == 'a' {
				return w.argRegister(v.index)
			}
			return register[v.index]
		}
		dies := func(v value) bool { return v.kind == 't' && last[v.index] == i }
		if s.op == "VFMADD" || s.op == "VFNMADD" {
			w.writeFMA(s, number, dies, register, take)
		} else {
			w.writeStep(s, number, register, take, &free)
		}
		seen := map[int]bool{}
		for _, v := range s.src {
			if dies(v) && !seen[v.index] && (s.dst < 0 || register[s.dst] != register[v.index]) {
				free = append(free, register[v.index])
			}
			seen[v.index] = v.kind == 't'
		}
	}
}

// instruction writes op with text before its operands, of which one, the first,
// may be a constant in memory.
func (w *writer) instruction(op, text string, dst int, number func(value) int, operands ...value) {
	var names []string
	for _, v := range operands {
		if v.kind != 'c' {
			names = append(names, fmt.Sprintf("%s%d", w.reg, number(v)))
			continue
		}
		names = append(names, fmt.Sprintf("constants<>+%d(SB)", 32*v.index))
		if w.wide() {
			op += ".BCST"
		}
	}
	names = append(names, fmt.Sprintf("%s%d", w.reg, dst))
	w.file.op("%s %s%s", op, text, strings.Join(names, ", "))
}

// move copies v, which may be a constant.
func (w *writer) move(v value, dst int, number func(value) int) {
	if v.kind == 'c' && w.wide() {
		w.file.op("VBROADCASTSS constants<>+%d(SB), %s%d", 32*v.index, w.reg, dst)
		return
	}
	w.instruction("VMOVUPS", "", dst, number, v)
}

// evex names what AVX-512 has under another name.
func evex(op string) string {
	switch op {
	case "VROUNDPS":
		return "VRNDSCALEPS"
	case "VPAND":
		return "VPANDD"
	case "VPXOR":
		return "VPXORD"
	case "VPOR":
		return "VPORD"
	}
	return op
}

// writeStep writes all but fused multiply-adds.
func (w *writer) writeStep(s step, number func(value) int, register []int, take func() int, free *[]int) {
	f, op := w.file, s.op
	if w.wide() {
		op = evex(op)
	}
	switch op {
	case "store":
		f.op("VMOVUPS %s%d, %s", w.reg, number(s.src[0]), s.text)
		return
	case "sum":
		half := take()
		w.writeSum(int(s.text[0]-'0'), number(s.src[0]), half)
		*free = append(*free, half)
		return
	}
	register[s.dst] = take()
	d := register[s.dst]
	switch len(s.src) {
	case 0:
		f.op("%s %s, %s%d", op, s.text, w.reg, d)
	case 1:
		w.instruction(op, s.text, d, number, s.src[0])
	case 3: // a mask, what is taken where it is set, and what elsewhere
		if w.wide() {
			f.op("VPMOVD2M %s%d, K1", w.reg, number(s.src[0]))
			f.op("VBLENDMPS %[1]s%[2]d, %[1]s%[3]d, K1, %[1]s%[4]d", w.reg, number(s.src[1]), number(s.src[2]), d)
			return
		}
		w.instruction(op, "", d, number, s.src...)
	default:
		a, b := s.src[0], s.src[1]
		if a.kind == 'c' { // only the second operand may be in memory
			w.move(a, d, number)
			w.instruction(op, "", d, number, b, value{'t', s.dst})
			return
		}
		w.instruction(op, "", d, number, b, a)
	}
}

// writeSum adds the values of register v to sum i in float64: in AVX2 the lower
// half to its first register, the upper half to its second one, in AVX-512 the
// halves one after the other to its register.
func (w *writer) writeSum(i, v, half int) {
	f, acc := w.file, w.sumRegister(i)
	switch {
	case !w.wide():
		f.op("VCVTPS2PD X%d, Y%d", v, half)
		f.op("VADDPD Y%d, Y%d, Y%d", half, acc, acc)
		f.op("VEXTRACTF128 $1, Y%d, X%d", v, half)
		f.op("VCVTPS2PD X%d, Y%d", half, half)
		f.op("VADDPD Y%d, Y%d, Y%d", half, acc-1, acc-1)
	default:
		f.op("VCVTPS2PD Y%d, Z%d", v, half)
		f.op("VADDPD Z%d, Z%d, Z%d", half, acc, acc)
		if w.reg == "Z" {
			f.op("VEXTRACTF64X4 $1, Z%d, Y%d", v, half)
			f.op("VCVTPS2PD Y%d, Z%d", half, half)
			f.op("VADDPD Z%d, Z%d, Z%d", half, acc, acc)
		}
	}
}

// total leaves sum i in X0.
func (w *writer) total(i int) {
	f, acc := w.file, w.sumRegister(i)
	second := acc - 1
	if w.wide() {
		second = 0
		f.op("VEXTRACTF64X4 $1, Z%d, Y0", acc)
	}
	f.op("VADDPD Y%d, Y%d, Y%d", second, acc, acc)
	if w.wide() {
		f.op("VEXTRACTF64X2 $1, Y%d, X0", acc)
	} else {
		f.op("VEXTRACTF128 $1, Y%d, X0", acc)
	}
	f.op("VADDPD X0, X%d, X0", acc)
	f.op("VUNPCKHPD X0, X0, X1")
	f.op("VADDSD X1, X0, X0")
}

// writeFMA writes a·b+c (or c-a·b) into a factor that is not needed any more, or
// else into c or a copy of it. Of the operands one may be in memory.
func (w *writer) writeFMA(s step, number func(value) int, dies func(value) bool, register []int, take func() int) {
	a, b, c := s.src[0], s.src[1], s.src[2]
	if a.kind == 'c' || dies(a) && b.kind != 'c' {
		a, b = b, a // so that b is the constant or the one to overwrite
	}
	switch {
	case dies(b) && a != b && b != c:
		register[s.dst] = register[b.index]
		w.instruction(s.op+"213PS", "", register[s.dst], number, c, a)
	case dies(c) && a != c && b != c:
		register[s.dst] = register[c.index]
		w.instruction(s.op+"231PS", "", register[s.dst], number, b, a)
	default:
		register[s.dst] = take()
		w.move(c, register[s.dst], number)
		w.instruction(s.op+"231PS", "", register[s.dst], number, b, a)
	}
}
