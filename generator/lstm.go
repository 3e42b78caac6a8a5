package generator

import "rpg/generator/compute"

// lstm is one LSTM layer (Hochreiter & Schmidhuber 1997) with a state of width M:
//
//	gates = u·Winᵀ + b                columns [i: M | f: M | g: M | o: M]
//	h = LSTM(gates, W)
//	out = h                           (+ u, with a residual)
type lstm struct {
	n, l, m  int
	residual bool
	in       *linear
	w        *param

	pick   compute.Ints   // the rows that out has, nil for all
	padded compute.Matrix // [1 + n·l, M]: zeros, and h
	h      compute.Matrix
	before compute.Ints   // of each row of h, where in padded h of the token before is
	state  compute.Buffer // h and c, which sampling carries from piece to piece
	lstmGradients

	scan compute.LSTMBackward // the operation's arguments, put together once
}

// lstmGradients are of use within one layer's backward pass: layers share them.
type lstmGradients struct {
	dh, dgates, hBefore compute.Matrix
}

func newLSTM(ps *params, name string, c Config, n, l int) *lstm {
	m := c.Width
	return &lstm{n: n, l: l, m: m, residual: c.Residual,
		in: newLinear(ps, name+".in", m, 4*m, true),
		w:  ps.uniform(matrixParam, name+".recurrent.weight", fanIn(m), 4*m, m)}
}

func (k *lstm) alloc(dev compute.Device, r *recurrent, pick compute.Ints, share layer) {
	rows := k.n * k.l
	k.pick = pick
	k.padded = newMatrix(dev, 1+rows, k.m)
	k.h = k.padded.RowRange(1, 1+rows)
	k.scan.LSTM = compute.LSTM{N: k.n, L: k.l, M: k.m, W: k.w.value,
		Gates: newMatrix(dev, rows, 4*k.m), H: k.h, C: newMatrix(dev, rows, k.m)}
	if r.gradients == nil {
		k.state = dev.Alloc(2 * k.n * k.m)
		k.scan.Start, k.scan.End = k.state, k.state
		return
	}

	before := make([]int32, rows)
	for i := range before {
		if i%k.l > 0 {
			before[i] = int32(i) // row i-1 of h
		}
	}
	k.before = dev.AllocInts(rows)
	dev.UploadInts(k.before, before)
	if s, ok := share.(*lstm); ok {
		k.lstmGradients = s.lstmGradients
	} else {
		k.dgates, k.hBefore = newMatrix(r.gradients, rows, 4*k.m), newMatrix(r.gradients, rows, k.m)
	}
	if pick != nil {
		k.dh = newMatrix(r.gradients, rows, k.m)
	}
	k.scan.DGates = k.dgates
}

func (k *lstm) begin(dev compute.Device, first bool) {
	if first {
		dev.Zero(k.state)
	}
}

func (k *lstm) forward(dev compute.Device, out, u compute.Matrix) {
	k.in.forward(dev, k.scan.Gates, u)
	dev.LSTM(k.scan.LSTM)
	if k.pick != nil {
		dev.Gather(out, k.h, k.pick, 0)
	} else {
		dev.Copy(out.Data, k.h.Data)
	}
	switch {
	case !k.residual:
	case k.pick != nil:
		dev.Gather(out, u, k.pick, 1)
	default:
		dev.Add(out.Data, u.Data)
	}
}

func (k *lstm) backward(dev compute.Device, du, dout, u compute.Matrix) {
	scan := k.scan
	scan.DH = dout
	if k.pick != nil {
		dev.Zero(k.dh.Data)
		dev.ScatterAdd(k.dh, dout, k.pick)
		scan.DH = k.dh
	}
	dev.LSTMBackward(scan)
	dev.Gather(k.hBefore, k.padded, k.before, 0)
	dev.Gemm(compute.MatrixOf(k.w.grad, 4*k.m, k.m), k.dgates, k.hBefore, true, false, 1, nil)
	k.in.backward(dev, du, k.dgates, u, 0)
	if k.residual {
		dev.Add(du.Data, scan.DH.Data)
	}
}

func (k *lstm) multiplies() int { return k.in.multiplies() + 4*k.m*k.m }
