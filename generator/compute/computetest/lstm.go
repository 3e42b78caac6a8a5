package computetest

import (
	"math"
	"strconv"

	"rpg/generator/compute"
)

func lstm() Operation {
	var cases []Case
	for _, c := range lstmCases {
		cases = append(cases, Case{c.name, func(e *Env) {
			a, args := c.inputs(e, true, edges{})
			e.Device.LSTM(args)
			want := a.forward()
			e.Check("gates", want.gates, lstmTol)
			e.Check("h", want.h, lstmTol)
			e.Check("c", want.c, lstmTol)
		}})
	}
	for _, first := range []int{1, 7, 16, 22} {
		c := lstmCase{"", 3, 23, 13, 5, 1}
		cases = append(cases, Case{"in pieces, from " + strconv.Itoa(first), func(e *Env) { c.pieces(e, first) }})
	}
	return Operation{"LSTM", cases}
}

func lstmBackward() Operation {
	var cases []Case
	for _, c := range lstmCases {
		cases = append(cases, Case{c.name, func(e *Env) { c.backward(e, edges{}) }})
	}
	for _, c := range lstmPieces {
		for _, edges := range pieces {
			cases = append(cases, Case{edges.name + " piece of " + c.name, func(e *Env) { c.backward(e, edges) }})
		}
	}
	return Operation{"LSTMBackward", cases}
}

const (
	lstmTol         = 5e-6
	lstmGradientTol = 2e-5
)

// lstmCase holds sizes; rows of all matrices are gap values or more apart, and what
// the input gives to the gates is multiplied by scale.
type lstmCase struct {
	name         string
	n, l, m, gap int
	scale        float32
}

var lstmCases = []lstmCase{
	{"one value", 1, 1, 1, 0, 1},
	{"one token", 3, 1, 5, 2, 1},
	{"one unit", 2, 9, 1, 1, 1},
	{"a tile of units less one", 2, 5, 7, 0, 1},
	{"a tile of units", 2, 5, 8, 3, 1},
	{"a tile of units and one", 2, 5, 9, 1, 1},
	{"a tile of sequences", 8, 4, 12, 0, 1},
	{"a tile of sequences and one", 9, 4, 33, 5, 1},
	{"gates that saturate", 2, 12, 10, 0, 30},
	{"columns of a wider matrix", 2, 48, 20, 90, 1},
	{"many units", 2, 17, 131, 0, 1},
	{"long", 1, 300, 16, 0, 1},
}

var lstmPieces = []lstmCase{
	{"one token", 3, 1, 5, 2, 1},
	{"a tile of units and one", 2, 5, 9, 1, 1},
	{"a tile of sequences and one", 9, 4, 33, 5, 1},
	{"two tiles of columns", 2, 6, 67, 0, 1},
}

// inputs prepares the forward pass, or, without it, a backward pass whose gates
// and c are the reference's.
func (c lstmCase) inputs(e *Env, forward bool, at edges) (*lstmInputs, compute.LSTM) {
	rows := c.n * c.l
	gates, w := e.Random(rows*4*c.m), e.Random(4*c.m*c.m)
	for i := range gates {
		gates[i] *= c.scale
	}
	for i := range w {
		w[i] /= float32(math.Sqrt(float64(c.m)))
	}
	a := &lstmInputs{n: c.n, l: c.l, m: c.m, gates: wide(gates), w: wide(w)}
	args := compute.LSTM{N: c.n, L: c.l, M: c.m, W: e.Buffer("w", w)}
	if forward {
		args.Gates = e.Matrix("gates", gates, rows, 4*c.m, 4*c.m+c.gap)
		args.H, args.C = e.OutputMatrix("h", rows, c.m, c.m+2*c.gap), e.OutputMatrix("c", rows, c.m, c.m+c.gap)
		return a, args
	}
	if start := e.Random(2 * c.n * c.m); at.start {
		a.start, args.Start = wide(start), e.Buffer("start", start)
	}
	if dend := e.Random(2 * c.n * c.m); at.end {
		a.dend = wide(dend)
	}
	want := a.forward()
	args.Gates = e.Matrix("gates", narrow(want.gates), rows, 4*c.m, 4*c.m+c.gap)
	args.C = e.Matrix("c", narrow(want.c), rows, c.m, c.m+c.gap)
	return a, args
}

// pieces takes the first tokens of all sequences, and then the rest with the state
// carried on, and compares with what the device gives for the whole.
func (c lstmCase) pieces(e *Env, first int) {
	a, args := c.inputs(e, true, edges{})
	want := a.forward()
	gates := narrow(a.gates)
	state := e.Buffer("state", make([]float32, 2*c.n*c.m))
	whole := map[string][]float32{}
	rows := func(name string, lo, hi int) []float32 { // of all sequences
		var out []float32
		for seq := range c.n {
			out = append(out, whole[name][(seq*c.l+lo)*c.m:(seq*c.l+hi)*c.m]...)
		}
		return out
	}
	e.Device.LSTM(args)
	for name, m := range map[string]compute.Matrix{"h": args.H, "c": args.C} {
		whole[name] = e.values(m)
	}
	e.Check("gates", want.gates, lstmTol)
	e.Check("h", want.h, lstmTol)
	e.Check("c", want.c, lstmTol)
	for i, part := range [][2]int{{0, first}, {first, c.l}} {
		lo, hi := part[0], part[1]
		p, n, id := args, c.n*(hi-lo), strconv.Itoa(i)
		var sums []float32
		for seq := range c.n {
			sums = append(sums, gates[(seq*c.l+lo)*4*c.m:(seq*c.l+hi)*4*c.m]...)
		}
		p.L, p.Start, p.End = hi-lo, state, state
		p.Gates = compute.MatrixOf(e.Device.Alloc(n*4*c.m), n, 4*c.m)
		e.Device.Upload(p.Gates.Data, sums)
		p.H, p.C = e.OutputMatrix("h"+id, n, c.m, c.m+c.gap), e.OutputMatrix("c"+id, n, c.m, c.m)
		e.Device.LSTM(p)
		e.CheckExact("h"+id, rows("h", lo, hi))
		e.CheckExact("c"+id, rows("c", lo, hi))
	}
	var end []float32
	for seq := range c.n {
		last := (seq + 1) * c.l
		end = append(end, whole["h"][(last-1)*c.m:last*c.m]...)
		end = append(end, whole["c"][(last-1)*c.m:last*c.m]...)
	}
	e.CheckExact("state", end)
}

func (c lstmCase) backward(e *Env, at edges) {
	rows := c.n * c.l
	a, args := c.inputs(e, false, at)
	dh := e.Random(rows * c.m)
	dgates, dstart := a.backward(wide(dh))
	if rows*c.m < 500 {
		loss := func() float64 {
			out := a.forward()
			sum := dot(out.h, wide(dh))
			if at.end {
				sum += dot(a.end(out), a.dend)
			}
			return sum
		}
		e.CheckGradient("gates", loss, a.gates, dgates)
		e.CheckGradient("w", loss, a.w, a.weights(dgates))
		if at.start {
			e.CheckGradient("start", loss, a.start, dstart)
		}
	}
	b := compute.LSTMBackward{LSTM: args,
		DH: e.Matrix("dh", dh, rows, c.m, c.m+3*c.gap), DGates: e.OutputMatrix("dgates", rows, 4*c.m, 4*c.m+c.gap)}
	if at.start {
		b.DStart = e.Output("dstart", len(dstart))
	}
	if at.end {
		b.DEnd = e.Buffer("dend", narrow(a.dend))
	}
	name := "dstart"
	if at.same {
		b.DStart, name = b.DEnd, "dend"
	}
	e.Device.LSTMBackward(b)
	e.Check("dgates", dgates, lstmGradientTol)
	if at.start {
		e.Check(name, dstart, lstmGradientTol)
	}
}

// lstmInputs holds the inputs of compute.LSTM in float64, dense: gates [n·l, 4m],
// w [4m, m], start [n, 2, m], and dend, the gradient of what is after the last
// tokens, of the same shape; both may be nil.
type lstmInputs struct {
	n, l, m     int
	gates, w    []float64
	start, dend []float64
}

// edge returns h and c of one sequence in start or dend, zeros where it is nil.
func (a *lstmInputs) edge(values []float64, seq int) (h, c []float64) {
	if values == nil {
		return make([]float64, a.m), make([]float64, a.m)
	}
	return values[2*seq*a.m:][:a.m], values[(2*seq+1)*a.m:][:a.m]
}

// before returns h and c of the token before a row.
func (a *lstmInputs) before(out lstmOutputs, row int) (h, c []float64) {
	if row%a.l == 0 {
		return a.edge(a.start, row/a.l)
	}
	return out.h[(row-1)*a.m : row*a.m], out.c[(row-1)*a.m : row*a.m]
}

// end returns what is after the last tokens, [n, 2, m].
func (a *lstmInputs) end(out lstmOutputs) (values []float64) {
	for seq := range a.n {
		last := (seq+1)*a.l - 1
		values = append(values, out.h[last*a.m:(last+1)*a.m]...)
		values = append(values, out.c[last*a.m:(last+1)*a.m]...)
	}
	return values
}

// lstmOutputs are shaped like those of compute.LSTM.
type lstmOutputs struct{ gates, h, c []float64 }

func (a *lstmInputs) forward() lstmOutputs {
	m := a.m
	out := lstmOutputs{make([]float64, len(a.gates)), make([]float64, a.n*a.l*m), make([]float64, a.n*a.l*m)}
	for row := range a.n * a.l {
		h, c := a.before(out, row)
		g := out.gates[row*4*m:][:4*m]
		for k := range g {
			g[k] = a.gates[row*4*m+k] + dot(a.w[k*m:(k+1)*m], h)
			if k/m == 2 {
				g[k] = math.Tanh(g[k])
			} else {
				g[k] = 1 / (1 + math.Exp(-g[k]))
			}
		}
		for u := range m {
			out.c[row*m+u] = g[m+u]*c[u] + g[u]*g[2*m+u]
			out.h[row*m+u] = g[3*m+u] * math.Tanh(out.c[row*m+u])
		}
	}
	return out
}

// backward returns the gradients of the gates before they are applied, and of start.
func (a *lstmInputs) backward(dh []float64) (dgates, dstart []float64) {
	m, out := a.m, a.forward()
	dgates, dstart = make([]float64, len(a.gates)), make([]float64, 2*a.n*a.m)
	for seq := range a.n {
		dhLater, dcLater := make([]float64, m), make([]float64, m)
		dhEnd, dcEnd := a.edge(a.dend, seq)
		copy(dhLater, dhEnd)
		copy(dcLater, dcEnd)
		for row := (seq+1)*a.l - 1; row >= seq*a.l; row-- {
			g, d := out.gates[row*4*m:], dgates[row*4*m:]
			_, before := a.before(out, row)
			for u := range m {
				i, f, n, o := g[u], g[m+u], g[2*m+u], g[3*m+u]
				t := math.Tanh(out.c[row*m+u])
				total := dh[row*m+u] + dhLater[u]
				dc := dcLater[u] + total*o*(1-t*t)
				d[u], d[m+u], d[2*m+u], d[3*m+u] = dc*n*i*(1-i), dc*before[u]*f*(1-f), dc*i*(1-n*n), total*t*o*(1-o)
				dcLater[u] = dc * f
			}
			clear(dhLater)
			for k := range 4 * m {
				for u := range m {
					dhLater[u] += d[k] * a.w[k*m+u]
				}
			}
		}
		copy(dstart[2*seq*m:], dhLater)
		copy(dstart[(2*seq+1)*m:], dcLater)
	}
	return dgates, dstart
}

// weights returns the gradient of w, which is no part of the operation.
func (a *lstmInputs) weights(dgates []float64) []float64 {
	m, out, dw := a.m, a.forward(), make([]float64, len(a.w))
	for row := range a.n * a.l {
		h, _ := a.before(out, row)
		for k := range 4 * m {
			for u := range m {
				dw[k*m+u] += dgates[row*4*m+k] * h[u]
			}
		}
	}
	return dw
}
