package main

// pairs writes func pairsBF16(dst, src *float32, w, n int): n rows of w ≤ 32
// pairs of bf16, pair r of row p from values r of rows 2p and 2p+1 of src, whose
// rows are w apart. Values of other rows may be read, none are written.
func (g *source) pairs() {
	g.line("")
	g.line("// Words 0, 16, 1, 17, … of a register.")
	for i := range 8 {
		even := uint64(2 * i)
		g.line("DATA interleave<>+%d(SB)/8, $%#x", 8*i, even|(even+16)<<16|(even+1)<<32|(even+17)<<48)
	}
	g.line("GLOBL interleave<>(SB), RODATA|NOPTR, $64")
	g.line("")
	g.line("// func pairsBF16(dst, src *float32, w, n int)")
	g.line("TEXT ·pairsBF16(SB), NOSPLIT, $0-32")
	g.op("MOVQ dst+0(FP), DI")
	g.op("MOVQ src+8(FP), SI")
	g.op("MOVQ w+16(FP), CX")
	g.op("MOVQ n+24(FP), DX")
	g.op("VMOVDQU64 interleave<>(SB), Z5")
	// K1 and K2 select the pairs 0..15 and 16..31 that exist.
	g.op("MOVQ $1, AX")
	g.op("SHLQ CX, AX")
	g.op("DECQ AX")
	g.op("KMOVW AX, K1")
	g.op("SHRQ $16, AX")
	g.op("KMOVW AX, K2")
	g.op("SHLQ $2, CX")
	g.line("loop:")
	g.op("LEAQ (SI)(CX*1), R8")
	for half := range 2 {
		g.op("VMOVUPS.Z %d(SI), K%d, Z0", 64*half, 1+half)
		g.op("VMOVUPS.Z %d(R8), K%d, Z1", 64*half, 1+half)
		g.toBF16(0, 1, 2)
		g.op("VPERMW Z2, Z5, Z2")
		g.op("VMOVDQU32 Z2, K%d, %d(DI)", 1+half, 64*half)
	}
	g.op("LEAQ (R8)(CX*1), SI")
	g.op("ADDQ CX, DI")
	g.op("DECQ DX")
	g.op("JNZ loop")
	g.op("VZEROUPPER")
	g.op("RET")
}
