package generator

import "rpg/generator/compute"

// transformer is one block of a pre-norm transformer with H heads of width P,
// H·P = M; LN normalizes a row without weights of its own, which the linear layer
// behind it would take in:
//
//	q = Linear(LN(u)),  [k: M | v: M] = Linear(LN(u))
//	a = u + Linear(causal attention(q, k, v))
//	out = a + W2 SiLU(W1 LN(a))       W1 makes 2M of M
//
// The published block adds 1e-8 where it means to mask, and has no scale: its
// tokens see those behind them. Here they do not, and scores are divided by
// sqrt(P).
//
// The last layer of a training may be asked for some of the rows only: all after
// the attention is then computed for those.
type transformer struct {
	n, l, m, h  int
	q, kv, proj *linear
	w1, w2      *linear
	pick        compute.Ints // the rows that out has, nil for all
	first       int          // tokens of the sequence before this piece
	normal      compute.Matrix
	cache       compute.Matrix // keys and values of the sequence so far
	y, yRows    compute.Matrix // of the attention, and its rows that are picked
	uPicked     compute.Matrix
	a, aNormal  compute.Matrix
	wide, silu  compute.Matrix // W1 LN(a), and SiLU of it
	kvRows      compute.Matrix // the rows of cache that this piece fills
	attention   compute.AttentionBackward
	dyAll       compute.Matrix // dy, or with picked rows the gradient of all of y
	transformerGradients
}

// transformerGradients are of use within one layer's backward pass: layers share
// them. da is the gradient of a and of what is added to it.
type transformerGradients struct {
	da, dsilu, dwide, daNormal compute.Matrix
	dy, dq, dkv, dnormal       compute.Matrix
}

func newTransformer(ps *params, name string, c Config, n, l int) *transformer {
	m := c.Width
	return &transformer{n: n, l: l, m: m, h: m / c.HeadDim,
		q:    newLinear(ps, name+".q", m, m, true),
		kv:   newLinear(ps, name+".kv", m, 2*m, true),
		proj: newLinear(ps, name+".proj", m, m, true),
		w1:   newLinear(ps, name+".w1", m, 2*m, true),
		w2:   newLinear(ps, name+".w2", 2*m, m, true)}
}

// carries nothing: keys and values of the whole sequence are there.
func (k *transformer) carries() int { return 0 }

func (k *transformer) alloc(dev compute.Device, r *recurrent, _ carried, pick compute.Ints, share layer) {
	rows := k.n * k.l
	k.pick = pick
	pieces := (r.sequence + k.l - 1) / k.l
	k.cache = newMatrix(dev, pieces*rows, 2*k.m)
	k.normal, k.y = newMatrix(dev, rows, k.m), newMatrix(dev, rows, k.m)
	k.attention.Attention = compute.Attention{N: k.n, L: k.l, H: k.h, P: k.m / k.h,
		Q: newMatrix(dev, rows, k.m), Y: k.y, LSE: newMatrix(dev, rows, k.h)}
	k.begin(true)
	outs := rows
	k.yRows = k.y
	if pick != nil {
		outs = pick.Len()
		k.yRows, k.uPicked = newMatrix(dev, outs, k.m), newMatrix(dev, outs, k.m)
	}
	k.a, k.aNormal = newMatrix(dev, outs, k.m), newMatrix(dev, outs, k.m)
	k.wide, k.silu = newMatrix(dev, outs, 2*k.m), newMatrix(dev, outs, 2*k.m)
	if r.gradients != nil {
		k.allocGradients(r.gradients, outs, share)
	}
}

func (k *transformer) allocGradients(dev compute.Device, outs int, share layer) {
	rows := k.n * k.l
	g := &k.transformerGradients
	if s, ok := share.(*transformer); ok {
		*g = s.transformerGradients
	} else {
		g.dq, g.dkv, g.dnormal = newMatrix(dev, rows, k.m), newMatrix(dev, rows, 2*k.m), newMatrix(dev, rows, k.m)
	}
	if share == nil || k.pick != nil {
		g.da, g.daNormal, g.dy = newMatrix(dev, outs, k.m), newMatrix(dev, outs, k.m), newMatrix(dev, outs, k.m)
		g.dsilu, g.dwide = newMatrix(dev, outs, 2*k.m), newMatrix(dev, outs, 2*k.m)
	}
	k.dyAll = g.dy
	if k.pick != nil {
		k.dyAll = newMatrix(dev, rows, k.m)
	}
	b := &k.attention
	b.DY, b.DQ, b.DK, b.DV = k.dyAll, g.dq, g.dkv.Columns(0, k.m), g.dkv.Columns(k.m, 2*k.m)
}

// begin chooses the rows of the cache: those of this piece to be filled, and all
// up to there to be read.
func (k *transformer) begin(first bool) {
	k.first += k.l
	if first {
		k.first = 0
	}
	seen := k.cache.RowRange(0, k.n*(k.first+k.l))
	k.kvRows = k.cache.RowRange(k.n*k.first, k.n*(k.first+k.l))
	k.attention.First = k.first
	k.attention.K, k.attention.V = seen.Columns(0, k.m), seen.Columns(k.m, 2*k.m)
}

func (k *transformer) forward(dev compute.Device, out, u compute.Matrix) {
	dev.LayerNorm(k.normal, u, compute.Matrix{}, compute.Matrix{}, normEps)
	k.q.forward(dev, k.attention.Q, k.normal)
	k.kv.forward(dev, k.kvRows, k.normal)
	dev.Attention(k.attention.Attention)
	if k.pick != nil {
		dev.Gather(k.yRows, k.y, k.pick, 0)
		dev.Gather(k.uPicked, u, k.pick, 0)
		u = k.uPicked
	}
	dev.Copy(k.a.Data, u.Data)
	k.proj.forwardAdd(dev, k.a, k.yRows, 1)
	dev.LayerNorm(k.aNormal, k.a, compute.Matrix{}, compute.Matrix{}, normEps)
	k.w1.forward(dev, k.wide, k.aNormal)
	dev.SiLU(k.silu.Data, k.wide.Data)
	dev.Copy(out.Data, k.a.Data)
	k.w2.forwardAdd(dev, out, k.silu, 1)
}

func (k *transformer) backward(dev compute.Device, du, dout, u compute.Matrix) {
	k.w2.backward(dev, k.dsilu, dout, k.silu, 0)
	dev.SiLUBackward(k.dwide.Data, k.dsilu.Data, k.wide.Data)
	k.w1.backward(dev, k.daNormal, k.dwide, k.aNormal, 0)
	dev.Copy(k.da.Data, dout.Data)
	dev.LayerNormBackward(k.da, compute.Matrix{}, compute.Matrix{}, k.daNormal, k.a, compute.Matrix{}, normEps)

	k.proj.backward(dev, k.dy, k.da, k.yRows, 0)
	if k.pick != nil {
		dev.Zero(k.dyAll.Data)
		dev.ScatterAdd(k.dyAll, k.dy, k.pick)
		dev.Zero(du.Data)
		dev.ScatterAdd(du, k.da, k.pick)
	} else {
		dev.Copy(du.Data, k.da.Data)
	}
	dev.AttentionBackward(k.attention)
	k.q.backward(dev, k.dnormal, k.dq, k.normal, 0)
	k.kv.backward(dev, k.dnormal, k.dkv, k.normal, 1)
	dev.LayerNormBackward(du, compute.Matrix{}, compute.Matrix{}, k.dnormal, u, compute.Matrix{}, normEps)
}

// multiplies takes the mean number of tokens that one sees, (l+1)/2, twice: for
// its scores and for what they weigh.
func (k *transformer) multiplies() int {
	linear := k.q.multiplies() + k.kv.multiplies() + k.proj.multiplies() + k.w1.multiplies() + k.w2.multiplies()
	return linear + k.m*(k.l+1)
}
