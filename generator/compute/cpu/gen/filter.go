package main

// The sizes and points of minimal filtering, as in filter.go of package cpu.
const (
	filterTiles = 64
	phase       = filterTiles + 8
)

func filterA() [4]float64 { return [4]float64{0.375, 0.875, 1.25, 2.25} }

// filter writes the loops of minimal filtering over the tiles of a block; what
// they compute is said beside their Go twins.
func (f *vectorFile) filter() {
	f.loop("filterIn", "dst phases", "", func(l *loop) {
		x := func(j int) value { return l.loadAt("phases", (j+1)%4*phase+(j+1)/4) }
		even, odd := []value{x(2), x(4), x(6), x(8)}, []value{x(1), x(3), x(5), x(7)}
		all := evenCoefficients(-1)
		// Highest power first, whose coefficient is 1.
		sum := func(x []value, c []float64) value {
			v := x[len(x)-1]
			for n := len(x) - 2; n >= 0; n-- {
				v = l.fma(x[n], l.constant(c[n]), v)
			}
			return v
		}
		l.storeAt("dst", 0, l.fma(x(0), l.constant(all[0]), sum(even, all[1:])))
		last := l.fma(odd[3], l.constant(all[3]), x(9))
		for n := 2; n >= 0; n-- {
			last = l.fma(odd[n], l.constant(all[n]), last)
		}
		l.storeAt("dst", 9*filterTiles, last)
		for i, a := range filterA() {
			c := evenCoefficients(i)
			e, o := sum(even, c), sum(odd, c)
			l.storeAt("dst", (1+2*i)*filterTiles, l.fma(o, l.constant(a), e))
			l.storeAt("dst", (2+2*i)*filterTiles, l.fnma(o, l.constant(a), e))
		}
	})
	f.loop("filterOut", "dst src", "start", func(l *loop) {
		m := func(j int) value { return l.loadAt("src", j*filterTiles) }
		y := [4]value{l.add(m(0), l.arg("start")), l.arg("start"), l.arg("start"), l.add(m(9), l.arg("start"))}
		for i, a := range filterA() {
			plus, minus := m(1+2*i), m(2+2*i)
			s, d := l.add(plus, minus), l.sub(plus, minus)
			y[0] = l.add(y[0], s)
			y[1] = l.fma(d, l.constant(a), y[1])
			y[2] = l.fma(s, l.constant(a*a), y[2])
			y[3] = l.fma(d, l.constant(a*a*a), y[3])
		}
		for i, v := range y {
			l.storeAt("dst", i*filterTiles, v)
		}
	})
	f.loop("filterSlope", "dst phases", "", func(l *loop) {
		dy := func(i int) value { return l.loadAt("phases", i*phase+1) }
		d := [4]value{dy(0), dy(1), dy(2), dy(3)}
		l.storeAt("dst", 0, d[0])
		l.storeAt("dst", 9*filterTiles, d[3])
		for i, a := range filterA() {
			e, o := l.fma(d[2], l.constant(a*a), d[0]), l.fma(d[3], l.constant(a*a), d[1])
			l.storeAt("dst", (1+2*i)*filterTiles, l.fma(o, l.constant(a), e))
			l.storeAt("dst", (2+2*i)*filterTiles, l.fnma(o, l.constant(a), e))
		}
	})
	f.split4()
	f.merge4()
}

// evenCoefficients are those of Π (z-a²) over all a but the given one, lowest
// power first.
func evenCoefficients(skip int) []float64 {
	p := []float64{1}
	for i, a := range filterA() {
		if i == skip {
			continue
		}
		next := make([]float64, len(p)+1)
		for n, v := range p {
			next[n+1] += v
			next[n] -= v * a * a
		}
		p = next
	}
	return p
}

// split4 writes func split4AVX2(dst, src *float32): 32 values at a time, as two
// 4×4 transposes in the halves of four registers.
func (f *vectorFile) split4() {
	f.line("")
	f.line("// func split4AVX2(dst, src *float32)")
	f.line("TEXT ·split4AVX2(SB), NOSPLIT, $0-16")
	f.op("MOVQ dst+0(FP), DI")
	f.op("MOVQ src+8(FP), SI")
	f.op("MOVQ $%d, CX", phase/8)
	f.line("loop:")
	for i := range 4 {
		f.op("VMOVUPS %d(SI), X%d", 16*i, i)
		f.op("VINSERTF128 $1, %d(SI), Y%d, Y%d", 64+16*i, i, i)
	}
	f.transposeHalves()
	for q := range 4 {
		f.op("VMOVUPS Y%d, %d(DI)", q, 4*q*phase)
	}
	f.op("ADDQ $128, SI")
	f.op("ADDQ $32, DI")
	f.op("DECQ CX")
	f.op("JNZ loop")
	f.op("VZEROUPPER")
	f.op("RET")
}

// merge4 writes func merge4AVX2(dst, src *float32), the way back.
func (f *vectorFile) merge4() {
	f.line("")
	f.line("// func merge4AVX2(dst, src *float32)")
	f.line("TEXT ·merge4AVX2(SB), NOSPLIT, $0-16")
	f.op("MOVQ dst+0(FP), DI")
	f.op("MOVQ src+8(FP), SI")
	f.op("MOVQ $%d, CX", filterTiles/8)
	f.line("loop:")
	for q := range 4 {
		f.op("VMOVUPS %d(SI), Y%d", 4*q*filterTiles, q)
	}
	f.transposeHalves()
	for i := range 4 {
		f.op("VMOVUPS X%d, %d(DI)", i, 16*i)
		f.op("VEXTRACTF128 $1, Y%d, %d(DI)", i, 64+16*i)
	}
	f.op("ADDQ $32, SI")
	f.op("ADDQ $128, DI")
	f.op("DECQ CX")
	f.op("JNZ loop")
	f.op("VZEROUPPER")
	f.op("RET")
}

// transposeHalves transposes the lower and the upper halves of Y0..Y3 as 4×4
// matrices, through Y4..Y7.
func (f *vectorFile) transposeHalves() {
	for r := 0; r < 4; r += 2 {
		f.op("VUNPCKLPS Y%d, Y%d, Y%d", r+1, r, 4+r)
		f.op("VUNPCKHPS Y%d, Y%d, Y%d", r+1, r, 5+r)
	}
	for q := range 2 {
		f.op("VUNPCKLPD Y%d, Y%d, Y%d", 6+q, 4+q, 2*q)
		f.op("VUNPCKHPD Y%d, Y%d, Y%d", 6+q, 4+q, 2*q+1)
	}
}
