package generator

import "rpg/generator/compute"

// gated is a gated MLP on each token by itself, what is left of a Mamba-2 layer
// without the parts that mix tokens. With I = 2M:
//
//	proj = u·Win                      columns [z: I | x: I]
//	out = GatedRMSNorm(x, z)·Wout     (+ u, with a residual)
//
// It is the ablation: no token knows of another one.
type gated struct {
	rows, m, i int
	residual   bool
	in, out    *linear
	norm       *param

	pick    compute.Ints // the rows that out has, nil for all
	uPicked compute.Matrix
	proj    compute.Matrix
	z, x, g compute.Matrix
	gatedGradients
}

// gatedGradients are of use within one layer's backward pass: layers share them.
type gatedGradients struct {
	dproj, dz, dx, dg compute.Matrix
	duPicked          compute.Matrix
}

func newGated(ps *params, name string, c Config, n, l int) *gated {
	m := c.Width
	i := 2 * m
	return &gated{rows: n * l, m: m, i: i, residual: c.Residual,
		in:   newLinear(ps, name+".in_proj", m, 2*i, false),
		norm: ps.constant(vectorParam, name+".norm.weight", 1, i),
		out:  newLinear(ps, name+".out_proj", i, m, false)}
}

func (k *gated) carries() int { return 0 }

func (k *gated) alloc(dev compute.Device, r *recurrent, _ carried, pick compute.Ints, share layer) {
	k.pick = pick
	rows := k.rows
	if pick != nil {
		rows = pick.Len()
		k.uPicked = newMatrix(dev, rows, k.m)
	}
	k.proj, k.g = newMatrix(dev, rows, 2*k.i), newMatrix(dev, rows, k.i)
	k.z, k.x = k.proj.Columns(0, k.i), k.proj.Columns(k.i, 2*k.i)
	if r.gradients == nil {
		return
	}
	if s, ok := share.(*gated); ok && pick == nil {
		k.gatedGradients = s.gatedGradients
		return
	}
	k.dproj, k.dg = newMatrix(r.gradients, rows, 2*k.i), newMatrix(r.gradients, rows, k.i)
	k.dz, k.dx = k.dproj.Columns(0, k.i), k.dproj.Columns(k.i, 2*k.i)
	if pick != nil {
		k.duPicked = newMatrix(r.gradients, rows, k.m)
	}
}

func (k *gated) begin(bool) {}

func (k *gated) forward(dev compute.Device, out, u compute.Matrix) {
	if k.pick != nil {
		dev.Gather(k.uPicked, u, k.pick, 0)
		u = k.uPicked
	}
	k.in.forward(dev, k.proj, u)
	dev.GatedRMSNorm(k.g, k.x, k.z, k.norm.value, normEps)
	k.out.forward(dev, out, k.g)
	if k.residual {
		dev.Add(out.Data, u.Data)
	}
}

func (k *gated) backward(dev compute.Device, du, dout, u compute.Matrix) {
	duOut := du
	if k.pick != nil {
		duOut, u = k.duPicked, k.uPicked
	}
	k.out.backward(dev, k.dg, dout, k.g, 0)
	dev.GatedRMSNormBackward(k.dx, k.dz, k.norm.grad, k.dg, k.x, k.z, k.norm.value, normEps)
	k.in.backward(dev, duOut, k.dproj, u, 0)
	if k.residual {
		dev.Add(duOut.Data, dout.Data)
	}
	if k.pick != nil {
		dev.Zero(du.Data)
		dev.ScatterAdd(du, duOut, k.pick)
	}
}

func (k *gated) multiplies() int { return k.in.multiplies() + k.out.multiplies() }
