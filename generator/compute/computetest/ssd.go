package computetest

import (
	"math"
	"strconv"

	"rpg/generator/compute"
)

func ssd() Operation {
	var cases []Case
	for _, c := range ssdCases {
		cases = append(cases, Case{c.name, func(e *Env) { c.forward(e, c.inputs(e)) }})
	}
	for _, chunk := range []int{1, 2, 3, 16, 40, 64, 100} {
		// The chunked form and the step form, which is the reference, are the
		// same function, whatever the size of a chunk.
		c := ssdCase{"", 2, 65, 2, 5, 6, chunk, 1, 0}
		cases = append(cases, Case{"chunks of " + strconv.Itoa(chunk), func(e *Env) { c.forward(e, c.inputs(e)) }})
	}
	for _, first := range []int{1, 16, 32, 40} {
		c := ssdCase{"", 2, 53, 3, 5, 6, 16, 2, 0}
		cases = append(cases, Case{"in pieces, from " + strconv.Itoa(first), func(e *Env) { c.pieces(e, c.inputs(e), first) }})
	}
	return Operation{"SSD", cases}
}

func ssdBackward() Operation {
	var cases []Case
	for _, c := range ssdCases {
		cases = append(cases, Case{c.name, func(e *Env) { c.backward(e, c.inputs(e), edges{}) }})
	}
	for _, chunk := range []int{1, 2, 3, 16, 40, 64, 100} {
		c := ssdCase{"", 2, 65, 2, 5, 6, chunk, 1, 0}
		cases = append(cases, Case{"chunks of " + strconv.Itoa(chunk), func(e *Env) { c.backward(e, c.inputs(e), edges{}) }})
	}
	for _, c := range ssdPieces {
		for _, at := range pieces {
			cases = append(cases, Case{at.name + " piece of " + c.name, func(e *Env) { c.backward(e, c.inputs(e), at) }})
		}
	}
	return Operation{"SSDBackward", cases}
}

// ssdCase holds sizes; rows of all matrices are gap values or more apart, and
// speed is added to DT, so that a large one makes the state forget at once.
type ssdCase struct {
	name                 string
	n, l, h, p, s, chunk int
	gap                  int
	speed                float32
}

var ssdCases = []ssdCase{
	{"one value", 1, 1, 1, 1, 1, 1, 0, 0},
	{"one token", 2, 1, 3, 4, 5, 8, 1, 0},
	{"a chunk less one", 1, 15, 2, 3, 4, 16, 0, 0},
	{"a chunk", 2, 16, 2, 3, 4, 16, 2, 0},
	{"a chunk and one", 2, 17, 2, 3, 4, 16, 0, 0},
	{"two chunks and three", 3, 35, 3, 7, 9, 16, 5, 0},
	{"head of one value", 1, 20, 2, 1, 8, 8, 3, 0},
	{"state of one value", 1, 20, 2, 8, 1, 8, 3, 0},
	{"columns of a wider matrix", 2, 48, 4, 16, 24, 20, 100, 0},
	{"full size", 1, 150, 2, 64, 32, 64, 7, 0},
	{"wide heads and states", 1, 71, 1, 66, 130, 66, 1, 0},
	{"many heads", 2, 20, 67, 2, 3, 8, 1, 0},
	{"forgets quickly", 1, 150, 3, 9, 8, 64, 0, 3},
	{"forgets at once", 1, 70, 2, 5, 6, 64, 0, 60},
}

var ssdPieces = []ssdCase{
	{"one token", 2, 1, 3, 4, 5, 8, 1, 0},
	{"a chunk less one", 3, 15, 2, 3, 4, 16, 2, 0},
	{"two chunks", 2, 32, 2, 3, 4, 16, 0, 0},
	{"three chunks and five", 3, 29, 3, 5, 6, 8, 1, 0},
	{"wide heads and states", 1, 71, 1, 66, 130, 66, 1, 0},
}

// inputs draws the parameters as a Mamba-2 layer initialises them: A in -16..-1,
// the step size around 0.001..0.1.
func (c ssdCase) inputs(e *Env) *ssdArguments {
	rows := c.n * c.l
	a := &ssdArguments{
		x: e.Random(rows * c.h * c.p), b: e.Random(rows * c.s), c: e.Random(rows * c.s), dt: e.Random(rows * c.h),
		dtBias: e.Uniform(c.h, -6.9, -2.3), aLog: e.Uniform(c.h, 0, math.Log(16)), d: e.Random(c.h),
	}
	for i := range a.dt {
		a.dt[i] += c.speed
	}
	a.SSD = compute.SSD{
		N: c.n, L: c.l, H: c.h, P: c.p, S: c.s, Chunk: c.chunk,
		X:      e.Matrix("x", a.x, rows, c.h*c.p, c.h*c.p+c.gap),
		B:      e.Matrix("b", a.b, rows, c.s, c.s+c.gap),
		C:      e.Matrix("c", a.c, rows, c.s, c.s+2*c.gap),
		DT:     e.Matrix("dt", a.dt, rows, c.h, c.h+c.gap),
		DTBias: e.Buffer("dtbias", a.dtBias), ALog: e.Buffer("alog", a.aLog), D: e.Buffer("d", a.d),
	}
	a.reference = &ssdInputs{
		n: c.n, l: c.l, h: c.h, p: c.p, s: c.s, x: wide(a.x), b: wide(a.b), c: wide(a.c), dt: wide(a.dt),
		dtBias: wide(a.dtBias), aLog: wide(a.aLog), d: wide(a.d),
	}
	return a
}

// ssdArguments are the inputs of one case for the device and for the reference.
type ssdArguments struct {
	compute.SSD
	reference       *ssdInputs
	x, b, c, dt     []float32
	dtBias, aLog, d []float32
}

const (
	ssdTol         = 5e-6
	ssdGradientTol = 2e-5
)

func (c ssdCase) forward(e *Env, a *ssdArguments) {
	a.Y = e.OutputMatrix("y", c.n*c.l, c.h*c.p, c.h*c.p+c.gap)
	a.States = e.Output("states", c.n*a.Chunks()*c.h*c.p*c.s)
	e.Device.SSD(a.SSD)
	y, starts := a.reference.forward(c.chunk)
	e.Check("y", y, ssdTol)
	e.Check("states", starts, ssdTol)
}

// pieces takes each sequence's first tokens, and then the rest with the state
// carried on.
func (c ssdCase) pieces(e *Env, a *ssdArguments, first int) {
	want, _ := a.reference.forward(c.chunk)
	size := c.h * c.p * c.s
	for seq := range c.n {
		state := e.Device.Alloc(size)
		for i, part := range [][2]int{{0, first}, {first, c.l}} {
			lo, hi := seq*c.l+part[0], seq*c.l+part[1]
			name := "y" + strconv.Itoa(seq) + strconv.Itoa(i)
			p := a.SSD
			p.N, p.L = 1, hi-lo
			p.X, p.B, p.C, p.DT = a.X.RowRange(lo, hi), a.B.RowRange(lo, hi), a.C.RowRange(lo, hi), a.DT.RowRange(lo, hi)
			p.Y = e.OutputMatrix(name, hi-lo, c.h*c.p, c.h*c.p+c.gap)
			p.States = e.Device.Alloc(p.Chunks() * size)
			p.Start, p.End = state, state
			e.Device.SSD(p)
			e.Check(name, want[lo*c.h*c.p:hi*c.h*c.p], ssdTol)
		}
	}
}

func (c ssdCase) backward(e *Env, a *ssdArguments, at edges) {
	rows := c.n * c.l
	dy := e.Random(rows * c.h * c.p)
	ddtBias, daLog, dd := e.Random(c.h), e.Random(c.h), e.Random(c.h)
	r := a.reference
	b := compute.SSDBackward{}
	if start := e.Random(c.n * c.h * c.p * c.s); at.start {
		r.start, a.Start = wide(start), e.Buffer("start", start)
		b.DStart = e.Output("dstart", len(start))
	}
	if dend := e.Random(c.n * c.h * c.p * c.s); at.end {
		r.dend, a.End = wide(dend), e.Buffer("end", narrow(r.ends()))
		b.DEnd = e.Buffer("dend", dend)
	}
	dstart := "dstart"
	if at.same {
		b.DStart, dstart = b.DEnd, "dend"
	}
	_, starts := r.forward(c.chunk)
	a.States = e.Buffer("states", narrow(starts))
	want := r.backward(wide(dy))
	if len(dy) < 500 {
		loss := func() float64 {
			y, _ := r.forward(c.chunk)
			sum := dot(y, wide(dy))
			if at.end {
				sum += dot(r.ends(), r.dend)
			}
			return sum
		}
		if at.start {
			e.CheckGradient("start", loss, r.start, want.dstart)
		}
		e.CheckGradient("x", loss, r.x, want.dx)
		e.CheckGradient("b", loss, r.b, want.db)
		e.CheckGradient("c", loss, r.c, want.dc)
		e.CheckGradient("dt", loss, r.dt, want.ddt)
		e.CheckGradient("dtbias", loss, r.dtBias, want.ddtBias)
		e.CheckGradient("alog", loss, r.aLog, want.daLog)
		e.CheckGradient("d", loss, r.d, want.dd)
	}
	b.SSD = a.SSD
	b.DY = e.Matrix("dy", dy, rows, c.h*c.p, c.h*c.p+c.gap)
	b.DX = e.OutputMatrix("dx", rows, c.h*c.p, c.h*c.p+2*c.gap)
	b.DB = e.OutputMatrix("db", rows, c.s, c.s+c.gap)
	b.DC = e.OutputMatrix("dc", rows, c.s, c.s+c.gap)
	b.DDT = e.OutputMatrix("ddt", rows, c.h, c.h+3*c.gap)
	b.DDTBias, b.DALog, b.DD = e.Buffer("ddtbias", ddtBias), e.Buffer("dalog", daLog), e.Buffer("dd", dd)
	e.Device.SSDBackward(b)
	if at.start {
		e.Check(dstart, want.dstart, ssdGradientTol)
	}
	e.Check("dx", want.dx, ssdGradientTol)
	e.Check("db", want.db, ssdGradientTol)
	e.Check("dc", want.dc, ssdGradientTol)
	e.Check("ddt", want.ddt, ssdGradientTol)
	e.Check("ddtbias", plus(ddtBias, want.ddtBias), ssdGradientTol)
	e.Check("dalog", plus(daLog, want.daLog), ssdGradientTol)
	e.Check("dd", plus(dd, want.dd), ssdGradientTol)
}
