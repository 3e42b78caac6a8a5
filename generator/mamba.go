package generator

import (
	"math"

	"rpg/generator/compute"
)

// mamba is one Mamba-2 layer (Dao & Gu, arXiv 2405.21060) with one group, for
// up to n sequences of L tokens of width M. With I = 2M:
//
//	proj = u·Win                      columns [z: I | x: I | B: S | C: S | dt: H]
//	[x|B|C] = SiLU(causal conv)
//	y = SSD(x, B, C, dt)
//	out = GatedRMSNorm(y, z)·Wout     (+ u, with a residual)
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

	proj, conv, y, g     compute.Matrix // activations
	states               compute.Buffer
	dproj, dconv, dy, dg compute.Matrix // gradients
}

const (
	convWidth  = 4
	normEps    = 1e-5
	mambaChunk = 64
)

func newMamba(ps *params, name string, c Config, n, l int) *mamba {
	m := c.Width
	i := 2 * m
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
	k.out = newLinear(ps, name+".out_proj", i, m, false)
	return k
}

func (k *mamba) alloc(dev compute.Device, train bool) {
	rows, conv := k.n*k.l, k.i+2*k.s
	matrix := func(cols int) compute.Matrix { return compute.MatrixOf(dev.Alloc(rows*cols), rows, cols) }
	k.proj, k.conv, k.y, k.g = matrix(k.in.out), matrix(conv), matrix(k.i), matrix(k.i)
	k.states = dev.Alloc(k.n * k.ssd().Chunks() * k.h * (k.i / k.h) * k.s)
	if train {
		k.dproj, k.dconv, k.dy, k.dg = matrix(k.in.out), matrix(conv), matrix(k.i), matrix(k.i)
	}
}

func (k *mamba) convArgs() compute.CausalConv {
	return compute.CausalConv{N: k.n, L: k.l, K: convWidth,
		X: k.proj.Columns(k.i, 2*k.i+2*k.s), Y: k.conv, W: k.convW.value, Bias: k.convB.value}
}

func (k *mamba) ssd() compute.SSD {
	a := compute.SSD{N: k.n, L: k.l, H: k.h, P: k.i / k.h, S: k.s, Chunk: k.chunk}
	if k.proj.Data == nil {
		return a
	}
	a.X, a.B, a.C = k.conv.Columns(0, k.i), k.conv.Columns(k.i, k.i+k.s), k.conv.Columns(k.i+k.s, k.i+2*k.s)
	a.DT, a.Y = k.proj.Columns(2*k.i+2*k.s, k.in.out), k.y
	a.DTBias, a.ALog, a.D, a.States = k.dtBias.value, k.aLog.value, k.d.value, k.states
	return a
}

// forward computes out [n·L, M] from u [n·L, M].
func (k *mamba) forward(dev compute.Device, out, u compute.Matrix) {
	k.in.forward(dev, k.proj, u)
	dev.CausalConv(k.convArgs())
	dev.SSD(k.ssd())
	dev.GatedRMSNorm(k.g, k.y, k.proj.Columns(0, k.i), k.norm.value, normEps)
	k.out.forward(dev, out, k.g)
	if k.residual {
		dev.Add(out.Data, u.Data)
	}
}

// backward computes du from dout and adds to the parameters' gradients. It
// reads what the last forward pass left.
func (k *mamba) backward(dev compute.Device, du, dout, u compute.Matrix) {
	i, s := k.i, k.s
	k.out.backward(dev, k.dg, dout, k.g, 0)
	dev.GatedRMSNormBackward(k.dy, k.dproj.Columns(0, i), k.norm.grad, k.dg, k.y, k.proj.Columns(0, i), k.norm.value, normEps)
	dev.SSDBackward(compute.SSDBackward{SSD: k.ssd(), DY: k.dy,
		DX: k.dconv.Columns(0, i), DB: k.dconv.Columns(i, i+s), DC: k.dconv.Columns(i+s, i+2*s),
		DDT: k.dproj.Columns(2*i+2*s, k.in.out), DDTBias: k.dtBias.grad, DALog: k.aLog.grad, DD: k.d.grad})
	dev.CausalConvBackward(compute.CausalConvBackward{CausalConv: k.convArgs(), DY: k.dconv,
		DX: k.dproj.Columns(i, 2*i+2*s), DW: k.convW.grad, DBias: k.convB.grad})
	k.in.backward(dev, du, k.dproj, u, 0)
	if k.residual {
		dev.Add(du.Data, dout.Data)
	}
}

// multiplies is the number of multiply-adds of one token's forward pass.
func (k *mamba) multiplies() int {
	scan := k.chunk*k.s + k.chunk*k.i + 2*k.i*k.s
	return k.in.multiplies() + k.out.multiplies() + convWidth*(k.i+2*k.s) + scan
}
