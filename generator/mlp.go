package generator

import "rpg/generator/compute"

// mlp is the denoiser of preset fast: a residual MLP on the token, W wide,
// whose every layer is modulated by time and prototype (AdaLN):
//
//	y = SiLU(time(t) + Linear(z)),  h = Linear(x_t)
//	B times: h += r·(W2 SiLU(W1 (LN(h)(1+g) + s))),  (s, g, r) = Linear(y)
//	prediction = Linear(LN(h)(1+g) + s) + Linear(z), (s, g)    = Linear(y)
//
// The modulations and the last layer start at 0. The path from z straight to
// the prediction carries what all models of a zoo share; without it, learning
// that takes several times as many steps (docs/presets.md).
type mlp struct {
	rows, d, m, w int
	*timeMLP
	cond, in    *linear
	blocks      []*mlpBlock
	last        *adaNorm
	out, direct *linear

	x, z         compute.Matrix // inputs of the last forward pass
	cz, sum, y   compute.Matrix // Linear(z), its sum with time, SiLU of it
	shared       compute.Matrix // the direct path's part of the prediction
	h            compute.Matrix
	pred         compute.Matrix
	zeros        compute.Ints
	dsum, dy, dh compute.Matrix
}

func newMLP(ps *params, c Config, rows int) *mlp {
	k := &mlp{rows: rows, d: c.TokenDim, m: c.outWidth(), w: c.DenoiserWidth}
	k.timeMLP = newTimeMLP(ps, k.w)
	k.cond = newLinear(ps, "denoiser.condition", k.m, k.w, true)
	k.in = newLinear(ps, "denoiser.in", k.d, k.w, true)
	for i := range c.Blocks {
		k.blocks = append(k.blocks, newMLPBlock(ps, "denoiser.blocks."+itoa(i), k.w))
	}
	k.last = newAdaNorm(ps, "denoiser.out", k.w, 2)
	k.out = newZeroLinear(ps, "denoiser.out.linear", k.w, k.d)
	k.direct = newLinear(ps, "denoiser.direct", k.m, k.d, false)
	return k
}

func (k *mlp) alloc(dev compute.Device, times int, train bool) {
	matrix := func(cols int) compute.Matrix { return newMatrix(dev, k.rows, cols) }
	k.timeMLP.alloc(dev, times, train)
	if train {
		k.timeMLP.da, k.timeMLP.db = newMatrix(dev, times, k.w), newMatrix(dev, times, k.w)
	}
	k.cz, k.sum, k.y, k.h, k.pred = matrix(k.w), matrix(k.w), matrix(k.w), matrix(k.w), matrix(k.d)
	k.shared = matrix(k.d)
	k.zeros = dev.AllocInts(k.rows)
	if train {
		k.dsum, k.dy, k.dh = matrix(k.w), matrix(k.w), matrix(k.w)
	}
	var scratch *mlpBlock
	for _, b := range k.blocks {
		b.alloc(dev, k.rows, train, scratch)
		scratch = b
	}
	k.last.alloc(dev, k.rows, train, nil)
}

func (k *mlp) freeze(compute.Device) error { return nil }

func (k *mlp) spare() []compute.Buffer {
	return []compute.Buffer{k.dsum.Data, k.dy.Data, k.dh.Data}
}

func (k *mlp) condition(dev compute.Device, z compute.Matrix) {
	k.z = z
	k.cond.forward(dev, k.cz, z)
	k.direct.forward(dev, k.shared, z)
}

func (k *mlp) time(dev compute.Device, e compute.Matrix) {
	if e.Rows != k.rows {
		dev.Gather(k.sum, e, k.zeros, 0)
	} else {
		dev.Copy(k.sum.Data, e.Data)
	}
	dev.Add(k.sum.Data, k.cz.Data)
	dev.SiLU(k.y.Data, k.sum.Data)
}

func (k *mlp) predict(dev compute.Device, x compute.Matrix) compute.Matrix {
	k.x = x
	h := k.h
	k.in.forward(dev, h, x)
	for _, b := range k.blocks {
		h = b.forward(dev, h, k.y)
	}
	dev.Copy(k.pred.Data, k.shared.Data)
	k.out.forwardAdd(dev, k.pred, k.last.forward(dev, h, k.y), 1)
	return k.pred
}

func (k *mlp) backward(dev compute.Device, dpred, dz compute.Matrix) {
	dev.Zero(k.dy.Data)
	dev.Zero(k.dh.Data)
	k.out.backward(dev, k.last.dv, dpred, k.last.v, 0)
	k.last.backward(dev, k.dh, k.dy, k.y)
	for i := len(k.blocks) - 1; i >= 0; i-- {
		k.blocks[i].backward(dev, k.dh, k.dy, k.y)
	}
	k.in.backward(dev, compute.Matrix{}, k.dh, k.x, 0)
	dev.SiLUBackward(k.dsum.Data, k.dy.Data, k.sum.Data)
	dev.Copy(k.timeMLP.de.Data, k.dsum.Data)
	k.timeMLP.backward(dev)
	k.cond.backward(dev, dz, k.dsum, k.z, 0)
	k.direct.backward(dev, dz, dpred, k.z, 1)
}

func (k *mlp) multiplies() int {
	return k.timeMLP.multiplies() + k.cond.multiplies() + k.direct.multiplies() + k.stepMultiplies()
}

func (k *mlp) stepMultiplies() int {
	n := k.in.multiplies() + k.out.multiplies() + k.last.mod.multiplies()
	for _, b := range k.blocks {
		n += b.norm.mod.multiplies() + b.w1.multiplies() + b.w2.multiplies()
	}
	return n
}

// adaNorm is v = LN(h)(1+g) + s with (s, g, …) = Linear(y), parts chunks of W.
type adaNorm struct {
	w, parts int
	mod      *linear
	h        compute.Matrix // input of the last forward pass
	m, dm    modulation
	v, dv    compute.Matrix
}

// modulation is (s, g, r), side by side; r only with three parts.
type modulation struct{ whole, s, g, r compute.Matrix }

func newModulation(dev compute.Device, rows, w, parts int) modulation {
	m := modulation{whole: newMatrix(dev, rows, parts*w)}
	m.s, m.g = m.whole.Columns(0, w), m.whole.Columns(w, 2*w)
	if parts == 3 {
		m.r = m.whole.Columns(2*w, 3*w)
	}
	return m
}

func newAdaNorm(ps *params, name string, w, parts int) *adaNorm {
	return &adaNorm{w: w, parts: parts, mod: newZeroLinear(ps, name+".modulation", w, parts*w)}
}

// alloc shares the gradient buffers of another adaNorm of equal shape.
func (k *adaNorm) alloc(dev compute.Device, rows int, train bool, share *adaNorm) {
	k.m, k.v = newModulation(dev, rows, k.w, k.parts), newMatrix(dev, rows, k.w)
	if train && share != nil {
		k.dm, k.dv = share.dm, share.dv
	} else if train {
		k.dm, k.dv = newModulation(dev, rows, k.w, k.parts), newMatrix(dev, rows, k.w)
	}
}

func (k *adaNorm) forward(dev compute.Device, h, y compute.Matrix) compute.Matrix {
	k.h = h
	k.mod.forward(dev, k.m.whole, y)
	dev.LayerNorm(k.v, h, k.m.s, k.m.g, normEps)
	return k.v
}

// backward takes the gradient of v from dv, adds to dh and to dy.
func (k *adaNorm) backward(dev compute.Device, dh, dy, y compute.Matrix) {
	dev.LayerNormBackward(dh, k.dm.s, k.dm.g, k.dv, k.h, k.m.g, normEps)
	k.mod.backward(dev, dy, k.dm.whole, y, 1)
}

// mlpBlock is h + r·(W2 SiLU(W1 v)), v from an adaNorm that also gives r.
type mlpBlock struct {
	norm    *adaNorm
	w1, w2  *linear
	a, b, u compute.Matrix // W1 v, SiLU, W2 of it
	out     compute.Matrix
	da, db  compute.Matrix
	du      compute.Matrix
}

func newMLPBlock(ps *params, name string, w int) *mlpBlock {
	return &mlpBlock{norm: newAdaNorm(ps, name, w, 3),
		w1: newLinear(ps, name+".w1", w, w, true), w2: newLinear(ps, name+".w2", w, w, true)}
}

// alloc shares the gradient buffers of the previous block.
func (k *mlpBlock) alloc(dev compute.Device, rows int, train bool, share *mlpBlock) {
	w := k.w1.in
	matrix := func() compute.Matrix { return newMatrix(dev, rows, w) }
	k.a, k.b, k.u, k.out = matrix(), matrix(), matrix(), matrix()
	if share != nil {
		k.norm.alloc(dev, rows, train, share.norm)
		k.da, k.db, k.du = share.da, share.db, share.du
		return
	}
	k.norm.alloc(dev, rows, train, nil)
	if train {
		k.da, k.db, k.du = matrix(), matrix(), matrix()
	}
}

func (k *mlpBlock) forward(dev compute.Device, h, y compute.Matrix) compute.Matrix {
	v := k.norm.forward(dev, h, y)
	k.w1.forward(dev, k.a, v)
	dev.SiLU(k.b.Data, k.a.Data)
	k.w2.forward(dev, k.u, k.b)
	dev.GateAdd(k.out, h, k.u, k.norm.m.r)
	return k.out
}

// backward turns dh, the gradient of the output, into that of the input.
func (k *mlpBlock) backward(dev compute.Device, dh, dy, y compute.Matrix) {
	dev.GateAddBackward(k.du, k.norm.dm.r, dh, k.u, k.norm.m.r)
	k.w2.backward(dev, k.db, k.du, k.b, 0)
	dev.SiLUBackward(k.da.Data, k.db.Data, k.a.Data)
	k.w1.backward(dev, k.norm.dv, k.da, k.norm.v, 0)
	k.norm.backward(dev, dh, dy, y)
}
