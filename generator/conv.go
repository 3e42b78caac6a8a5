package generator

import (
	"math"

	"rpg/generator/compute"
)

// conv is the published denoiser: the token is a signal of one channel and
// length D; each layer is a convolution of width K over the channels,
//
//	h <- ELU(BatchNorm(conv((h + skip + c)·e)))
//
// without BatchNorm and ELU after the last. e = time(t) [D] and
// c = Linear(z) [D] are added to and multiply every channel. With n layers and
// E = len(channels)/2 + 1 encoder layers, the outputs of layers 0..E-3 are
// added, newest first, before layers E, E+1, …
type conv struct {
	rows, d, m int
	channels   []int
	*timeMLP
	cond   *linear
	layers []*convLayer

	z, c, pred compute.Matrix
	dc         compute.Matrix
	signals    compute.Buffer // see allocSignals
}

// convLayer is one convolution with its normalization (absent in the last).
type convLayer struct {
	in, out     int
	w, b        *param
	scale, bias *param
	mean, vari  *param
	skip        int // layer whose output is added to the input, or -1

	norm *compute.BatchNorm        // in training
	args compute.ConvLayerBackward // the operations' arguments, put together once
}

const (
	batchNormMomentum = 0.1
	batchNormEps      = 1e-5
)

func newConv(ps *params, c Config, rows int) *conv {
	k := &conv{rows: rows, d: c.TokenDim, m: c.Width, channels: c.Channels}
	k.timeMLP = newTimeMLP(ps, k.d)
	k.cond = newLinear(ps, "denoiser.condition", k.m, k.d, true)
	n, encoders := len(c.Channels)-1, len(c.Channels)/2+1
	for i := range n {
		l := &convLayer{in: c.Channels[i], out: c.Channels[i+1], skip: -1}
		if j := encoders - 3 - (i - encoders); i >= encoders && j >= 0 {
			l.skip = j
		}
		name, bound := "denoiser.layers."+itoa(i), fanIn(l.in*c.Kernel)
		l.w = ps.uniform(matrixParam, name+".conv.weight", bound, l.out, l.in, c.Kernel)
		l.b = ps.uniform(vectorParam, name+".conv.bias", bound, l.out)
		if i < n-1 {
			l.scale = ps.constant(vectorParam, name+".norm.weight", 1, l.out)
			l.bias = ps.constant(vectorParam, name+".norm.bias", 0, l.out)
			l.mean = ps.constant(runningParam, name+".norm.running_mean", 0, l.out)
			l.vari = ps.constant(runningParam, name+".norm.running_var", 1, l.out)
		}
		k.layers = append(k.layers, l)
	}
	return k
}

func (k *conv) alloc(dev compute.Device, times int, train bool) {
	k.timeMLP.alloc(dev, times, train)
	k.c = newMatrix(dev, k.rows, k.d)
	k.pred = newMatrix(dev, k.rows, k.d)
	outs, gradients := k.allocSignals(dev, train)
	for i, l := range k.layers {
		l.args.ConvLayer = compute.ConvLayer{Tokens: k.rows, In: l.in, Out: l.out, K: l.w.shape[2], D: k.d,
			Y: outs[i], Cond: k.c, W: l.weights(l.w.value), Bias: l.b.value}
		a := &l.args.ConvLayer
		if i > 0 {
			a.X, a.XNorm = outs[i-1], k.layers[i-1].norm
		}
		if l.skip >= 0 {
			a.Skip, a.SkipNorm = outs[l.skip], k.layers[l.skip].norm
		}
		if l.scale != nil && train {
			l.norm = l.newNorm(dev)
			a.YNorm = l.norm
		} else {
			a.ELU = l.scale != nil // the rest of the normalization: see freeze
		}
	}
	if !train {
		return
	}
	k.dc = newMatrix(dev, k.rows, k.d)
	for i, l := range k.layers {
		l.args.DCond, l.args.DTime, l.args.DW, l.args.DBias = k.dc, k.timeMLP.de, l.weights(l.w.grad), l.b.grad
		l.args.DY = gradients[i]
		if i > 0 {
			l.args.DX, l.args.AddDX = gradients[i-1], k.reader(i-1) > i
		}
	}
}

// weights views the layer's weights, or their gradients, as a matrix.
func (l *convLayer) weights(b compute.Buffer) compute.Matrix {
	return compute.MatrixOf(b, l.out, l.in*l.w.shape[2])
}

// reader is the last layer that takes the output of layer i.
func (k *conv) reader(i int) int {
	for j, l := range k.layers {
		if l.skip == i {
			return j
		}
	}
	return i + 1
}

// allocSignals gives the output of each layer, the last of which is pred, and in
// training their gradients. They are parts of one row for each token, so that
// the gradient of a layer's input can take the place of its output and of those
// of later layers, which are then of no more use.
//
// What is added to an input has that input's gradient: both share one place, to
// which the layer that took the output first adds later.
func (k *conv) allocSignals(dev compute.Device, train bool) (outs, gradients []compute.Matrix) {
	n, total := len(k.layers), 0
	out, gradient := make([]int, n), make([]int, n)
	for i, l := range k.layers {
		out[i] = total
		if i < n-1 {
			total += l.out * k.d
		}
	}
	if train {
		own := func(i int) bool { return k.reader(i) == i+1 && k.layers[i+1].skip < 0 }
		for i, l := range k.layers[:n-1] {
			if own(i) {
				gradient[i] = out[i+1]
				total = max(total, gradient[i]+l.out*k.d)
			}
		}
		for i := n - 2; i >= 0; i-- {
			if j := k.reader(i); j > i+1 {
				gradient[i] = gradient[j-1]
			} else if !own(i) {
				gradient[i] = total
				total += k.layers[i].out * k.d
			}
		}
	}
	all := newMatrix(dev, k.rows, total)
	k.signals = all.Data
	for i, l := range k.layers[:n-1] {
		outs = append(outs, all.Columns(out[i], out[i]+l.out*k.d))
		gradients = append(gradients, all.Columns(gradient[i], gradient[i]+l.out*k.d))
	}
	return append(outs, k.pred), append(gradients, compute.Matrix{})
}

func (l *convLayer) newNorm(dev compute.Device) *compute.BatchNorm {
	return &compute.BatchNorm{Scale: l.scale.value, Bias: l.bias.value, Eps: batchNormEps, Momentum: batchNormMomentum,
		Mean: dev.Alloc(l.out), InvStd: dev.Alloc(l.out), RunningMean: l.mean.value, RunningVar: l.vari.value,
		DScale: l.scale.grad, DBias: l.bias.grad, Along: dev.Alloc(l.out), Level: dev.Alloc(l.out)}
}

func (k *conv) spare() []compute.Buffer { return []compute.Buffer{k.signals} }

func (k *conv) condition(dev compute.Device, z compute.Matrix) {
	k.z = z
	k.cond.forward(dev, k.c, z)
}

func (k *conv) time(_ compute.Device, e compute.Matrix) {
	if e.Rows != k.rows {
		e.Rows, e.Stride = k.rows, 0
	}
	for _, l := range k.layers {
		l.args.Time = e
	}
}

func (k *conv) predict(dev compute.Device, x compute.Matrix) compute.Matrix {
	k.layers[0].args.X = x
	for _, l := range k.layers {
		dev.ConvLayer(l.args.ConvLayer)
	}
	return k.pred
}

// freeze makes ready for sampling. With the running statistics, normalization
// is a line in each channel, which goes into the convolution before it:
// with a = scale/sqrt(var+eps), the weights a·W and the bias a·(b-mean) + bias,
// computed in float64 and rounded once.
func (k *conv) freeze(dev compute.Device) error {
	for _, l := range k.layers {
		if l.scale != nil {
			var v [6][]float32
			for j, p := range []*param{l.w, l.b, l.scale, l.bias, l.mean, l.vari} {
				v[j] = make([]float32, p.n)
				if err := dev.Download(v[j], p.value); err != nil {
					return err
				}
			}
			w, b, scale, bias, mean, vari := v[0], v[1], v[2], v[3], v[4], v[5]
			taps := len(w) / l.out
			for o := range l.out {
				a := float64(scale[o]) / math.Sqrt(float64(vari[o])+batchNormEps)
				for j := o * taps; j < (o+1)*taps; j++ {
					w[j] = float32(a * float64(w[j]))
				}
				b[o] = float32(a*(float64(b[o])-float64(mean[o])) + float64(bias[o]))
			}
			dev.Upload(l.w.value, w)
			dev.Upload(l.b.value, b)
		}
		l.args.Packed = dev.PackConvLayer(l.args.ConvLayer)
	}
	return nil
}

func (k *conv) backward(dev compute.Device, dpred, dz compute.Matrix) {
	dev.Zero(k.dc.Data)
	dev.Zero(k.timeMLP.de.Data)
	k.layers[len(k.layers)-1].args.DY = dpred
	for i := len(k.layers) - 1; i >= 0; i-- {
		dev.ConvLayerBackward(k.layers[i].args)
	}
	k.timeMLP.backward(dev)
	k.cond.backward(dev, dz, k.dc, k.z, 0)
}

func (k *conv) multiplies() int {
	n := k.timeMLP.multiplies() + k.cond.multiplies()
	for _, l := range k.layers {
		n += l.w.n * k.d
	}
	return n
}
