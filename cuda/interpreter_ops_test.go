package cuda

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
)

// Every opcode that is plain arithmetic against its meaning in Go, for hard values of
// its type and in a warp where some lanes do not take part.
func TestInterpreterArithmetic(t *testing.T) {
	in := openInterpreter(t)
	for _, op := range opcodes {
		t.Run(op.name, func(t *testing.T) {
			const threads = 1000
			operands := make([]uint64, 4*threads)
			random := uint64(1)
			for i := range operands {
				letter := byte('l')
				if n := i % 4; n < len(op.from) {
					letter = op.from[n]
				}
				operands[i] = hard(op.name, letter, &random)
				if (strings.HasPrefix(op.name, "div.") || strings.HasPrefix(op.name, "rem.")) && operands[i] == 0 {
					operands[i] = 3
				}
			}
			out := make([]byte, 8*threads)
			in.launch(t, arithmetic(op), launched{grid: 1, block: threads, memory: [][]byte{packed(operands), out}})
			for i := range threads {
				got := binary.LittleEndian.Uint64(out[8*i:])
				a := operands[4*i : 4*i+4]
				if i%5 == 3 { // which the kernel leaves out
					if got != 0x77 {
						t.Fatalf("thread %d, which takes no part, has %#x", i, got)
					}
					continue
				}
				want := op.want(a[0], a[1], a[2], a[3])
				if got != want && !bothNaN(op, got, want) {
					t.Fatalf("%s of %#x gives %#x, want %#x", op.name, a[:len(op.from)], got, want)
				}
			}
		})
	}
}

func bothNaN(op opcode, got, want uint64) bool {
	switch {
	case !strings.Contains(op.name, "f32") && !strings.Contains(op.name, "f64"):
		return false
	case op.to == "w":
		return f32(got) != f32(got) && f32(want) != f32(want)
	case op.to == "l":
		return f64(got) != f64(got) && f64(want) != f64(want)
	}
	return false
}

// hard gives a value of a letter's width: often a limit, and else any.
func hard(name string, letter byte, random *uint64) uint64 {
	*random = *random*6364136223846793005 + 1442695040888963407
	r := *random >> 20
	wide := *random ^ *random>>29
	switch {
	case letter == 'p':
		return r & 1
	case letter == 'c':
		return r % 70
	case letter == 'h':
		return []uint64{0, 1, 0x7fff, 0x8000, 0xffff, r & 0xffff, r & 0xffff}[r%7]
	case strings.HasSuffix(name, "f32") && letter == 'w':
		return []uint64{0, 1 << 31, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 1, 0x807fffff, 0x7f7fffff,
			r & 0xffffffff, r & 0xffffffff, 0x3f000000 + r&0x80ffffff, 0x3f000000 + r&0x80ffffff, 0x4f000000, 0xcf000000}[r>>33%16]
	case strings.HasSuffix(name, "f64") && letter == 'l':
		return []uint64{0, 1 << 63, math.Float64bits(1), math.Float64bits(math.Inf(1)), math.Float64bits(math.NaN()), 1, 1<<52 - 1,
			wide, wide, 0x3fe0000000000000 + wide&0x801fffffffffffff}[r%10]
	case letter == 'w':
		return []uint64{0, 1, 0x7fffffff, 0x80000000, 0xffffffff, r & 0xffffffff, r & 0xffffffff, r & 0xff}[r>>33%8]
	}
	return []uint64{0, 1, 1<<63 - 1, 1 << 63, math.MaxUint64, wide, wide, r & 0xff}[r%8]
}

// arithmetic is a kernel that does an opcode with the four operands of each thread,
// except for every fifth, and stores what comes out.
func arithmetic(op opcode) string {
	body := `	mul.wide.u32 %rd1, %r0, 32;
	add.s64 %rd2, %in0, %rd1;
	mul.wide.u32 %rd3, %r0, 8;
	add.s64 %rd4, %in1, %rd3;
	mov.u64 %rd20, 119;
	rem.u32 %r1, %r0, 5;
	setp.eq.s32 %p1, %r1, 3;
	@%p1 bra $end;
`
	registers := []string{}
	single := strings.Contains(op.name, "f32")
	for i, letter := range op.from {
		body += fmt.Sprintf("\tld.global.u64 %%rd%d, [%%rd2+%d];\n", 10+i, 8*i)
		name := fmt.Sprintf("%%rd%d", 10+i)
		switch letter {
		case 'p':
			name = fmt.Sprintf("%%p%d", 10+i)
			body += fmt.Sprintf("\tsetp.ne.s64 %s, %%rd%d, 0;\n", name, 10+i)
		case 'h':
			name = fmt.Sprintf("%%rs%d", 10+i)
			body += fmt.Sprintf("\tcvt.u16.u64 %s, %%rd%d;\n", name, 10+i)
		case 'w', 'c':
			name = fmt.Sprintf("%%r%d", 10+i)
			body += fmt.Sprintf("\tcvt.u32.u64 %s, %%rd%d;\n", name, 10+i)
			if single && letter == 'w' {
				body += fmt.Sprintf("\tmov.b32 %%f%d, %%r%d;\n", 10+i, 10+i)
				name = fmt.Sprintf("%%f%d", 10+i)
			}
		}
		registers = append(registers, name)
	}
	to := map[string]string{"p": "%p5", "h": "%rs5", "w": "%r5", "l": "%rd20"}[op.to]
	body += "\t" + op.name + " " + to + ", " + strings.Join(registers, ", ") + ";\n"
	switch op.to {
	case "p":
		body += "\tselp.b64 %rd20, 1, 0, %p5;\n"
	case "h":
		body += "\tcvt.u64.u16 %rd20, %rs5;\n"
	case "w":
		body += "\tcvt.u64.u32 %rd20, %r5;\n"
	}
	return kernel("", 2, body+"$end:\n\tst.global.u64 [%rd4], %rd20;\n")
}
