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
type recurrent struct {
	n, l, m  int
	widths   []int  // of each layer's output
	sequence int    // tokens of a whole sequence, of which sampling takes l at a time
	states   *param // [checkpoints, M]
	layers   []layer

	vectors
	input  input
	picked int              // rows that a step picks, 0 for all
	pick   compute.Ints     // which ones, nil for all
	h, dh  []compute.Matrix // h[i] is the output of layer i, z that of the last

	gradients compute.Device // where memory for gradients comes from; nil for sampling
	// repeats says that the activations of mamba layers lie there too, where the
	// denoiser overwrites them: for the backward pass they are computed again. The
	// projections of layers after the first do only where no rows are picked, which
	// makes them a small part of a step.
	repeats bool
	host    []int32
}

// layer is one layer of the recurrent model, for n sequences of l tokens of width
// M, which gives tokens of its own width: mamba, lstm, transformer or gated.
type layer interface {
	// alloc prepares for r, and for an output that has only the rows in pick, nil
	// for all. What is of use within backward only may be shared with the layer
	// before, which is nil for the first one.
	alloc(dev compute.Device, r *recurrent, pick compute.Ints, share layer)
	// begin makes ready for the first piece of a sequence, or for the next one;
	// it is for sampling only.
	begin(dev compute.Device, first bool)
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

// alloc takes the positions [L·M] of the layout, and how many prototypes are
// picked in a step, 0 for all.
func (r *recurrent) alloc(dev compute.Device, positions []float32, train bool, picked int) {
	r.host, r.picked = make([]int32, max(r.n, picked)), picked
	r.vectors.alloc(dev, r.n, r.l, r.m, positions)
	var share layer
	for i, k := range r.layers {
		outs := r.n * r.l
		if i == len(r.layers)-1 && picked > 0 {
			outs, r.pick = picked, dev.AllocInts(picked)
		}
		k.alloc(dev, r, r.pick, share)
		share = k
		if i == 0 {
			r.input = newInput(dev, r, train, outs)
		}
		r.h = append(r.h, newMatrix(dev, outs, r.widths[i]))
		if train && (i < len(r.layers)-1 || r.repeats) {
			r.dh = append(r.dh, newMatrix(r.gradients, outs, r.widths[i]))
		} else if train { // the denoiser fills it while it still needs its memory
			r.dh = append(r.dh, newMatrix(dev, outs, r.widths[i]))
		}
	}
}

// stateTable views the learned states [checkpoints, M].
func (r *recurrent) stateTable(b compute.Buffer) compute.Matrix {
	return compute.MatrixOf(b, r.states.shape[0], r.m)
}

// choose says which rows n·L + l of the table of prototypes forward gives.
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
	for _, k := range r.layers {
		k.begin(dev, first)
	}
	return r.forward(dev, table, []int{state})
}

// gradient is where the caller puts dz before backward.
func (r *recurrent) gradient() compute.Matrix { return r.dh[len(r.dh)-1] }

// backward takes dz from gradient().
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

// stepMultiplies is that of the forward pass of a step. A mamba that comes first
// projects N + L vectors instead of N·L, and one that comes last, with some rows
// picked, computes the gate and the last product for those. What is done again in
// the backward pass is not counted.
func (r *recurrent) stepMultiplies() int {
	rows, n := r.n*r.l, 0
	for i, l := range r.layers {
		k, ok := l.(*mamba)
		if !ok {
			n += rows * l.multiplies()
			continue
		}
		outs := rows
		if i == len(r.layers)-1 && r.picked > 0 {
			outs = r.picked
		}
		gates, rests := outs, rows
		if i == 0 {
			gates, rests = r.n+r.l, r.n+r.l
		}
		n += gates*k.gateIn.multiplies() + rests*k.restIn.multiplies() + rows*k.scanMultiplies() + outs*k.out.multiplies()
	}
	return n
}
