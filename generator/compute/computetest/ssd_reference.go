package computetest

import "math"

// ssdInputs holds the inputs of one selective scan (compute.SSD) in float64, dense and
// row-major: x [n·l, h·p], b and c [n·l, s], dt [n·l, h]; dtBias, aLog and d [h];
// start [n, h, p, s], and dend, the gradient of the states after the last tokens,
// of the same shape; both may be nil.
type ssdInputs struct {
	n, l, h, p, s   int
	x, b, c, dt     []float64
	dtBias, aLog, d []float64
	start, dend     []float64
}

// ssdGradient holds the gradients of the inputs, shaped like them.
type ssdGradient struct {
	dx, db, dc, ddt    []float64
	ddtBias, daLog, dd []float64
	dstart             []float64
}

// edge returns the part of start or dend of one sequence and one head.
func (a *ssdInputs) edge(values []float64, seq, head int) []float64 {
	if values == nil {
		return make([]float64, a.p*a.s)
	}
	at := (seq*a.h + head) * a.p * a.s
	return values[at : at+a.p*a.s]
}

// scan runs the recurrence of one sequence and one head step by step, as
// compute.SSD writes it. It returns the states h_{-1}, h_0, … h_{l-1}, each
// [p, s], and the step sizes softplus(dt + dtBias).
func (a *ssdInputs) scan(seq, head int) (states [][]float64, steps []float64) {
	state := a.edge(a.start, seq, head)
	states = append(states, state)
	for l := range a.l {
		row := seq*a.l + l
		step := softplus(a.dt[row*a.h+head] + a.dtBias[head])
		decay := math.Exp(-step * math.Exp(a.aLog[head]))
		next := make([]float64, a.p*a.s)
		for p := range a.p {
			for s := range a.s {
				next[p*a.s+s] = decay*state[p*a.s+s] + step*a.x[(row*a.h+head)*a.p+p]*a.b[row*a.s+s]
			}
		}
		state = next
		states, steps = append(states, state), append(steps, step)
	}
	return states, steps
}

// forward returns y [n·l, h·p] and the states at the start of each chunk,
// [n, chunks, h, p, s].
func (a *ssdInputs) forward(chunk int) (y, starts []float64) {
	chunks := (a.l + chunk - 1) / chunk
	y = make([]float64, len(a.x))
	starts = make([]float64, a.n*chunks*a.h*a.p*a.s)
	for seq := range a.n {
		for head := range a.h {
			states, _ := a.scan(seq, head)
			for k := range chunks {
				copy(starts[((seq*chunks+k)*a.h+head)*a.p*a.s:], states[k*chunk])
			}
			for l := range a.l {
				row := seq*a.l + l
				for p := range a.p {
					at := (row*a.h+head)*a.p + p
					y[at] = a.d[head] * a.x[at]
					for s := range a.s {
						y[at] += states[l+1][p*a.s+s] * a.c[row*a.s+s]
					}
				}
			}
		}
	}
	return y, starts
}

// ends returns the states after the last tokens, [n, h, p, s].
func (a *ssdInputs) ends() (states []float64) {
	for seq := range a.n {
		for head := range a.h {
			all, _ := a.scan(seq, head)
			states = append(states, all[a.l]...)
		}
	}
	return states
}

// backward returns the gradients of Σ dy·y + Σ dend·ends: the recurrence run backwards, with
// the gradient of the state carried from token to token.
func (a *ssdInputs) backward(dy []float64) ssdGradient {
	g := ssdGradient{
		dx: make([]float64, len(a.x)), db: make([]float64, len(a.b)), dc: make([]float64, len(a.c)),
		ddt: make([]float64, len(a.dt)), ddtBias: make([]float64, a.h), daLog: make([]float64, a.h), dd: make([]float64, a.h),
		dstart: make([]float64, a.n*a.h*a.p*a.s),
	}
	for seq := range a.n {
		for head := range a.h {
			a.backwardHead(&g, dy, seq, head)
		}
	}
	return g
}

func (a *ssdInputs) backwardHead(g *ssdGradient, dy []float64, seq, head int) {
	states, steps := a.scan(seq, head)
	rate := -math.Exp(a.aLog[head])
	dstate := append([]float64(nil), a.edge(a.dend, seq, head)...)
	for l := a.l - 1; l >= 0; l-- {
		row := seq*a.l + l
		decay := math.Exp(steps[l] * rate)
		var dstep, ddecay float64
		for p := range a.p {
			at := (row*a.h+head)*a.p + p
			g.dd[head] += dy[at] * a.x[at]
			g.dx[at] += dy[at] * a.d[head]
			for s := range a.s {
				i, j := p*a.s+s, row*a.s+s
				g.dc[j] += dy[at] * states[l+1][i]
				dstate[i] += dy[at] * a.c[j]
				g.dx[at] += dstate[i] * steps[l] * a.b[j]
				g.db[j] += dstate[i] * steps[l] * a.x[at]
				dstep += dstate[i] * a.x[at] * a.b[j]
				ddecay += dstate[i] * states[l][i]
				dstate[i] *= decay
			}
		}
		// decay = exp(step·rate), rate = -exp(aLog), d softplus(v)/dv = sigmoid(v).
		dstep += ddecay * decay * rate
		g.daLog[head] += ddecay * decay * steps[l] * rate
		dv := dstep / (1 + math.Exp(-a.dt[row*a.h+head]-a.dtBias[head]))
		g.ddt[row*a.h+head] = dv
		g.ddtBias[head] += dv
	}
	copy(a.edge(g.dstart, seq, head), dstate)
}

// softplus is ln(1+exp(v)) without overflow.
func softplus(v float64) float64 {
	return max(v, 0) + math.Log1p(math.Exp(-math.Abs(v)))
}
