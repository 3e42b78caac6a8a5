package cuda

import (
	"fmt"

	"rpg/generator/compute"
)

// Mirrors of the structs in rpg.h, whose comments say what the operations do.
type (
	causalConvArgs struct {
		n, l, k int64
		x, y    matrix
		w, bias uint64
		before  matrix
	}
	causalConvBackwardArgs struct {
		forward   causalConvArgs
		dy, dx    matrix
		dw, dbias uint64
		dbefore   matrix
	}
	ssdArgs struct {
		n, l, h, p, s      int64
		chunk              int64
		x, b, c, dt, y     matrix
		dtBias, aLog, d    uint64
		states, start, end uint64
	}
	ssdBackwardArgs struct {
		forward             ssdArgs
		dy, dx, db, dc, ddt matrix
		ddtBias, daLog, dd  uint64
		dstart, dend        uint64
	}
	gatedRMSNormArgs struct {
		y, x, z matrix
		w       uint64
		eps     float32
	}
	gatedRMSNormBackwardArgs struct {
		dx, dz, dy, x, z matrix
		dw, w            uint64
		eps              float32
	}
)

// mostTaps is the longest causal convolution that the kernels are made for.
const mostTaps = 32

func (d *device) CausalConv(a compute.CausalConv) {
	x := d.causalConv(a)
	x.y = d.output(a.Y, a.N*a.L, a.X.Cols)
	launch(d, "rpg_causal_conv", x)
}

func (d *device) CausalConvBackward(a compute.CausalConvBackward) {
	rows, channels := a.N*a.L, a.X.Cols
	x := causalConvBackwardArgs{forward: d.causalConv(a.CausalConv),
		dy: d.input(a.DY, rows, channels), dx: d.output(a.DX, rows, channels),
		dw: d.vals(a.DW, channels*a.K), dbias: d.vals(a.DBias, channels)}
	if a.DBefore.Data != nil {
		x.dbefore = d.output(a.DBefore, a.N*(a.K-1), channels)
	}
	launch(d, "rpg_causal_conv_backward", x)
}

// causalConv is all but Y.
func (d *device) causalConv(a compute.CausalConv) causalConvArgs {
	if a.N < 0 || a.L < 0 || a.K < 1 {
		panic(errShape)
	}
	if a.K > mostTaps {
		d.keep(fmt.Errorf("cuda: expected a causal convolution of at most %d taps, found %d; use --device cpu", mostTaps, a.K))
	}
	x := causalConvArgs{n: int64(a.N), l: int64(a.L), k: int64(a.K), x: d.input(a.X, a.N*a.L, a.X.Cols),
		w: d.vals(a.W, a.K*a.X.Cols), bias: d.vals(a.Bias, a.X.Cols)}
	if a.Before.Data != nil {
		x.before = d.input(a.Before, a.N*(a.K-1), a.X.Cols)
	}
	return x
}

func (d *device) SSD(a compute.SSD) {
	x := d.ssd(a)
	x.y = d.output(a.Y, a.N*a.L, a.H*a.P)
	launch(d, "rpg_ssd", x)
}

func (d *device) SSDBackward(a compute.SSDBackward) {
	rows, inner, state := a.N*a.L, a.H*a.P, a.N*a.H*a.P*a.S
	if a.DEnd != nil && a.End == nil {
		panic(errShape)
	}
	launch(d, "rpg_ssd_backward", ssdBackwardArgs{d.ssd(a.SSD),
		d.input(a.DY, rows, inner), d.output(a.DX, rows, inner), d.output(a.DB, rows, a.S), d.output(a.DC, rows, a.S),
		d.output(a.DDT, rows, a.H), d.vals(a.DDTBias, a.H), d.vals(a.DALog, a.H), d.vals(a.DD, a.H),
		d.optional(a.DStart, state), d.optional(a.DEnd, state)})
}

// ssd is all but Y.
func (d *device) ssd(a compute.SSD) ssdArgs {
	if a.N < 0 || a.L < 0 || a.H < 1 || a.P < 1 || a.S < 1 || a.Chunk < 1 {
		panic(errShape)
	}
	rows := a.N * a.L
	return ssdArgs{n: int64(a.N), l: int64(a.L), h: int64(a.H), p: int64(a.P), s: int64(a.S),
		chunk: int64(min(a.Chunk, max(1, a.L))),
		x:     d.input(a.X, rows, a.H*a.P), b: d.input(a.B, rows, a.S), c: d.input(a.C, rows, a.S), dt: d.input(a.DT, rows, a.H),
		dtBias: d.vals(a.DTBias, a.H), aLog: d.vals(a.ALog, a.H), d: d.vals(a.D, a.H),
		states: d.vals(a.States, a.N*a.Chunks()*a.H*a.P*a.S),
		start:  d.optional(a.Start, a.N*a.H*a.P*a.S), end: d.optional(a.End, a.N*a.H*a.P*a.S)}
}

func (d *device) GatedRMSNorm(y, x, z compute.Matrix, w compute.Buffer, eps float32) {
	n, cols := x.Rows, x.Cols
	launch(d, "rpg_gated_rms_norm", gatedRMSNormArgs{d.output(y, n, cols), d.input(x, n, cols), d.input(z, n, cols),
		d.vals(w, cols), eps})
}

func (d *device) GatedRMSNormBackward(dx, dz compute.Matrix, dw compute.Buffer, dy, x, z compute.Matrix, w compute.Buffer, eps float32) {
	n, cols := x.Rows, x.Cols
	launch(d, "rpg_gated_rms_norm_backward", gatedRMSNormBackwardArgs{d.output(dx, n, cols), d.output(dz, n, cols),
		d.input(dy, n, cols), d.input(x, n, cols), d.input(z, n, cols), d.vals(dw, cols), d.vals(w, cols), eps})
}
