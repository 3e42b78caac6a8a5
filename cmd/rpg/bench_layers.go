package main

import (
	"fmt"

	"rpg/generator/compute"
)

// recurrentOps are the parts of a Mamba-2 layer, and what mixes the tokens in the
// other recurrent models.
func recurrentOps() []opCase {
	const kernel, wide = 4, opInner + 2*opState
	const n = opTokens * wide
	shape := fmt.Sprintf("%d x %d x %d", opModels, opLength, wide)
	scan := fmt.Sprintf("%d x %d, %d heads of %d, state %d", opModels, opLength, opHeads, opHead, opState)
	gated := fmt.Sprintf("%d x %d", opTokens, opInner)
	unrolled := fmt.Sprintf("%d x %d, width %d", opModels, opLength, opWidth)
	attended := fmt.Sprintf("%d x %d, %d heads of %d", opModels, opLength, opHeads, opWidth/opHeads)
	const unrolledFLOP, attendedFLOP = 2 * opTokens * 4 * opWidth * opWidth, 2 * opTokens * (opLength + 1) * opWidth
	return []opCase{
		{"causal-conv", func(m maker) op {
			a := m.causal(kernel, wide)
			return moving(shape, 2*n, func() { m.d.CausalConv(a.CausalConv) })
		}},
		{"causal-conv-backward", func(m maker) op {
			a := m.causal(kernel, wide)
			return moving(shape, 3*n, func() { m.d.CausalConvBackward(a) })
		}},
		{"ssd", func(m maker) op {
			a := m.scan()
			return op{shape: scan, flop: scanFLOP(a.SSD), work: func() { m.d.SSD(a.SSD) }}
		}},
		{"ssd-backward", func(m maker) op {
			a := m.scan()
			m.d.SSD(a.SSD)
			return op{shape: scan, flop: 2 * scanFLOP(a.SSD), work: func() { m.d.SSDBackward(a) }}
		}},
		{"lstm", func(m maker) op {
			a := m.lstm()
			return op{shape: unrolled, flop: unrolledFLOP, work: func() { m.d.LSTM(a.LSTM) }}
		}},
		{"lstm-backward", func(m maker) op {
			a := m.lstm()
			m.d.LSTM(a.LSTM)
			return op{shape: unrolled, flop: unrolledFLOP, work: func() { m.d.LSTMBackward(a) }}
		}},
		{"attention", func(m maker) op {
			a := m.attention()
			return op{shape: attended, flop: attendedFLOP, work: func() { m.d.Attention(a.Attention) }}
		}},
		{"attention-backward", func(m maker) op {
			a := m.attention()
			m.d.Attention(a.Attention)
			return op{shape: attended, flop: 2 * attendedFLOP, work: func() { m.d.AttentionBackward(a) }}
		}},
		{"gated-rms-norm", func(m maker) op {
			y, x, z, w := m.matrix(opTokens, opInner), m.matrix(opTokens, opInner), m.matrix(opTokens, opInner), m.values(opInner)
			return moving(gated, 3*opTokens*opInner, func() { m.d.GatedRMSNorm(y, x, z, w, 1e-5) })
		}},
		{"gated-rms-norm-backward", func(m maker) op {
			dx, dz, dy, x, z := m.matrix(opTokens, opInner), m.matrix(opTokens, opInner), m.matrix(opTokens, opInner),
				m.matrix(opTokens, opInner), m.matrix(opTokens, opInner)
			dw, w := m.values(opInner), m.values(opInner)
			return moving(gated, 5*opTokens*opInner, func() { m.d.GatedRMSNormBackward(dx, dz, dw, dy, x, z, w, 1e-5) })
		}},
	}
}

func (m maker) causal(kernel, channels int) compute.CausalConvBackward {
	x := func() compute.Matrix { return m.matrix(opTokens, channels) }
	return compute.CausalConvBackward{
		CausalConv: compute.CausalConv{N: opModels, L: opLength, K: kernel, X: x(), Y: x(), W: m.values(channels * kernel), Bias: m.values(channels)},
		DY:         x(), DX: x(), DW: m.values(channels * kernel), DBias: m.values(channels),
	}
}

func (m maker) scan() compute.SSDBackward {
	x := func(cols int) compute.Matrix { return m.matrix(opTokens, cols) }
	a := compute.SSD{N: opModels, L: opLength, H: opHeads, P: opHead, S: opState, Chunk: opLength,
		X: x(opInner), B: x(opState), C: x(opState), DT: x(opHeads), Y: x(opInner),
		DTBias: m.constant(opHeads, -4), ALog: m.constant(opHeads, 1), D: m.constant(opHeads, 1)}
	a.States = m.d.Alloc(a.N * a.Chunks() * a.H * a.P * a.S)
	return compute.SSDBackward{SSD: a, DY: x(opInner), DX: x(opInner), DB: x(opState), DC: x(opState), DDT: x(opHeads),
		DDTBias: m.values(opHeads), DALog: m.values(opHeads), DD: m.values(opHeads)}
}

func (m maker) lstm() compute.LSTMBackward {
	x := func(cols int) compute.Matrix { return m.matrix(opTokens, cols) }
	a := compute.LSTM{N: opModels, L: opLength, M: opWidth, Gates: x(4 * opWidth), H: x(opWidth), C: x(opWidth),
		W: m.constant(4*opWidth*opWidth, 1e-3)}
	return compute.LSTMBackward{LSTM: a, DH: x(opWidth), DGates: x(4 * opWidth)}
}

func (m maker) attention() compute.AttentionBackward {
	x := func(cols int) compute.Matrix { return m.matrix(opTokens, cols) }
	a := compute.Attention{N: opModels, L: opLength, H: opHeads, P: opWidth / opHeads,
		Q: x(opWidth), K: x(opWidth), V: x(opWidth), Y: x(opWidth), LSE: x(opHeads)}
	return compute.AttentionBackward{Attention: a, DY: x(opWidth), DQ: x(opWidth), DK: x(opWidth), DV: x(opWidth)}
}

// scanFLOP counts the matrix products of the chunked form; of a square matrix
// with a mask it counts half.
func scanFLOP(a compute.SSD) float64 {
	q := min(a.Chunk, a.L)
	return float64(a.N * a.L * (a.H*a.P*(q+4*a.S) + 2*q*a.S))
}

// convOps are the layers of the published denoiser for all tokens of a step, as
// training takes them, normalization included, and as sampling does: weights
// packed before, ELU after.
func convOps() []opCase {
	var cases []opCase
	for _, c := range [][2]int{{1, 32}, {32, 64}, {64, 128}, {128, 64}, {64, 32}, {32, 1}} {
		in, out := c[0], c[1]
		shape := fmt.Sprintf("%d x %d->%d x %d, kernel 7", opTokens, in, out, opWidth)
		flop := 2 * float64(opTokens*in*out*convKernel*opWidth) // of the plain algorithm
		name := fmt.Sprintf("conv-%d-%d", in, out)
		cases = append(cases,
			opCase{name, func(m maker) op {
				a := m.convNormed(in, out)
				return op{shape: shape, flop: flop, work: func() { m.d.ConvLayer(a.ConvLayer) }}
			}},
			opCase{name + "-backward", func(m maker) op {
				a := m.convNormed(in, out)
				m.d.ConvLayer(a.ConvLayer)
				return op{shape: shape, flop: 2 * flop, work: func() { m.d.ConvLayerBackward(a) }}
			}},
			opCase{name + "-sample", func(m maker) op {
				a := m.conv(in, out).ConvLayer
				a.Packed, a.ELU = m.d.PackConvLayer(a), out > 1
				return op{shape: shape, flop: flop, work: func() { m.d.ConvLayer(a) }}
			}})
	}
	return append(cases, opCase{"conv-128-64-both", func(m maker) op { // as the peer measures it
		a := m.conv(128, 64)
		return op{shape: "forward and backward", flop: 3 * 2 * opTokens * 128 * 64 * convKernel * opWidth, work: func() {
			m.d.ConvLayer(a.ConvLayer)
			m.d.ConvLayerBackward(a)
		}}
	}})
}

const convKernel = 7

// conv is a layer of so many channels in and out, and its gradients.
func (m maker) conv(in, out int) compute.ConvLayerBackward {
	signal := func(channels int) compute.Matrix {
		if channels == 1 {
			return m.matrix(opTokens, opWidth)
		}
		x := m.d.AllocRounded(opTokens * channels * opWidth) // as the denoiser keeps them
		fillNormals(m.d, 0, x)
		return compute.MatrixOf(x, opTokens, channels*opWidth)
	}
	a := compute.ConvLayer{Tokens: opTokens, In: in, Out: out, K: convKernel, D: opWidth,
		X: signal(in), Skip: signal(in), Y: signal(out), Cond: m.matrix(opTokens, opWidth), Time: m.matrix(opTokens, opWidth),
		W: m.values(out * in * convKernel), Bias: m.values(out)}
	return compute.ConvLayerBackward{ConvLayer: a, DY: signal(out), DX: signal(in),
		DCond: m.matrix(opTokens, opWidth), DTime: m.matrix(opTokens, opWidth),
		DW: m.values(out * in * convKernel), DBias: m.values(out)}
}

// convNormed is conv between layers that are normalized: all but the signal
// itself, which has one channel.
func (m maker) convNormed(in, out int) compute.ConvLayerBackward {
	a := m.conv(in, out)
	norm := func(channels int) *compute.BatchNorm {
		if channels == 1 {
			return nil
		}
		zero, one := func() compute.Buffer { return m.constant(channels, 0) }, func() compute.Buffer { return m.constant(channels, 1) }
		return &compute.BatchNorm{Scale: one(), Bias: zero(), Eps: 1e-5, Momentum: 0.1, Mean: zero(), InvStd: one(),
			RunningMean: zero(), RunningVar: one(), DScale: zero(), DBias: zero(), Along: zero(), Level: zero()}
	}
	a.XNorm, a.SkipNorm, a.YNorm = norm(in), norm(in), norm(out)
	return a
}
