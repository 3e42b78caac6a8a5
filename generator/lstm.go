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
	padded compute.Matrix // [n + n·l, M]: h before each sequence, and h
	h      compute.Matrix
	before compute.Ints // of each row of h, where in padded h of the token before is
	// Of a piece of a sequence: h before it, its place in padded, and the numbers of
	// the sequences.
	start, first compute.Matrix
	sequences    compute.Ints
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

// carries is h and c.
func (k *lstm) carries() int { return 2 * k.n * k.m }

func (k *lstm) alloc(dev compute.Device, r *recurrent, c carried, pick compute.Ints, share layer) {
	rows := k.n * k.l
	k.pick = pick
	k.padded = newMatrix(dev, k.n+rows, k.m)
	k.h = k.padded.RowRange(k.n, k.n+rows)
	k.scan.LSTM = compute.LSTM{N: k.n, L: k.l, M: k.m, W: k.w.value,
		Gates: newMatrix(dev, rows, 4*k.m), H: k.h, C: newMatrix(dev, rows, k.m)}
	k.scan.Start, k.scan.End, k.scan.DStart, k.scan.DEnd = c.start, c.end, c.grad, c.grad
	if r.gradients == nil {
		return
	}

	before := make([]int32, rows)
	for i := range before {
		before[i] = int32(k.n + i - 1)
		if i%k.l == 0 {
			before[i] = int32(i / k.l)
		}
	}
	k.before = dev.AllocInts(rows)
	dev.UploadInts(k.before, before)
	if c.start != nil {
		sequences := make([]int32, k.n)
		for i := range sequences {
			sequences[i] = int32(i)
		}
		k.sequences = dev.AllocInts(k.n)
		dev.UploadInts(k.sequences, sequences)
		k.first = k.padded.RowRange(0, k.n)
		k.start = compute.MatrixOf(c.start, k.n, 2*k.m).Columns(0, k.m)
	}
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

func (k *lstm) begin(bool) {}

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
	if k.sequences != nil {
		dev.Gather(k.first, k.start, k.sequences, 0)
	}
	dev.Gather(k.hBefore, k.padded, k.before, 0)
	dev.Gemm(compute.MatrixOf(k.w.grad, 4*k.m, k.m), k.dgates, k.hBefore, true, false, 1, nil)
	k.in.backward(dev, du, k.dgates, u, 0)
	if k.residual {
		dev.Add(du.Data, scan.DH.Data)
	}
}

func (k *lstm) multiplies() int { return k.in.multiplies() + 4*k.m*k.m }
