package cuda

import "rpg/generator/compute"

// Mirrors of the structs in rpg.h, whose comments say what the operations do.
type (
	lstmArgs struct {
		n, l, m       int64
		gates, h, c   matrix
		w, start, end uint64
	}
	lstmBackwardArgs struct {
		forward      lstmArgs
		dh, dgates   matrix
		dstart, dend uint64
	}
	attentionArgs struct {
		n, l, h, p, first int64
		q, k, v, y, lse   matrix
	}
	attentionBackwardArgs struct {
		forward        attentionArgs
		dy, dq, dk, dv matrix
	}
)

func (d *device) LSTM(a compute.LSTM) {
	x := d.lstm(a)
	x.gates, x.h, x.c = d.output(a.Gates, a.N*a.L, 4*a.M), d.output(a.H, a.N*a.L, a.M), d.output(a.C, a.N*a.L, a.M)
	x.end = d.optional(a.End, 2*a.N*a.M)
	launch(d, "rpg_lstm", x)
}

func (d *device) LSTMBackward(a compute.LSTMBackward) {
	x := lstmBackwardArgs{d.lstm(a.LSTM), d.input(a.DH, a.N*a.L, a.M), d.output(a.DGates, a.N*a.L, 4*a.M),
		d.optional(a.DStart, 2*a.N*a.M), d.optional(a.DEnd, 2*a.N*a.M)}
	x.forward.gates, x.forward.c = d.input(a.Gates, a.N*a.L, 4*a.M), d.input(a.C, a.N*a.L, a.M)
	launch(d, "rpg_lstm_backward", x)
}

// lstm is what both directions have: the sizes, W and Start.
func (d *device) lstm(a compute.LSTM) lstmArgs {
	if a.N < 1 || a.L < 1 || a.M < 1 {
		panic(errShape)
	}
	return lstmArgs{n: int64(a.N), l: int64(a.L), m: int64(a.M), w: d.vals(a.W, 4*a.M*a.M),
		start: d.optional(a.Start, 2*a.N*a.M)}
}

func (d *device) Attention(a compute.Attention) {
	x := d.attention(a)
	x.y, x.lse = d.output(a.Y, a.N*a.L, a.H*a.P), d.output(a.LSE, a.N*a.L, a.H)
	launch(d, "rpg_attention", x)
}

func (d *device) AttentionBackward(a compute.AttentionBackward) {
	if a.First != 0 {
		panic(errShape)
	}
	rows, width := a.N*a.L, a.H*a.P
	x := attentionBackwardArgs{d.attention(a.Attention), d.input(a.DY, rows, width),
		d.output(a.DQ, rows, width), d.output(a.DK, rows, width), d.output(a.DV, rows, width)}
	x.forward.y, x.forward.lse = d.input(a.Y, rows, width), d.input(a.LSE, rows, a.H)
	launch(d, "rpg_attention_backward", x)
}

// attention is all but Y and LSE.
func (d *device) attention(a compute.Attention) attentionArgs {
	if a.N < 1 || a.L < 1 || a.H < 1 || a.P < 1 || a.First < 0 {
		panic(errShape)
	}
	keys, width := a.N*(a.First+a.L), a.H*a.P
	return attentionArgs{n: int64(a.N), l: int64(a.L), h: int64(a.H), p: int64(a.P), first: int64(a.First),
		q: d.input(a.Q, a.N*a.L, width), k: d.input(a.K, keys, width), v: d.input(a.V, keys, width)}
}
