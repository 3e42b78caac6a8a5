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
	train      bool
	*timeMLP
	cond   *linear
	layers []*convLayer

	x, z, c, e compute.Matrix
	pred       compute.Matrix
	dc         compute.Matrix
}

// convLayer is one convolution with its normalization (absent in the last).
type convLayer struct {
	in, out     int
	w, b        *param
	scale, bias *param
	mean, vari  *param
	skip        int // layer whose output is added to the input, or -1

	x, y, dx, dy     compute.Buffer // convolution, normalized, their gradients
	batchMean, batch compute.Buffer // 1/sqrt(var) of the batch
	packed           compute.Buffer // weights, while sampling
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
	k.train = train
	k.timeMLP.alloc(dev, times, train)
	k.c = newMatrix(dev, k.rows, k.d)
	widest := 0
	for _, l := range k.layers {
		size := k.rows * l.out * k.d
		l.x = dev.Alloc(size)
		widest = max(widest, size)
		if l.scale == nil {
			continue
		}
		l.y = l.x // sampling has no normalization of its own, see freeze
		if train {
			l.y, l.dy = dev.Alloc(size), dev.Alloc(size)
			l.batchMean, l.batch = dev.Alloc(l.out), dev.Alloc(l.out)
		}
	}
	if train {
		k.dc = newMatrix(dev, k.rows, k.d)
		dx := dev.Alloc(widest) // of use within one layer's backward pass
		for _, l := range k.layers {
			l.dx = dx.Slice(0, l.x.Len())
		}
	}
	k.pred = compute.MatrixOf(k.layers[len(k.layers)-1].x, k.rows, k.d)
}

func (k *conv) condition(dev compute.Device, z compute.Matrix) {
	k.z = z
	k.cond.forward(dev, k.c, z)
}

func (k *conv) time(_ compute.Device, e compute.Matrix) {
	if e.Rows != k.rows {
		e.Rows, e.Stride = k.rows, 0
	}
	k.e = e
}

// args describes layer i of the pass over x.
func (k *conv) args(i int, x compute.Matrix) compute.ConvLayer {
	l := k.layers[i]
	a := compute.ConvLayer{Tokens: k.rows, In: l.in, Out: l.out, K: l.w.shape[2], D: k.d,
		X: x.Data, Y: l.x, Cond: k.c, Time: k.e, W: l.w.value, Bias: l.b.value,
		Packed: l.packed, ELU: !k.train && l.scale != nil}
	if i > 0 {
		a.X = k.layers[i-1].y
	}
	if l.skip >= 0 {
		a.Skip = k.layers[l.skip].y
	}
	return a
}

func (k *conv) normArgs(l *convLayer) compute.BatchNormELU {
	return compute.BatchNormELU{Tokens: k.rows, C: l.out, D: k.d, Train: k.train,
		Eps: batchNormEps, Momentum: batchNormMomentum, X: l.x, Y: l.y,
		Scale: l.scale.value, Bias: l.bias.value, RunningMean: l.mean.value, RunningVar: l.vari.value,
		Mean: l.batchMean, InvStd: l.batch}
}

func (k *conv) predict(dev compute.Device, x compute.Matrix) compute.Matrix {
	for i, l := range k.layers {
		dev.ConvLayer(k.args(i, x))
		if k.train && l.scale != nil {
			dev.BatchNormELU(k.normArgs(l))
		}
	}
	k.x = x
	return k.pred
}

// freeze makes ready for sampling. With the running statistics, normalization
// is a line in each channel, which goes into the convolution before it:
// with a = scale/sqrt(var+eps), the weights a·W and the bias a·(b-mean) + bias,
// computed in float64 and rounded once.
func (k *conv) freeze(dev compute.Device) error {
	for i, l := range k.layers {
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
		l.packed = dev.PackConvLayer(k.args(i, k.pred))
	}
	return nil
}

func (k *conv) backward(dev compute.Device, dpred, dz compute.Matrix) {
	dev.Zero(k.dc.Data)
	dev.Zero(k.timeMLP.de.Data)
	for i := len(k.layers) - 1; i >= 0; i-- {
		l := k.layers[i]
		dx := dpred.Data
		if l.scale != nil {
			dx = l.dx
			dev.BatchNormELUBackward(compute.BatchNormELUBackward{BatchNormELU: k.normArgs(l),
				DY: l.dy, DX: dx, DScale: l.scale.grad, DBias: l.bias.grad})
		}
		a := compute.ConvLayerBackward{ConvLayer: k.args(i, k.x), DY: dx,
			DCond: k.dc, DTime: k.timeMLP.de, DW: l.w.grad, DBias: l.b.grad}
		if i > 0 {
			a.DX = k.layers[i-1].dy
		}
		dev.ConvLayerBackward(a)
		// The output of layer i-1 was also added to a later input, whose
		// gradient has been kept since.
		for j := i; j < len(k.layers); j++ {
			if i > 0 && k.layers[j].skip == i-1 {
				dev.Add(k.layers[i-1].dy, k.layers[j-1].dy)
			}
		}
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
