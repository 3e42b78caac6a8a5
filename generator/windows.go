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
// What lives within a window only lies where the denoiser's gradients do. Where there
// is room, the positions and the results of the products are kept aside: forward once more is then what
// lies between them only, which gives the same bits.
//
// Of a mamba that comes last, with picked rows, a window goes as far as y: of the
// picked rows u and y are gathered, and the gate and what is behind it are computed
// once a step, after all windows, and back before them.
type windows struct {
	dev       compute.Device
	r         *recurrent
	count     int
	positions []float32          // [count·W, M], on the host
	placed    []compute.Buffer   // of each window the same on the device, nil without room
	kept      []compute.Buffer   // of each window, what is carried into it
	products  []compute.Buffer   // of a window
	aside     [][]compute.Buffer // of each window the same, nil without room
	z, dz     compute.Matrix     // of the step's rows

	// Rows of a window and their gradients, behind a row that is 0, or of no use:
	// its prototypes, or with a late layer what that one takes and its y.
	out, dout    compute.Matrix
	late         *mamba // nil where all is done in windows
	u, du, y, dy compute.Matrix
	zeros        []compute.Buffer // those rows of out, or of u and y

	taken  compute.Ints // of each of the step's rows where it is in those, 0 for another window's
	rows   []int32      // those that the step picks, n·L + l
	host   []int32
	spans  [][]span // without picked rows, of each window: what belongs together
	states []int    // of the step

	ahead, andBack     func() // a window forward; forward and back
	outputs, andTheirs func() // of the late layer z; and back
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

// newWindows prepares those of r, which has room for one window.
func newWindows(dev compute.Device, r *recurrent, positions []float32) *windows {
	w := &windows{dev: dev, r: r, count: (r.sequence + r.l - 1) / r.l, positions: positions}
	for range w.count {
		w.kept = append(w.kept, dev.Alloc(r.carried.start.Len()))
	}
	rows, width := r.n*r.sequence, r.widths[len(r.widths)-1]
	if r.picked > 0 {
		rows = r.picked
		w.taken, w.host = dev.AllocInts(rows), make([]int32, rows)
		if k, ok := r.layers[len(r.layers)-1].(*mamba); ok && len(r.layers) > 1 {
			w.late = k
		}
	}
	w.z, w.dz = newMatrix(dev, rows, width), newMatrix(dev, rows, width)
	ofWindow := func(width int) compute.Matrix { return newMatrix(r.gradients, 1+r.n*r.l, width) }
	if k := w.late; k != nil {
		w.u, w.du, w.y, w.dy = ofWindow(k.m), ofWindow(k.m), ofWindow(k.i), ofWindow(k.i)
		w.zeros = []compute.Buffer{w.u.RowRange(0, 1).Data, w.y.RowRange(0, 1).Data}
	} else {
		w.out, w.dout = ofWindow(width), ofWindow(width)
		w.zeros = []compute.Buffer{w.out.RowRange(0, 1).Data}
	}
	w.ahead = func() {
		w.whole(dev)
		switch k := w.late; {
		case k != nil:
			dev.Gather(k.uPicked, w.u, w.taken, 1)
			dev.Gather(k.yPicked, w.y, w.taken, 1)
		case r.picked > 0:
			dev.Gather(w.z, w.out, w.taken, 1)
		}
	}
	w.andBack = func() {
		if w.aside == nil {
			w.whole(dev)
		} else {
			r.between(dev, r.stateTable(r.states.value))
		}
		switch k := w.late; {
		case k != nil:
			dev.Zero(w.du.Data)
			dev.ScatterAdd(w.du, k.duPicked, w.taken)
			dev.Zero(w.dy.Data)
			dev.ScatterAdd(w.dy, k.dyPicked, w.taken)
		case r.picked > 0:
			dev.Zero(w.dout.Data)
			dev.ScatterAdd(w.dout, w.dz, w.taken)
		}
		r.backward(dev)
	}
	w.outputs = func() { w.late.outputs(dev, w.z) }
	w.andTheirs = func() { w.late.outputsBackward(dev, w.dz) }
	if r.picked > 0 {
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

// asideBytes is the memory that the positions and, of layers that are all mamba, the
// products of all windows take.
func (w *windows) asideBytes() int64 {
	values := 0
	for _, b := range w.products {
		values += b.Len()
	}
	return 4 * (int64(len(w.positions)) + int64(w.count)*int64(values))
}

// keep takes that memory.
func (w *windows) keep() {
	size := w.r.l * w.r.m
	for i := range w.count {
		b := w.dev.Alloc(size)
		w.dev.Upload(b, w.positions[i*size:(i+1)*size])
		w.placed = append(w.placed, b)
	}
	if w.products == nil {
		return
	}
	for range w.count {
		var all []compute.Buffer
		for _, b := range w.products {
			all = append(all, w.dev.Alloc(b.Len()))
		}
		w.aside = append(w.aside, all)
	}
}

// ends are the rows of a window that its last layer gives, or else takes, and
// their gradients. Of a late layer's output there are none.
func (w *windows) ends(gives bool) (rows, gradients compute.Matrix) {
	rows, gradients = w.out, w.dout
	if w.late != nil && !gives {
		rows, gradients = w.u, w.du
	}
	if rows.Data == nil {
		return rows, gradients
	}
	return rows.RowRange(1, rows.Rows), gradients.RowRange(1, rows.Rows)
}

// whole computes all of a window.
func (w *windows) whole(dev compute.Device) {
	for _, row := range w.zeros {
		dev.Zero(row)
	}
	w.r.forward(dev, w.r.stateTable(w.r.states.value), w.states)
}

// forward computes the prototypes of the step's rows.
func (w *windows) forward(dev compute.Device, states []int) compute.Matrix {
	w.states = states
	switch k := w.late; {
	case k != nil:
		dev.Zero(k.uPicked.Data)
		dev.Zero(k.yPicked.Data)
	case w.r.picked > 0:
		dev.Zero(w.z.Data)
	}
	for i := range w.count {
		w.enter(dev, i)
		compute.Record(dev, "window", w.ahead)
		if i+1 < w.count {
			dev.Copy(w.kept[i+1], w.r.carried.end)
		}
		if w.aside != nil {
			for j, b := range w.aside[i] {
				dev.Copy(b, w.products[j])
			}
		}
		if w.spans != nil {
			for _, s := range w.spans[i] {
				dev.Copy(s.z, s.out)
			}
		}
	}
	if w.late != nil {
		compute.Record(dev, "outputs", w.outputs)
	}
	return w.z
}

// backward takes dz and adds to the parameters' gradients.
func (w *windows) backward(dev compute.Device) {
	if w.late != nil {
		compute.Record(dev, "outputs and back", w.andTheirs)
	}
	dev.Zero(w.r.carried.grad)
	for i := w.count - 1; i >= 0; i-- {
		w.enter(dev, i)
		if w.spans != nil {
			dev.Zero(w.dout.Data)
			for _, s := range w.spans[i] {
				dev.Copy(s.dout, s.dz)
			}
		}
		if w.aside != nil {
			for j, b := range w.aside[i] {
				dev.Copy(w.products[j], b)
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
	if w.placed == nil {
		dev.Upload(r.positions.Data, w.positions[i*size:(i+1)*size])
	} else {
		dev.Copy(r.positions.Data, w.placed[i])
	}
	dev.Copy(r.carried.start, w.kept[i])
	if r.picked == 0 {
		return
	}
	for j, row := range w.rows {
		model, token := int(row)/r.sequence, int(row)%r.sequence-i*r.l
		w.host[j] = 0
		if token >= 0 && token < r.l {
			w.host[j] = int32(1 + model*r.l + token)
		}
	}
	dev.UploadInts(w.taken, w.host)
}
