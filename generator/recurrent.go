package generator

import "rpg/generator/compute"

// recurrent turns positions and states into prototypes:
//
//	u[n,l] = position[l] + state[n],  z = layers(u)   [N·L, M]
//
// The tokens themselves are not an input, so z is a table that depends on the
// state alone.
type recurrent struct {
	n, l, m int
	states  *param // [checkpoints, M]
	layers  []*mamba

	positions compute.Matrix // [L, M]
	tokenRow  compute.Ints   // 0..L-1 for each of the N models
	stateRow  compute.Ints   // the state of each row
	rowState  []int32
	h, dh     []compute.Matrix // input of each layer and, last, the prototypes
}

func newRecurrent(ps *params, c Config, checkpoints, n, l int) *recurrent {
	r := &recurrent{n: n, l: l, m: c.Width}
	r.states = ps.constant(vectorParam, "state.weight", 1/float64(c.Width), checkpoints, c.Width)
	for i := range c.Layers {
		r.layers = append(r.layers, newMamba(ps, "recurrent."+itoa(i), c, n, l))
	}
	return r
}

// alloc takes the positions [L·M] of the layout.
func (r *recurrent) alloc(dev compute.Device, positions []float32, train bool) {
	rows := r.n * r.l
	p := dev.Alloc(r.l * r.m)
	dev.Upload(p, positions)
	r.positions = compute.MatrixOf(p, r.l, r.m)
	r.tokenRow, r.stateRow = dev.AllocInts(rows), dev.AllocInts(rows)
	token := make([]int32, rows)
	for i := range token {
		token[i] = int32(i % r.l)
	}
	dev.UploadInts(r.tokenRow, token)
	r.rowState = make([]int32, rows)
	for range len(r.layers) + 1 {
		r.h = append(r.h, compute.MatrixOf(dev.Alloc(rows*r.m), rows, r.m))
		if train {
			r.dh = append(r.dh, compute.MatrixOf(dev.Alloc(rows*r.m), rows, r.m))
		}
	}
	for _, k := range r.layers {
		k.alloc(dev, train)
	}
}

// stateTable views the learned states [checkpoints, M].
func (r *recurrent) stateTable(b compute.Buffer) compute.Matrix {
	return compute.MatrixOf(b, r.states.shape[0], r.m)
}

// forward computes the prototypes of n models whose states are rows of table:
// the learned states, or for sampling any other vectors.
func (r *recurrent) forward(dev compute.Device, table compute.Matrix, states []int) compute.Matrix {
	for i := range r.rowState {
		r.rowState[i] = int32(states[i/r.l])
	}
	dev.UploadInts(r.stateRow, r.rowState)
	dev.Gather(r.h[0], r.positions, r.tokenRow, 0)
	dev.Gather(r.h[0], table, r.stateRow, 1)
	for i, k := range r.layers {
		k.forward(dev, r.h[i+1], r.h[i])
	}
	return r.prototypes()
}

func (r *recurrent) prototypes() compute.Matrix { return r.h[len(r.h)-1] }

// gradient is where the caller puts dz before backward.
func (r *recurrent) gradient() compute.Matrix { return r.dh[len(r.dh)-1] }

// backward takes dz from gradient().
func (r *recurrent) backward(dev compute.Device) {
	for i := len(r.layers) - 1; i >= 0; i-- {
		r.layers[i].backward(dev, r.dh[i], r.dh[i+1], r.h[i])
	}
	dev.ScatterAdd(r.stateTable(r.states.grad), r.dh[0], r.stateRow)
}

// multiplies is the number of multiply-adds of one token's forward pass.
func (r *recurrent) multiplies() int {
	n := 0
	for _, k := range r.layers {
		n += k.multiplies()
	}
	return n
}
