package generator

import "rpg/generator/compute"

// vectors are what the input of the recurrent model is made of,
// u[n,l] = position[l] + state[n].
type vectors struct {
	positions    compute.Matrix // [L, M]
	state        compute.Matrix // [N, M]: those of the batch
	batch        compute.Ints   // [N]: their rows in the table of states
	token, model compute.Ints   // of each row n·L + l: l and n
}

func (v *vectors) alloc(dev compute.Device, n, l, m int, positions []float32) {
	v.positions, v.state = newMatrix(dev, l, m), newMatrix(dev, n, m)
	dev.Upload(v.positions.Data, positions)
	v.batch = dev.AllocInts(n)
	rows := n * l
	v.token, v.model = dev.AllocInts(rows), dev.AllocInts(rows)
	token, model := make([]int32, rows), make([]int32, rows)
	for i := range rows {
		token[i], model[i] = int32(i%l), int32(i/l)
	}
	dev.UploadInts(v.token, token)
	dev.UploadInts(v.model, model)
}

// input is the first layer together with what it takes.
type input interface {
	// choose says which rows the layer gives, when it is the only one; host is
	// memory for as many.
	choose(dev compute.Device, rows, host []int32)
	forward(dev compute.Device, out compute.Matrix)
	// backward returns the gradient of the states of the batch.
	backward(dev compute.Device, dout compute.Matrix) compute.Matrix
}

// newInput prepares that of r, whose first layer gives outs rows.
func newInput(dev compute.Device, r *recurrent, train bool, outs int) input {
	if k, ok := r.layers[0].(*mamba); ok {
		return newEmbedding(dev, &r.vectors, k, train, outs)
	}
	s := &sum{vectors: &r.vectors, first: r.layers[0], u: newMatrix(dev, r.n*r.l, r.m)}
	if train {
		s.du, s.dstate = newMatrix(r.gradients, r.n*r.l, r.m), newMatrix(dev, r.n, r.m)
	}
	return s
}

// sum is the input of any layer: all rows of u.
type sum struct {
	*vectors
	first         layer
	u, du, dstate compute.Matrix
}

func (s *sum) choose(compute.Device, []int32, []int32) {}

func (s *sum) forward(dev compute.Device, out compute.Matrix) {
	dev.Gather(s.u, s.positions, s.token, 0)
	dev.Gather(s.u, s.state, s.model, 1)
	s.first.forward(dev, out, s.u)
}

func (s *sum) backward(dev compute.Device, dout compute.Matrix) compute.Matrix {
	s.first.backward(dev, s.du, dout, s.u)
	dev.Zero(s.dstate.Data)
	dev.ScatterAdd(s.dstate, s.du, s.model)
	return s.dstate
}
