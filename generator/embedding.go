package generator

import "rpg/generator/compute"

// embedding is the input of the recurrent model, u[n,l] = position[l] + state[n],
// and what the first layer's projection makes of it: that of the positions, the
// same for all models, plus that of the states, the same for all tokens.
// Products with L + N rows stand for one with N·L.
type embedding struct {
	positions    compute.Matrix // [L, M]
	state        compute.Matrix // [N, M]: those of the batch
	batch        compute.Ints   // [N]: their rows in the table of states
	token, model compute.Ints   // of each row n·L + l: l and n
	pickedToken  compute.Ints   // of each row that the first layer gives
	pickedModel  compute.Ints
	u            compute.Matrix // those rows of u, for a residual

	ofToken, ofModel   projection // [L, …] and [N, …]
	dOfToken, dOfModel projection
	dstate             compute.Matrix
}

// projection is u·Win of some vectors u, whole and in mamba's two parts.
type projection struct{ whole, gate, rest compute.Matrix }

func newProjection(dev compute.Device, rows int, k *mamba) projection {
	whole := compute.MatrixOf(dev.Alloc(rows*k.in.out), rows, k.in.out)
	return projection{whole, whole.Columns(0, k.i), whole.Columns(k.i, k.in.out)}
}

// alloc prepares the input of layer k, which gives outs rows.
func (e *embedding) alloc(dev compute.Device, k *mamba, positions []float32, train bool, outs int) {
	rows := k.n * k.l
	e.positions, e.state = newMatrix(dev, k.l, k.m), newMatrix(dev, k.n, k.m)
	dev.Upload(e.positions.Data, positions)
	e.batch = dev.AllocInts(k.n)
	e.token, e.model = dev.AllocInts(rows), dev.AllocInts(rows)
	token, model := make([]int32, rows), make([]int32, rows)
	for i := range rows {
		token[i], model[i] = int32(i%k.l), int32(i/k.l)
	}
	dev.UploadInts(e.token, token)
	dev.UploadInts(e.model, model)
	e.pickedToken, e.pickedModel = e.token, e.model
	if k.pick != nil {
		e.pickedToken, e.pickedModel = dev.AllocInts(outs), dev.AllocInts(outs)
	}
	if k.residual {
		e.u = newMatrix(dev, outs, k.m)
	}
	e.ofToken, e.ofModel = newProjection(dev, k.l, k), newProjection(dev, k.n, k)
	if train {
		e.dOfToken, e.dOfModel = newProjection(dev, k.l, k), newProjection(dev, k.n, k)
		e.dstate = newMatrix(dev, k.n, k.m)
	}
}

// forward fills the projections of layer k, for states that are the rows in
// batch of a table.
func (e *embedding) forward(dev compute.Device, k *mamba, table compute.Matrix) {
	dev.Gather(e.state, table, e.batch, 0)
	k.in.forward(dev, e.ofToken.whole, e.positions)
	k.in.forward(dev, e.ofModel.whole, e.state)
	e.spread(dev, k)
	if k.residual {
		dev.Gather(e.u, e.positions, e.pickedToken, 0)
		dev.Gather(e.u, e.state, e.pickedModel, 1)
	}
}

// spread fills the projections of layer k from those of the positions and states.
func (e *embedding) spread(dev compute.Device, k *mamba) {
	dev.Gather(k.rest, e.ofToken.rest, e.token, 0)
	dev.Gather(k.rest, e.ofModel.rest, e.model, 1)
	dev.Gather(k.gate, e.ofToken.gate, e.pickedToken, 0)
	dev.Gather(k.gate, e.ofModel.gate, e.pickedModel, 1)
}

// backward takes the gradients of layer k's projections and of its output, and
// adds to those of its weights and to dtable.
func (e *embedding) backward(dev compute.Device, k *mamba, dout, dtable compute.Matrix) {
	for _, sum := range [2]struct {
		d           projection
		all, picked compute.Ints
	}{{e.dOfToken, e.token, e.pickedToken}, {e.dOfModel, e.model, e.pickedModel}} {
		dev.Zero(sum.d.whole.Data)
		dev.ScatterAdd(sum.d.rest, k.drest, sum.all)
		dev.ScatterAdd(sum.d.gate, k.dgate, sum.picked)
	}
	k.in.backward(dev, compute.Matrix{}, e.dOfToken.whole, e.positions, 0)
	k.in.backward(dev, e.dstate, e.dOfModel.whole, e.state, 0)
	if k.residual {
		dev.ScatterAdd(e.dstate, dout, e.pickedModel)
	}
	dev.ScatterAdd(dtable, e.dstate, e.batch)
}
