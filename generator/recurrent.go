package generator

import "rpg/generator/compute"

// recurrent turns positions and states into prototypes:
//
//	u[n,l] = position[l] + state[n],  z = layers(u)   [N·L, M]
//
// The tokens themselves are not an input, so z is a table that depends on the
// state alone. Training may pick rows of it: of the others, only what those
// need is computed.
type recurrent struct {
	n, l, m int
	states  *param // [checkpoints, M]
	layers  []*mamba

	input embedding
	pick  compute.Ints     // the rows picked, nil for all
	h, dh []compute.Matrix // h[i] is the output of layer i, z that of the last

	gradients compute.Device // where memory for gradients comes from, in training
	// repeats says that the activations lie there too, where the denoiser overwrites
	// them: for the backward pass they are computed again. The projections are only
	// where all prototypes are used, which makes them a small part of a step.
	repeats bool
	host    []int32
}

func newRecurrent(ps *params, c Config, checkpoints, n, l int) *recurrent {
	r := &recurrent{n: n, l: l, m: c.Width}
	r.states = ps.constant(vectorParam, "state.weight", 1/float64(c.Width), checkpoints, c.Width)
	for i := range c.Layers {
		r.layers = append(r.layers, newMamba(ps, "recurrent."+itoa(i), c, n, l))
	}
	return r
}

// alloc takes the positions [L·M] of the layout, and how many prototypes are
// picked in a step, 0 for all.
func (r *recurrent) alloc(dev compute.Device, positions []float32, train bool, picked int) {
	r.host = make([]int32, max(r.n, picked))
	var share *mamba
	memory := mambaMemory{dev, dev, r.gradients}
	if r.repeats {
		memory = mambaMemory{r.gradients, r.gradients, r.gradients}
	}
	for i, k := range r.layers {
		outs := r.n * r.l
		if i == len(r.layers)-1 && picked > 0 {
			outs, r.pick = picked, dev.AllocInts(picked)
		}
		k.alloc(dev, memory, r.pick, share)
		if picked > 0 { // the first layer's projections need no product of this size
			memory.projections = dev
		}
		share = k
		if i == 0 {
			r.input.alloc(dev, k, positions, train, outs)
		}
		r.h = append(r.h, newMatrix(dev, outs, r.m))
		if train && (i < len(r.layers)-1 || r.repeats) {
			r.dh = append(r.dh, newMatrix(r.gradients, outs, r.m))
		} else if train { // the denoiser fills it while it still needs its memory
			r.dh = append(r.dh, newMatrix(dev, outs, r.m))
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
	if len(r.layers) > 1 {
		return
	}
	for i, row := range rows {
		r.host[i] = row % int32(r.l)
	}
	dev.UploadInts(r.input.pickedToken, r.host[:len(rows)])
	for i, row := range rows {
		r.host[i] = row / int32(r.l)
	}
	dev.UploadInts(r.input.pickedModel, r.host[:len(rows)])
}

// forward computes the prototypes of n models whose states are rows of table:
// the learned states, or for sampling any other vectors.
func (r *recurrent) forward(dev compute.Device, table compute.Matrix, states []int) compute.Matrix {
	for i, s := range states {
		r.host[i] = int32(s)
	}
	dev.UploadInts(r.input.batch, r.host[:r.n])
	for i, k := range r.layers {
		if i == 0 {
			r.input.forward(dev, k, table)
			k.mix(dev, r.h[0], r.input.u)
		} else {
			k.forward(dev, r.h[i], r.h[i-1])
		}
	}
	return r.h[len(r.h)-1]
}

// piece is forward while sampling, for the next tokens of one sequence, whose
// positions are given, or for its first.
func (r *recurrent) piece(dev compute.Device, table compute.Matrix, state int, positions []float32, first bool) compute.Matrix {
	dev.Upload(r.input.positions.Data, positions)
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
		r.input.spread(dev, r.layers[0])
		for i, k := range r.layers {
			if i > 0 && r.pick == nil {
				k.project(dev, r.h[i-1])
			}
			k.activate(dev)
		}
	}
	for i := len(r.layers) - 1; i > 0; i-- {
		r.layers[i].backward(dev, r.dh[i-1], r.dh[i], r.h[i-1])
	}
	r.layers[0].mixBackward(dev, r.dh[0])
	r.input.backward(dev, r.layers[0], r.dh[0], r.stateTable(r.states.grad))
}

// multiplies is the number of multiply-adds of one token's forward pass.
func (r *recurrent) multiplies() int {
	n := 0
	for _, k := range r.layers {
		n += k.multiplies()
	}
	return n
}
