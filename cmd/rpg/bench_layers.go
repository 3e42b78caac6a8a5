package main

import (
	"fmt"

	"rpg/generator/compute"
)

// recurrentOps are the parts of a Mamba-2 layer, and what mixes the tokens in the
// other recurrent models.
func recurrentOps() []opCase {
	const kernel = 4
	wide := func(m maker) int { return m.inner() + 2*m.state }
	causal := func(m maker) string { return fmt.Sprintf("%d x %d x %d", m.models, m.length, wide(m)) }
	scan := func(m maker) string {
		return fmt.Sprintf("%d x %d, %d heads of %d, state %d", m.models, m.length, m.heads, m.head, m.state)
	}
	gated := func(m maker) string { return fmt.Sprintf("%d x %d", m.tokens(), m.inner()) }
	unrolled := func(m maker) string { return fmt.Sprintf("%d x %d, width %d", m.models, m.length, m.width) }
	attended := func(m maker) string {
		return fmt.Sprintf("%d x %d, %d heads of %d", m.models, m.length, m.heads, m.width/m.heads)
	}
	unrolledFLOP := func(m maker) float64 { return 2 * float64(m.tokens()*4*m.width) * float64(m.width) }
	attendedFLOP := func(m maker) float64 { return 2 * float64(m.tokens()*(m.length+1)) * float64(m.width) }
	return []opCase{
		{"causal-conv", func(m maker) op {
			a := m.causal(kernel, wide(m))
			return moving(causal(m), 2*m.tokens()*wide(m), func() { m.d.CausalConv(a.CausalConv) })
		}},
		{"causal-conv-backward", func(m maker) op {
			a := m.causal(kernel, wide(m))
			return moving(causal(m), 3*m.tokens()*wide(m), func() { m.d.CausalConvBackward(a) })
		}},
		{"ssd", func(m maker) op {
			a := m.scan()
			return op{shape: scan(m), flop: scanFLOP(a.SSD), work: func() { m.d.SSD(a.SSD) }}
		}},
		{"ssd-backward", func(m maker) op {
			a := m.scan()
			m.d.SSD(a.SSD)
			return op{shape: scan(m), flop: 2 * scanFLOP(a.SSD), work: func() { m.d.SSDBackward(a) }}
		}},
		{"lstm", func(m maker) op {
			a := m.lstm()
			return op{shape: unrolled(m), flop: unrolledFLOP(m), work: func() { m.d.LSTM(a.LSTM) }}
		}},
		{"lstm-backward", func(m maker) op {
			a := m.lstm()
			m.d.LSTM(a.LSTM)
			return op{shape: unrolled(m), flop: unrolledFLOP(m), work: func() { m.d.LSTMBackward(a) }}
		}},
		{"attention", func(m maker) op {
			a := m.attention()
			return op{shape: attended(m), flop: attendedFLOP(m), work: func() { m.d.Attention(a.Attention) }}
		}},
		{"attention-backward", func(m maker) op {
			a := m.attention()
			m.d.Attention(a.Attention)
			return op{shape: attended(m), flop: 2 * attendedFLOP(m), work: func() { m.d.AttentionBackward(a) }}
		}},
		{"gated-rms-norm", func(m maker) op {
			y, x, z, w := m.matrix(m.tokens(), m.inner()), m.matrix(m.tokens(), m.inner()), m.matrix(m.tokens(), m.inner()), m.normal(m.inner())
			return moving(gated(m), 3*m.tokens()*m.inner(), func() { m.d.GatedRMSNorm(y, x, z, w, 1e-5) })
		}},
		{"gated-rms-norm-backward", func(m maker) op {
			dx, dz, dy, x, z := m.matrix(m.tokens(), m.inner()), m.matrix(m.tokens(), m.inner()), m.matrix(m.tokens(), m.inner()),
				m.matrix(m.tokens(), m.inner()), m.matrix(m.tokens(), m.inner())
			dw, w := m.normal(m.inner()), m.normal(m.inner())
			return moving(gated(m), 5*m.tokens()*m.inner(), func() { m.d.GatedRMSNormBackward(dx, dz, dw, dy, x, z, w, 1e-5) })
		}},
	}
}

func (m maker) causal(kernel, channels int) compute.CausalConvBackward {
	x := func() compute.Matrix { return m.matrix(m.tokens(), channels) }
	return compute.CausalConvBackward{
		CausalConv: compute.CausalConv{N: m.models, L: m.length, K: kernel, X: x(), Y: x(), W: m.normal(channels * kernel), Bias: m.normal(channels)},
		DY:         x(), DX: x(), DW: m.normal(channels * kernel), DBias: m.normal(channels),
	}
}

func (m maker) scan() compute.SSDBackward {
	x := func(cols int) compute.Matrix { return m.matrix(m.tokens(), cols) }
	a := compute.SSD{N: m.models, L: m.length, H: m.heads, P: m.head, S: m.state, Chunk: min(m.length, 64), // as the recurrent model takes it
		X: x(m.inner()), B: x(m.state), C: x(m.state), DT: x(m.heads), Y: x(m.inner()),
		DTBias: m.constant(m.heads, -4), ALog: m.constant(m.heads, 1), D: m.constant(m.heads, 1)}
	a.States = m.d.Alloc(a.N * a.Chunks() * a.H * a.P * a.S)
	return compute.SSDBackward{SSD: a, DY: x(m.inner()), DX: x(m.inner()), DB: x(m.state), DC: x(m.state), DDT: x(m.heads),
		DDTBias: m.normal(m.heads), DALog: m.normal(m.heads), DD: m.normal(m.heads)}
}

func (m maker) lstm() compute.LSTMBackward {
	x := func(cols int) compute.Matrix { return m.matrix(m.tokens(), cols) }
	a := compute.LSTM{N: m.models, L: m.length, M: m.width, Gates: x(4 * m.width), H: x(m.width), C: x(m.width),
		W: m.constant(4*m.width*m.width, 1e-3)}
	return compute.LSTMBackward{LSTM: a, DH: x(m.width), DGates: x(4 * m.width)}
}

func (m maker) attention() compute.AttentionBackward {
	x := func(cols int) compute.Matrix { return m.matrix(m.tokens(), cols) }
	a := compute.Attention{N: m.models, L: m.length, H: m.heads, P: m.width / m.heads,
		Q: x(m.width), K: x(m.width), V: x(m.width), Y: x(m.width), LSE: x(m.heads)}
	return compute.AttentionBackward{Attention: a, DY: x(m.width), DQ: x(m.width), DK: x(m.width), DV: x(m.width)}
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
		shape := func(m maker) string {
			return fmt.Sprintf("%d x %d->%d x %d, kernel 7", m.convTokens, in, out, m.width)
		}
		flop := func(m maker) float64 { return 2 * float64(m.convTokens*in*out*convKernel*m.width) } // of the plain algorithm
		name := fmt.Sprintf("conv-%d-%d", in, out)
		cases = append(cases,
			opCase{name, func(m maker) op {
				a := m.convNormed(in, out)
				return op{shape: shape(m), flop: flop(m), work: func() { m.d.ConvLayer(a.ConvLayer) }}
			}},
			opCase{name + "-backward", func(m maker) op {
				a := m.convNormed(in, out)
				m.d.ConvLayer(a.ConvLayer)
				return op{shape: shape(m), flop: 2 * flop(m), work: func() { m.d.ConvLayerBackward(a) }}
			}},
			opCase{name + "-sample", func(m maker) op {
				a := m.conv(in, out).ConvLayer
				a.Packed, a.ELU = m.d.PackConvLayer(a), out > 1
				return op{shape: shape(m), flop: flop(m), work: func() { m.d.ConvLayer(a) }}
			}})
	}
	return append(cases, opCase{"conv-128-64-both", func(m maker) op { // as the peer measures it
		a := m.conv(128, 64)
		return op{shape: "forward and backward", flop: 3 * 2 * float64(m.convTokens*128*64*convKernel*m.width), work: func() {
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
			return m.matrix(m.convTokens, m.width)
		}
		x := m.d.AllocRounded(m.convTokens * channels * m.width) // as the denoiser keeps them
		fillNormals(m.d, 0, x)
		return compute.MatrixOf(x, m.convTokens, channels*m.width)
	}
	a := compute.ConvLayer{Tokens: m.convTokens, In: in, Out: out, K: convKernel, D: m.width,
		X: signal(in), Skip: signal(in), Y: signal(out), Cond: m.matrix(m.convTokens, m.width), Time: m.matrix(m.convTokens, m.width),
		W: m.normal(out * in * convKernel), Bias: m.normal(out)}
	return compute.ConvLayerBackward{ConvLayer: a, DY: signal(out), DX: signal(in),
		DCond: m.matrix(m.convTokens, m.width), DTime: m.matrix(m.convTokens, m.width),
		DW: m.normal(out * in * convKernel), DBias: m.normal(out)}
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
