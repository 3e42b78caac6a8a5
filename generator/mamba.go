package generator

import (
	"math"

	"rpg/generator/compute"
)

// mamba is one Mamba-2 layer (Dao & Gu, arXiv 2405.21060) with one group, for
// up to n sequences of L tokens of width M, which gives tokens of width O. All
// layers have O = M, but for the last one with out-width. With I = 2·O:
//
//	proj = u·Win                      columns [z: I | x: I | B: S | C: S | dt: H]
//	[x|B|C] = SiLU(causal conv)
//	y = SSD(x, B, C, dt)
//	out = GatedRMSNorm(y, z)·Wout     (+ u, with a residual)
//
// The last layer of a training may be asked for some of the rows only: what
// acts on each token by itself, the gate z and all after the SSD, is then
// computed for those. In windows of tokens that is done once, after all of them.
type mamba struct {
	n, l, m      int
	i, h, s      int
	chunk        int
	residual     bool
	in, out      *linear
	convW, convB *param
	dtBias       *param
	aLog, d      *param
	norm         *param

	gateIn, restIn *linear        // z and the other columns of in
	pick           compute.Ints   // the rows that out has, nil for all
	late           bool           // forward and backward are those up to y: see outputs
	gate, rest     compute.Matrix // proj: z for the rows of out, [x|B|C|dt]
	y, g           compute.Matrix
	uPicked        compute.Matrix // rows of u and y, when some are picked
	yPicked        compute.Matrix
	mambaGradients
	yRows, dyRows compute.Matrix // y and dy, or what is picked of them

	// Of a piece of a sequence: its last rows of [x|B|C] before the convolution, which
	// the next piece still reads, where they are in rest, and their gradients.
	last           compute.Matrix
	lastRows       compute.Ints
	dlast, dbefore compute.Matrix

	// The operations' arguments, put together once.
	conv compute.CausalConvBackward
	ssd  compute.SSDBackward
}

// mambaGradients are of use within one layer's backward pass: layers share
// them.
type mambaGradients struct {
	drest, dconv, dy compute.Matrix
	dgate, dg        compute.Matrix
	duPicked         compute.Matrix
	dyPicked         compute.Matrix
}

const (
	convWidth  = 4
	normEps    = 1e-5
	mambaChunk = 64
)

func newMamba(ps *params, name string, c Config, o, n, l int) *mamba {
	m, i := c.Width, 2*o
	k := &mamba{n: n, l: l, m: m, i: i, h: i / c.HeadDim, s: c.State, chunk: min(mambaChunk, l), residual: c.Residual}
	k.in = newLinear(ps, name+".in_proj", m, 2*i+2*k.s+k.h, false)
	k.convW = ps.uniform(vectorParam, name+".conv1d.weight", fanIn(convWidth), i+2*k.s, convWidth)
	k.convB = ps.uniform(vectorParam, name+".conv1d.bias", fanIn(convWidth), i+2*k.s)
	// dt is log-uniform in [0.001, 0.1]; dt_bias is its inverse softplus.
	k.dtBias = ps.declare(vectorParam, name+".dt_bias", func(u float64) float64 {
		dt := math.Exp(math.Log(0.001) + u*(math.Log(0.1)-math.Log(0.001)))
		return dt + math.Log(-math.Expm1(-dt))
	}, k.h)
	k.aLog = ps.declare(vectorParam, name+".A_log", func(u float64) float64 { return math.Log(1 + 15*u) }, k.h)
	k.d = ps.constant(vectorParam, name+".D", 1, k.h)
	k.norm = ps.constant(vectorParam, name+".norm.weight", 1, i)
	k.out = newLinear(ps, name+".out_proj", i, o, false)
	return k
}

// carries is the state of the SSD and the rows that the convolution still reads.
func (k *mamba) carries() int { return k.n * (k.i*k.s + (convWidth-1)*(k.i+2*k.s)) }

func (k *mamba) alloc(dev compute.Device, r *recurrent, c carried, pick compute.Ints, share layer) {
	gradients, projections, activations := r.gradients, dev, dev
	if r.repeats {
		activations = gradients
		if share == nil || r.picked == 0 {
			projections = gradients
		}
	}
	rows, conv, all := k.n*k.l, k.i+2*k.s, 2*k.i+2*k.s+k.h
	k.pick = pick
	k.gateIn, k.restIn = k.in.part(0, k.i), k.in.part(k.i, all)
	k.late = pick != nil && r.windows != nil
	lasting := func(d compute.Device) compute.Device { // for picked rows, which outlast a window
		if k.late {
			return r.windows.dev
		}
		return d
	}
	k.rest = newMatrix(projections, rows, k.restIn.out)
	if k.late {
		k.y = r.windows.y.RowRange(1, 1+rows)
	} else {
		k.y = newMatrix(activations, rows, k.i)
	}
	k.yRows = k.y
	if pick != nil {
		k.uPicked, k.yPicked = newMatrix(lasting(dev), pick.Len(), k.m), newMatrix(lasting(activations), pick.Len(), k.i)
		k.yRows = k.yPicked
	}
	k.gate, k.g = newMatrix(lasting(projections), k.yRows.Rows, k.i), newMatrix(lasting(activations), k.yRows.Rows, k.i)
	k.conv.CausalConv = compute.CausalConv{N: k.n, L: k.l, K: convWidth,
		X: k.rest.Columns(0, conv), Y: newMatrix(activations, rows, conv), W: k.convW.value, Bias: k.convB.value}
	a := &k.ssd.SSD
	*a = compute.SSD{N: k.n, L: k.l, H: k.h, P: k.i / k.h, S: k.s, Chunk: k.chunk,
		DTBias: k.dtBias.value, ALog: k.aLog.value, D: k.d.value, Y: k.y, DT: k.rest.Columns(conv, k.restIn.out)}
	a.X, a.B, a.C = k.conv.Y.Columns(0, k.i), k.conv.Y.Columns(k.i, k.i+k.s), k.conv.Y.Columns(k.i+k.s, conv)
	a.States = activations.Alloc(k.n * a.Chunks() * k.i * k.s)
	if c.start != nil {
		k.allocCarried(dev, c)
	}
	if gradients == nil {
		return
	}

	if s, ok := share.(*mamba); ok && s.i == k.i {
		k.mambaGradients = s.mambaGradients
	} else {
		k.drest, k.dconv = newMatrix(gradients, rows, k.restIn.out), newMatrix(gradients, rows, conv)
		if pick == nil {
			k.dgate, k.dg = newMatrix(gradients, rows, k.i), newMatrix(gradients, rows, k.i)
		}
		if !k.late {
			k.dy = newMatrix(gradients, rows, k.i)
		}
	}
	if k.late {
		k.dy = r.windows.dy.RowRange(1, 1+rows)
	}
	k.dyRows = k.dy
	if pick != nil {
		k.duPicked, k.dyPicked = newMatrix(gradients, pick.Len(), k.m), newMatrix(gradients, pick.Len(), k.i)
		k.dyRows = k.dyPicked
		k.dgate, k.dg = newMatrix(gradients, pick.Len(), k.i), newMatrix(gradients, pick.Len(), k.i)
	}
	k.conv.DY, k.conv.DX, k.conv.DW, k.conv.DBias = k.dconv, k.drest.Columns(0, conv), k.convW.grad, k.convB.grad
	b := &k.ssd
	b.DX, b.DB, b.DC = k.dconv.Columns(0, k.i), k.dconv.Columns(k.i, k.i+k.s), k.dconv.Columns(k.i+k.s, conv)
	b.DY, b.DDT = k.dy, k.drest.Columns(conv, k.restIn.out)
	b.DDTBias, b.DALog, b.DD = k.dtBias.grad, k.aLog.grad, k.d.grad
}

// allocCarried prepares for pieces of sequences.
func (k *mamba) allocCarried(dev compute.Device, c carried) {
	const before = convWidth - 1
	state, conv := k.n*k.i*k.s, k.i+2*k.s
	rows := func(b compute.Buffer) compute.Matrix {
		return compute.MatrixOf(b.Slice(state, k.carries()), k.n*before, conv)
	}
	k.ssd.Start, k.ssd.End = c.start.Slice(0, state), c.end.Slice(0, state)
	k.conv.Before, k.last = rows(c.start), rows(c.end)
	last := make([]int32, k.n*before)
	for i := range last { // a shorter piece is a whole sequence, and carries nothing on
		last[i] = int32(i/before*k.l + max(0, k.l-before+i%before))
	}
	k.lastRows = dev.AllocInts(len(last))
	dev.UploadInts(k.lastRows, last)
	if c.grad != nil {
		k.ssd.DStart, k.ssd.DEnd = c.grad.Slice(0, state), c.grad.Slice(0, state)
		k.dlast, k.dbefore = rows(c.grad), newMatrix(dev, k.n*before, conv)
		k.conv.DBefore = k.dbefore
	}
}

func (k *mamba) begin(bool) {}

func (k *mamba) forward(dev compute.Device, out, u compute.Matrix) {
	if k.late {
		k.restIn.forward(dev, k.rest, u)
		k.scan(dev)
		return
	}
	k.mix(dev, out, k.project(dev, u))
}

// project computes the projections, and returns the rows of u that the output has.
func (k *mamba) project(dev compute.Device, u compute.Matrix) compute.Matrix {
	k.restIn.forward(dev, k.rest, u)
	if k.pick != nil {
		dev.Gather(k.uPicked, u, k.pick, 0)
		u = k.uPicked
	}
	k.gateIn.forward(dev, k.gate, u)
	return u
}

// mix is forward from the projections on; u are the rows that out has.
func (k *mamba) mix(dev compute.Device, out, u compute.Matrix) {
	k.activate(dev)
	k.finish(dev, out, u)
}

// activate computes what lies between the projections and the last product.
func (k *mamba) activate(dev compute.Device) {
	k.scan(dev)
	if k.pick != nil {
		dev.Gather(k.yPicked, k.y, k.pick, 0)
	}
	dev.GatedRMSNorm(k.g, k.yRows, k.gate, k.norm.value, normEps)
}

// scan computes y.
func (k *mamba) scan(dev compute.Device) {
	dev.CausalConv(k.conv.CausalConv)
	if k.lastRows != nil {
		dev.Gather(k.last, k.conv.X, k.lastRows, 0)
	}
	dev.SSD(k.ssd.SSD)
}

// finish computes out from g.
func (k *mamba) finish(dev compute.Device, out, u compute.Matrix) {
	k.out.forward(dev, out, k.g)
	if k.residual {
		dev.Add(out.Data, u.Data)
	}
}

func (k *mamba) backward(dev compute.Device, du, dout, u compute.Matrix) {
	if k.late { // dy is there, and in du what outputsBackward has left
		k.scanBackward(dev)
		k.restIn.backward(dev, du, k.drest, u, 1)
		return
	}
	k.mixBackward(dev, dout)
	k.restIn.backward(dev, du, k.drest, u, 0)
	duOut, uOut, beta := du, u, float32(1)
	if k.pick != nil {
		duOut, uOut, beta = k.duPicked, k.uPicked, 0
	}
	k.gateBackward(dev, duOut, dout, uOut, beta)
	if k.pick != nil {
		dev.ScatterAdd(du, duOut, k.pick)
	}
}

// outputs computes out [picked, O] of a late layer from the rows of u and y.
func (k *mamba) outputs(dev compute.Device, out compute.Matrix) {
	k.gateIn.forward(dev, k.gate, k.uPicked)
	dev.GatedRMSNorm(k.g, k.yRows, k.gate, k.norm.value, normEps)
	k.finish(dev, out, k.uPicked)
}

// outputsBackward computes the gradients of the rows of y and, but for what comes
// through y, of u.
func (k *mamba) outputsBackward(dev compute.Device, dout compute.Matrix) {
	k.finishBackward(dev, dout)
	k.gateBackward(dev, k.duPicked, dout, k.uPicked, 0)
}

// gateBackward adds to du, or with beta 0 computes, what comes through z and the residual.
func (k *mamba) gateBackward(dev compute.Device, du, dout, u compute.Matrix, beta float32) {
	k.gateIn.backward(dev, du, k.dgate, u, beta)
	if k.residual {
		dev.Add(du.Data, dout.Data)
	}
}

// mixBackward computes the gradients of the projections, dgate and drest.
func (k *mamba) mixBackward(dev compute.Device, dout compute.Matrix) {
	k.finishBackward(dev, dout)
	if k.pick != nil {
		dev.Zero(k.dy.Data)
		dev.ScatterAdd(k.dy, k.dyPicked, k.pick)
	}
	k.scanBackward(dev)
}

// finishBackward computes dgate and the rows of dy that the output has.
func (k *mamba) finishBackward(dev compute.Device, dout compute.Matrix) {
	k.out.backward(dev, k.dg, dout, k.g, 0)
	dev.GatedRMSNormBackward(k.dyRows, k.dgate, k.norm.grad, k.dg, k.yRows, k.gate, k.norm.value, normEps)
}

// scanBackward computes drest from dy.
func (k *mamba) scanBackward(dev compute.Device) {
	dev.SSDBackward(k.ssd)
	dev.CausalConvBackward(k.conv)
	if k.lastRows != nil {
		dev.ScatterAdd(k.conv.DX, k.dlast, k.lastRows)
		dev.Copy(k.dlast.Data, k.dbefore.Data)
	}
}

func (k *mamba) multiplies() int {
	return k.in.multiplies() + k.out.multiplies() + k.scanMultiplies()
}

// scanMultiplies is that of the convolution and the SSD.
func (k *mamba) scanMultiplies() int {
	return convWidth*(k.i+2*k.s) + k.chunk*k.s + k.chunk*k.i + 2*k.i*k.s
}
