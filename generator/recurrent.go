package generator

import (
	"slices"

	"rpg/generator/compute"
)

// recurrent turns positions and states into prototypes:
//
//	u[n,l] = position[l] + state[n],  z = layers(u)   [N·L, out-width]
//
// The tokens themselves are not an input, so z is a table that depends on the
// state alone. Training may pick rows of it: of the others, only what those
// need is computed.
//
// Sampling, and training in windows, take sequences in pieces.
type recurrent struct {
	n, l, m  int
	widths   []int  // of each layer's output
	sequence int    // tokens of a whole sequence, of which l are taken at a time
	states   *param // [checkpoints, M]
	layers   []layer

	vectors
	input  input
	picked int              // rows that a step picks, 0 for all
	pick   compute.Ints     // which ones, nil for all and in windows
	h, dh  []compute.Matrix // h[i] is the output of layer i, z that of the last

	carried carried  // of all layers
	windows *windows // nil for sampling and where training takes whole sequences

	gradients compute.Device // where memory for gradients comes from; nil for sampling
	// repeats says that the activations of mamba layers lie there too, where the
	// denoiser overwrites them: for the backward pass they are computed again. The
	// projections of layers after the first do only where no rows are picked, which
	// makes them a small part of a step.
	repeats bool
	host    []int32
}

// carried is what goes from one piece of a sequence to the next one: what is before
// the piece, what is after it, and in training the gradient, before a backward
// pass of the latter and after it of the former. Without pieces all are nil.
type carried struct{ start, end, grad compute.Buffer }

func (c carried) cut(lo, hi int) carried {
	c.start, c.end = c.start.Slice(lo, hi), c.end.Slice(lo, hi)
	if c.grad != nil {
		c.grad = c.grad.Slice(lo, hi)
	}
	return c
}

// layer is one layer of the recurrent model, for n sequences of l tokens of width
// M, which gives tokens of its own width: mamba, lstm, transformer or gated.
type layer interface {
	// carries is the number of values that pieces of sequences carry on.
	carries() int
	// alloc prepares for r, for pieces that carry c on, and for an output that has
	// only the rows in pick, nil for all. What is of use within backward only may be
	// shared with the layer before, which is nil for the first one.
	alloc(dev compute.Device, r *recurrent, c carried, pick compute.Ints, share layer)
	// begin makes ready for the first piece of a sequence, or for the next one;
	// it is for sampling only.
	begin(first bool)
	// forward computes out from u [n·l, M].
	forward(dev compute.Device, out, u compute.Matrix)
	// backward computes du from dout and adds to the parameters' gradients. It
	// reads what the last forward pass left.
	backward(dev compute.Device, du, dout, u compute.Matrix)
	// multiplies is the number of multiply-adds of one token's forward pass.
	multiplies() int
}

func newRecurrent(ps *params, c Config, checkpoints, n, l int) *recurrent {
	r := &recurrent{n: n, l: l, m: c.Width, widths: slices.Repeat([]int{c.Width}, c.Layers), sequence: l}
	r.widths[c.Layers-1] = c.outWidth()
	r.states = ps.constant(vectorParam, "state.weight", 1/float64(c.Width), checkpoints, c.Width)
	for i, out := range r.widths {
		r.layers = append(r.layers, newLayer(ps, "recurrent."+itoa(i), c, out, n, l))
	}
	return r
}

// newLayer makes a layer of the kind that c names, with outputs of width out.
func newLayer(ps *params, name string, c Config, out, n, l int) layer {
	switch c.Recurrent {
	case "lstm":
		return newLSTM(ps, name, c, n, l)
	case "transformer":
		return newTransformer(ps, name, c, n, l)
	case "none":
		return newGated(ps, name, c, n, l)
	}
	return newMamba(ps, name, c, out, n, l)
}

// alloc takes the positions of the layout, [L·M] or of whole windows, and how many
// prototypes are picked in a step, 0 for all.
func (r *recurrent) alloc(dev compute.Device, positions []float32, train bool, picked int) {
	r.host, r.picked = make([]int32, max(r.n, picked)), picked
	outs, memory, inWindows := r.n*r.l, dev, train && r.l < r.sequence
	if inWindows {
		memory = r.gradients
	}
	if picked > 0 && !inWindows {
		outs, r.pick = picked, dev.AllocInts(picked)
	}
	if inWindows || !train {
		r.allocCarried(dev, train)
	}
	if inWindows {
		r.windows = newWindows(dev, r, positions)
		positions = positions[:r.l*r.m]
	}
	r.vectors.alloc(memory, r.n, r.l, r.m, positions)
	var share layer
	at := 0
	for i, k := range r.layers {
		rows, pick := r.n*r.l, compute.Ints(nil)
		last := i == len(r.layers)-1
		if last {
			rows, pick = outs, r.pick
			if inWindows && r.windows.late != nil {
				pick = r.windows.taken
			}
		}
		var c carried
		if r.carried.start != nil {
			c = r.carried.cut(at, at+k.carries())
			at += k.carries()
		}
		k.alloc(memory, r, c, pick, share)
		share = k
		if i == 0 {
			r.input = newInput(memory, r, train, rows)
		}
		switch {
		case inWindows && (last || i == len(r.layers)-2 && r.windows.late != nil):
			h, dh := r.windows.ends(last)
			r.h, r.dh = append(r.h, h), append(r.dh, dh)
			continue
		case train && (!last || r.repeats):
			r.dh = append(r.dh, newMatrix(r.gradients, rows, r.widths[i]))
		case train: // the denoiser fills it while it still needs its memory
			r.dh = append(r.dh, newMatrix(dev, rows, r.widths[i]))
		}
		r.h = append(r.h, newMatrix(memory, rows, r.widths[i]))
	}
	if inWindows {
		r.windows.products = r.products()
	}
}

// products are the results of the matrix products of a forward pass that the backward
// pass needs, nil where layers are not mamba.
func (r *recurrent) products() (all []compute.Buffer) {
	for i, l := range r.layers {
		k, ok := l.(*mamba)
		if !ok {
			return nil
		}
		all = append(all, k.rest.Data)
		if !k.late {
			all = append(all, k.gate.Data)
		}
		if i+1 < len(r.layers) {
			all = append(all, r.h[i].Data)
		}
	}
	return all
}

// between computes what forward does but for products.
func (r *recurrent) between(dev compute.Device, table compute.Matrix) {
	dev.Gather(r.state, table, r.batch, 0)
	for _, l := range r.layers {
		if k := l.(*mamba); k.late {
			k.scan(dev)
		} else {
			k.activate(dev)
		}
	}
}

// allocCarried takes memory for what pieces of sequences carry on.
func (r *recurrent) allocCarried(dev compute.Device, train bool) {
	values := 0
	for _, k := range r.layers {
		values += k.carries()
	}
	r.carried.start, r.carried.end = dev.Alloc(values), dev.Alloc(values)
	if train {
		r.carried.grad = dev.Alloc(values)
	}
}

// stateTable views the learned states [checkpoints, M].
func (r *recurrent) stateTable(b compute.Buffer) compute.Matrix {
	return compute.MatrixOf(b, r.states.shape[0], r.m)
}

// prototypes computes those of a training step, of the rows that pickRows named.
func (r *recurrent) prototypes(dev compute.Device, states []int) compute.Matrix {
	if r.windows != nil {
		return r.windows.forward(dev, states)
	}
	return r.forward(dev, r.stateTable(r.states.value), states)
}

// gradient is where the caller puts dz before prototypesBackward.
func (r *recurrent) gradient() compute.Matrix {
	if r.windows != nil {
		return r.windows.dz
	}
	return r.dh[len(r.dh)-1]
}

// prototypesBackward takes dz from gradient().
func (r *recurrent) prototypesBackward(dev compute.Device) {
	if r.windows != nil {
		r.windows.backward(dev)
		return
	}
	r.backward(dev)
}

// pickRows says which rows n·L + l of the table of prototypes a step needs.
func (r *recurrent) pickRows(dev compute.Device, rows []int32) {
	if r.windows != nil {
		r.windows.rows = rows
		return
	}
	r.choose(dev, rows)
}

// choose says which rows n·l + token forward gives.
func (r *recurrent) choose(dev compute.Device, rows []int32) {
	dev.UploadInts(r.pick, rows)
	if len(r.layers) == 1 {
		r.input.choose(dev, rows, r.host[:len(rows)])
	}
}

// forward computes the prototypes of n models whose states are rows of table:
// the learned states, or for sampling any other vectors.
func (r *recurrent) forward(dev compute.Device, table compute.Matrix, states []int) compute.Matrix {
	for i, s := range states {
		r.host[i] = int32(s)
	}
	dev.UploadInts(r.batch, r.host[:r.n])
	dev.Gather(r.state, table, r.batch, 0)
	r.input.forward(dev, r.h[0])
	for i, k := range r.layers[1:] {
		k.forward(dev, r.h[i+1], r.h[i])
	}
	return r.h[len(r.h)-1]
}

// piece is forward while sampling, for the next tokens of one sequence, whose
// positions are given, or for its first.
func (r *recurrent) piece(dev compute.Device, table compute.Matrix, state int, positions []float32, first bool) compute.Matrix {
	dev.Upload(r.positions.Data, positions)
	if first {
		dev.Zero(r.carried.start)
	} else {
		dev.Copy(r.carried.start, r.carried.end)
	}
	for _, k := range r.layers {
		k.begin(first)
	}
	return r.forward(dev, table, []int{state})
}

// backward takes dz from the last of dh.
func (r *recurrent) backward(dev compute.Device) {
	if r.repeats {
		r.again(dev)
	}
	for i := len(r.layers) - 1; i > 0; i-- {
		r.layers[i].backward(dev, r.dh[i-1], r.dh[i], r.h[i-1])
	}
	dstate := r.input.backward(dev, r.dh[0])
	dev.ScatterAdd(r.stateTable(r.states.grad), dstate, r.batch)
}

// again computes what the denoiser has overwritten since forward.
func (r *recurrent) again(dev compute.Device) {
	first := r.input.(*embedding)
	first.spread(dev)
	first.k.activate(dev)
	for i, l := range r.layers[1:] {
		k := l.(*mamba)
		if r.picked == 0 {
			k.project(dev, r.h[i])
		}
		k.activate(dev)
	}
}

// multiplies is the number of multiply-adds of one token's forward pass.
func (r *recurrent) multiplies() int {
	n := 0
	for _, k := range r.layers {
		n += k.multiplies()
	}
	return n
}

// stepMultiplies is that of a step, forward, back, and what of the former windows
// compute once more. A mamba that comes first projects N + L vectors instead of N·L,
// and computes no gradient of the L; one that comes last, with some rows picked,
// computes the gate and the last product for those.
func (r *recurrent) stepMultiplies() (forward, backward, again int) {
	rows, windows, ofTokens, ofPicked, spared := r.n*r.l, 1, 0, 0, 0
	for i, l := range r.layers {
		k, ok := l.(*mamba)
		if !ok {
			ofTokens += rows * l.multiplies()
			continue
		}
		gates, rests := rows, rows
		if i == 0 {
			gates, rests, spared = r.n+r.l, r.n+r.l, r.l*k.in.multiplies()
		}
		ofTokens += rests*k.restIn.multiplies() + rows*k.scanMultiplies()
		if k.pick == nil {
			ofTokens += gates*k.gateIn.multiplies() + rows*k.out.multiplies()
		} else {
			if i > 0 {
				gates = r.picked
			}
			ofPicked = gates*k.gateIn.multiplies() + r.picked*k.out.multiplies()
		}
	}
	if r.windows != nil {
		windows = r.windows.count
		again = windows * ofTokens
	}
	forward = windows*ofTokens + ofPicked
	return forward, 2*forward - windows*spared, again
}
