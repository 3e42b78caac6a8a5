package generator

import "rpg/generator/compute"

// embedding is the input of a mamba that comes first: instead of u it computes
// what the layer's projection makes of it, that of the positions, the same for all
// models, plus that of the states, the same for all tokens. Products with L + N
// rows stand for one with N·L.
type embedding struct {
	*vectors
	k           *mamba
	pickedToken compute.Ints // of each row that the layer gives
	pickedModel compute.Ints
	u           compute.Matrix // those rows of u, for a residual

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

// newEmbedding prepares the input of layer k, which gives outs rows.
func newEmbedding(dev compute.Device, v *vectors, k *mamba, train bool, outs int) *embedding {
	e := &embedding{vectors: v, k: k, pickedToken: v.token, pickedModel: v.model}
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
	return e
}

func (e *embedding) choose(dev compute.Device, rows, host []int32) {
	l := int32(e.k.l)
	for i, row := range rows {
		host[i] = row % l
	}
	dev.UploadInts(e.pickedToken, host)
	for i, row := range rows {
		host[i] = row / l
	}
	dev.UploadInts(e.pickedModel, host)
}

func (e *embedding) forward(dev compute.Device, out compute.Matrix) {
	k := e.k
	k.in.forward(dev, e.ofToken.whole, e.positions)
	k.in.forward(dev, e.ofModel.whole, e.state)
	e.spread(dev)
	if k.residual {
		dev.Gather(e.u, e.positions, e.pickedToken, 0)
		dev.Gather(e.u, e.state, e.pickedModel, 1)
	}
	k.mix(dev, out, e.u)
}

// spread fills the projections of the layer from those of the positions and states.
func (e *embedding) spread(dev compute.Device) {
	k := e.k
	dev.Gather(k.rest, e.ofToken.rest, e.token, 0)
	dev.Gather(k.rest, e.ofModel.rest, e.model, 1)
	dev.Gather(k.gate, e.ofToken.gate, e.pickedToken, 0)
	dev.Gather(k.gate, e.ofModel.gate, e.pickedModel, 1)
}

func (e *embedding) backward(dev compute.Device, dout compute.Matrix) compute.Matrix {
	k := e.k
	k.mixBackward(dev, dout)
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
	return e.dstate
}
