package generator

import "rpg/generator/compute"

// windows takes a training step through the sequences of the recurrent model in
// windows of W tokens, so that what the step needs does not grow with L:
//
//	forward   window after window, keeping the state at the start of each; of its
//	          prototypes, those of the step's rows go to z
//	backward  the last window first: forward once more from the state kept, then
//	          back, with the gradient of the state at its end that the window
//	          behind it gave
//
// Nothing is cut off: the gradients are those of whole sequences. Behind the last
// token there may be rows without a position; they have no gradient.
//
// What lives within a window only lies where the denoiser's gradients do.
type windows struct {
	r         *recurrent
	count     int
	positions []float32        // [count·W, M], on the host
	kept      []compute.Buffer // of each window, what is carried into it
	z, dz     compute.Matrix   // of the step's rows

	// Prototypes of a window and their gradient, behind a row that is 0, or of no use.
	out, dout   compute.Matrix
	zeros       compute.Buffer // the row of out
	taken       compute.Ints   // of each row of z where it is in out, 0 for another window's
	rows        []int32        // those that the step picks, n·L + l
	local, host []int32
	spans       [][]span // without picked rows, of each window: what belongs together

	states         []int  // of the step
	ahead, andBack func() // one window forward; forward and back
}

// span is a run of rows of z and dz that a window's out and dout have too.
type span struct{ z, dz, out, dout compute.Buffer }

// windowTokens is the number of tokens that training keeps of sequences of l: all,
// or at most Window, spread evenly and in whole chunks of the SSD where there are
// some. A transformer looks back at all tokens: its sequences stay whole.
func (c Config) windowTokens(l int) int {
	if c.Window == 0 || l <= c.Window || c.Recurrent == "transformer" {
		return l
	}
	count := (l + c.Window - 1) / c.Window
	tokens := (l + count - 1) / count
	if tokens > mambaChunk {
		tokens = (tokens + mambaChunk - 1) / mambaChunk * mambaChunk
	}
	return min(c.Window, tokens)
}

// newWindows prepares those of r, which has room for one window, for rows of z.
// r gives outs rows of this width.
func newWindows(dev compute.Device, r *recurrent, positions []float32, outs, width int) *windows {
	w := &windows{r: r, count: (r.sequence + r.l - 1) / r.l, positions: positions}
	for range w.count {
		w.kept = append(w.kept, dev.Alloc(r.carried.start.Len()))
	}
	rows := r.picked
	if rows == 0 {
		rows = r.n * r.sequence
	}
	w.z, w.dz = newMatrix(dev, rows, width), newMatrix(dev, rows, width)
	w.out, w.dout = newMatrix(r.gradients, 1+outs, width), newMatrix(r.gradients, 1+outs, width)
	w.zeros = w.out.RowRange(0, 1).Data
	w.ahead = func() {
		dev.Zero(w.zeros)
		w.whole(dev)
		if r.picked > 0 {
			dev.Gather(w.z, w.out, w.taken, 1)
		}
	}
	w.andBack = func() {
		w.whole(dev)
		if r.picked > 0 {
			dev.Zero(w.dout.Data)
			dev.ScatterAdd(w.dout, w.dz, w.taken)
		}
		r.backward(dev)
	}
	if r.picked > 0 {
		w.taken, w.local, w.host = dev.AllocInts(rows), make([]int32, rows), make([]int32, rows)
		return w
	}
	for first := 0; first < r.sequence; first += r.l {
		var spans []span
		n := min(r.l, r.sequence-first)
		for model := range r.n {
			at, to := model*r.sequence+first, 1+model*r.l
			spans = append(spans, span{w.z.RowRange(at, at+n).Data, w.dz.RowRange(at, at+n).Data,
				w.out.RowRange(to, to+n).Data, w.dout.RowRange(to, to+n).Data})
		}
		w.spans = append(w.spans, spans)
	}
	return w
}

// whole computes all of a window.
func (w *windows) whole(dev compute.Device) {
	w.r.forward(dev, w.r.stateTable(w.r.states.value), w.states)
}

// forward computes the prototypes of the step's rows.
func (w *windows) forward(dev compute.Device, states []int) compute.Matrix {
	w.states = states
	if w.r.picked > 0 {
		dev.Zero(w.z.Data)
	}
	for i := range w.count {
		w.enter(dev, i)
		compute.Record(dev, "window", w.ahead)
		if i+1 < w.count {
			dev.Copy(w.kept[i+1], w.r.carried.end)
		}
		if w.spans != nil {
			for _, s := range w.spans[i] {
				dev.Copy(s.z, s.out)
			}
		}
	}
	return w.z
}

// backward takes dz and adds to the parameters' gradients.
func (w *windows) backward(dev compute.Device) {
	dev.Zero(w.r.carried.grad)
	for i := w.count - 1; i >= 0; i-- {
		w.enter(dev, i)
		if w.spans != nil {
			dev.Zero(w.dout.Data)
			for _, s := range w.spans[i] {
				dev.Copy(s.dout, s.dz)
			}
		}
		compute.Record(dev, "window and back", w.andBack)
	}
}

// enter brings the positions of window i, what is carried into it, and which of
// the step's rows lie in it.
func (w *windows) enter(dev compute.Device, i int) {
	r := w.r
	size := r.l * r.m
	dev.Upload(r.positions.Data, w.positions[i*size:(i+1)*size])
	dev.Copy(r.carried.start, w.kept[i])
	if r.picked == 0 {
		return
	}
	for j, row := range w.rows {
		model, token := int(row)/r.sequence, int(row)%r.sequence-i*r.l
		w.local[j], w.host[j] = 0, 0
		if token < 0 || token >= r.l {
			continue
		}
		w.local[j] = int32(model*r.l + token)
		w.host[j] = 1 + w.local[j]
		if r.pick != nil {
			w.host[j] = 1 + int32(j)
		}
	}
	dev.UploadInts(w.taken, w.host)
	if r.pick != nil {
		r.choose(dev, w.local)
	}
}
