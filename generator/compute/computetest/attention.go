package computetest

import (
	"math"
	"strconv"

	"rpg/generator/compute"
)

func attention() Operation {
	var cases []Case
	for _, c := range attentionCases {
		cases = append(cases, Case{c.name, func(e *Env) {
			a, args := c.inputs(e)
			args.Y = e.OutputMatrix("y", c.n*c.l, c.h*c.p, c.h*c.p+2*c.gap)
			args.LSE = e.OutputMatrix("lse", c.n*c.l, c.h, c.h+c.gap)
			e.Device.Attention(args)
			y, lse := a.forward()
			e.Check("y", y, attentionTol)
			e.Check("lse", lse, attentionTol)
		}})
	}
	for _, first := range []int{1, 8, 63, 64, 65, 129} {
		c := attentionCase{"", 1, 150, 2, 9, 3, 1}
		cases = append(cases, Case{"in pieces, from " + strconv.Itoa(first), func(e *Env) { c.pieces(e, first) }})
	}
	return Operation{"Attention", cases}
}

func attentionBackward() Operation {
	var cases []Case
	for _, c := range attentionCases {
		cases = append(cases, Case{c.name, func(e *Env) { c.backward(e) }})
	}
	return Operation{"AttentionBackward", cases}
}

const (
	attentionTol         = 5e-6
	attentionGradientTol = 2e-5
)

// attentionCase holds sizes; rows of all matrices are gap values or more apart,
// and queries are multiplied by sharp, so that a large one makes a row of weights
// nearly 1 at one key.
type attentionCase struct {
	name            string
	n, l, h, p, gap int
	sharp           float32
}

var attentionCases = []attentionCase{
	{"one value", 1, 1, 1, 1, 0, 1},
	{"one token", 2, 1, 3, 4, 1, 1},
	{"two tokens", 2, 2, 1, 3, 0, 1},
	{"odd sizes", 3, 13, 3, 5, 2, 1},
	{"a block less one", 1, 63, 2, 8, 0, 1},
	{"a block", 2, 64, 1, 7, 3, 1},
	{"a block and one", 1, 65, 2, 9, 0, 1},
	{"two blocks and three", 2, 131, 2, 6, 5, 1},
	{"head of one value", 1, 80, 3, 1, 0, 1},
	{"wide head", 1, 70, 1, 130, 0, 1},
	{"columns of a wider matrix", 2, 48, 4, 32, 100, 1},
	{"full size", 1, 150, 2, 64, 7, 1},
	{"sharp", 1, 140, 2, 16, 0, 10},
	{"equal scores", 2, 70, 2, 8, 0, 0},
}

func (c attentionCase) inputs(e *Env) (*attentionInputs, compute.Attention) {
	rows, width := c.n*c.l, c.h*c.p
	q, k, v := e.Random(rows*width), e.Random(rows*width), e.Random(rows*width)
	for i := range q {
		q[i] *= c.sharp
	}
	a := &attentionInputs{n: c.n, l: c.l, h: c.h, p: c.p, q: wide(q), k: wide(k), v: wide(v)}
	return a, compute.Attention{N: c.n, L: c.l, H: c.h, P: c.p,
		Q: e.Matrix("q", q, rows, width, width+c.gap), K: e.Matrix("k", k, rows, width, width+2*c.gap), V: e.Matrix("v", v, rows, width, width+c.gap)}
}

// pieces takes the first tokens, and then the rest with the keys and values of
// all, and compares with what the device gives for the whole.
func (c attentionCase) pieces(e *Env, first int) {
	a, args := c.inputs(e)
	width := c.h * c.p
	outputs := func(id string, n int) (y, lse compute.Matrix) {
		return e.OutputMatrix("y"+id, n, width, width+c.gap), e.OutputMatrix("lse"+id, n, c.h, c.h)
	}
	args.Y, args.LSE = outputs("", c.l)
	e.Device.Attention(args)
	wholeY, wholeLSE := e.values(args.Y), e.values(args.LSE)
	y, lse := a.forward()
	e.Check("y", y, attentionTol)
	e.Check("lse", lse, attentionTol)
	for i, part := range [][2]int{{0, first}, {first, c.l}} {
		lo, hi := part[0], part[1]
		p, id := args, strconv.Itoa(i)
		p.First, p.L = lo, hi-lo
		p.Q, p.K, p.V = args.Q.RowRange(lo, hi), args.K.RowRange(0, hi), args.V.RowRange(0, hi)
		p.Y, p.LSE = outputs(id, hi-lo)
		e.Device.Attention(p)
		e.CheckExact("y"+id, wholeY[lo*width:hi*width])
		e.CheckExact("lse"+id, wholeLSE[lo*c.h:hi*c.h])
	}
}

func (c attentionCase) backward(e *Env) {
	rows, width := c.n*c.l, c.h*c.p
	a, args := c.inputs(e)
	dy := e.Random(rows * width)
	y, lse := a.forward()
	args.Y, args.LSE = e.Matrix("y", narrow(y), rows, width, width+c.gap), e.Matrix("lse", narrow(lse), rows, c.h, c.h+c.gap)
	dq, dk, dv := a.backward(wide(dy))
	if len(dy) < 2000 {
		loss := func() float64 {
			y, _ := a.forward()
			return dot(y, wide(dy))
		}
		e.CheckGradient("q", loss, a.q, dq)
		e.CheckGradient("k", loss, a.k, dk)
		e.CheckGradient("v", loss, a.v, dv)
	}
	e.Device.AttentionBackward(compute.AttentionBackward{Attention: args,
		DY: e.Matrix("dy", dy, rows, width, width+3*c.gap), DQ: e.OutputMatrix("dq", rows, width, width+c.gap),
		DK: e.OutputMatrix("dk", rows, width, width+2*c.gap), DV: e.OutputMatrix("dv", rows, width, width+c.gap)})
	// With one token, or where one key has all the weight, the gradients of the
	// scores are the rounding of a difference that is 0.
	e.checkBeside("dq", dq, dv, attentionGradientTol)
	e.checkBeside("dk", dk, dv, attentionGradientTol)
	e.Check("dv", dv, attentionGradientTol)
}

// attentionInputs holds the inputs of compute.Attention with First = 0 in float64,
// dense: q, k and v [n·l, h·p].
type attentionInputs struct {
	n, l, h, p int
	q, k, v    []float64
}

// weights returns the rows that query row of one head sees, from first on, and
// their weights, and the logarithm of the sum of the exponentials of the scores.
func (a *attentionInputs) weights(row, head int) (first int, w []float64, lse float64) {
	first = row / a.l * a.l
	most := math.Inf(-1)
	for at := first; at <= row; at++ {
		s := dot(a.part(a.q, row, head), a.part(a.k, at, head)) / math.Sqrt(float64(a.p))
		w = append(w, s)
		most = max(most, s)
	}
	for _, s := range w {
		lse += math.Exp(s - most)
	}
	lse = most + math.Log(lse)
	for j := range w {
		w[j] = math.Exp(w[j] - lse)
	}
	return first, w, lse
}

// part is one head's part of a row.
func (a *attentionInputs) part(m []float64, row, head int) []float64 {
	return m[(row*a.h+head)*a.p:][:a.p]
}

func (a *attentionInputs) forward() (y, lse []float64) {
	y, lse = make([]float64, len(a.q)), make([]float64, a.n*a.l*a.h)
	for row := range a.n * a.l {
		for head := range a.h {
			first, w, l := a.weights(row, head)
			lse[row*a.h+head] = l
			for j, v := range w {
				addTo(a.part(y, row, head), v, a.part(a.v, first+j, head))
			}
		}
	}
	return y, lse
}

func (a *attentionInputs) backward(dy []float64) (dq, dk, dv []float64) {
	dq, dk, dv = make([]float64, len(a.q)), make([]float64, len(a.q)), make([]float64, len(a.q))
	for row := range a.n * a.l {
		for head := range a.h {
			first, w, _ := a.weights(row, head)
			up := a.part(dy, row, head)
			mean := 0.0 // of the gradients of the weights
			for j, v := range w {
				mean += v * dot(up, a.part(a.v, first+j, head))
			}
			for j, v := range w {
				ds := v * (dot(up, a.part(a.v, first+j, head)) - mean) / math.Sqrt(float64(a.p))
				addTo(a.part(dq, row, head), ds, a.part(a.k, first+j, head))
				addTo(a.part(dk, first+j, head), ds, a.part(a.q, row, head))
				addTo(a.part(dv, first+j, head), v, up)
			}
		}
	}
	return dq, dk, dv
}

// addTo: dst += factor·x.
func addTo(dst []float64, factor float64, x []float64) {
	for i, v := range x {
		dst[i] += factor * v
	}
}
