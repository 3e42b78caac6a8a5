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
	passes     []pass           // the forward ones first, one for each layer
	signals    []compute.Buffer // the memory in which they work, free after that
}

// convLayer is one convolution with its normalization (absent in the last).
type convLayer struct {
	in, out     int
	w, b        *param
	scale, bias *param
	mean, vari  *param
	skip        int // layer whose output is added to the input, or -1

	norm *compute.BatchNorm // in training
}

const (
	batchNormMomentum = 0.1
	batchNormEps      = 1e-5
)

func newConv(ps *params, c Config, rows int) *conv {
	k := &conv{rows: rows, d: c.TokenDim, m: c.outWidth(), channels: c.Channels}
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
	if train {
		k.dc = newMatrix(dev, k.rows, k.d)
		for _, l := range k.layers {
			if l.scale != nil {
				l.norm = l.newNorm(dev)
			}
		}
	}
	k.passes = k.schedule(train)
	length := arrange(moments(k.passes))
	rows := compute.MatrixOf(dev.AllocRounded(k.rows*length), k.rows, length)
	free := &spare{dev, []compute.Buffer{dev.Unrounded(rows.Data)}}
	if train { // after the passes
		k.timeMLP.da, k.timeMLP.db = newMatrix(free, times, k.d), newMatrix(free, times, k.d)
	}
	k.signals = free.free
	for i := range k.passes {
		k.arguments(&k.passes[i], rows)
	}
}

func (l *convLayer) newNorm(dev compute.Device) *compute.BatchNorm {
	return &compute.BatchNorm{Scale: l.scale.value, Bias: l.bias.value, Eps: batchNormEps, Momentum: batchNormMomentum,
		Mean: dev.Alloc(l.out), InvStd: dev.Alloc(l.out), RunningMean: l.mean.value, RunningVar: l.vari.value,
		DScale: l.scale.grad, DBias: l.bias.grad, Along: dev.Alloc(l.out), Level: dev.Alloc(l.out)}
}

func (k *conv) spare() []compute.Buffer { return k.signals }

func (k *conv) condition(dev compute.Device, z compute.Matrix) {
	k.z = z
	k.cond.forward(dev, k.c, z)
}

func (k *conv) time(_ compute.Device, e compute.Matrix) {
	if e.Rows != k.rows {
		e.Rows, e.Stride = k.rows, 0
	}
	for i := range k.passes {
		k.passes[i].args.Time = e
	}
}

func (k *conv) predict(dev compute.Device, x compute.Matrix) compute.Matrix {
	for i := range k.passes {
		if p := &k.passes[i]; p.layer == 0 {
			p.args.X = x
		}
		if i < len(k.layers) {
			dev.ConvLayer(k.passes[i].args.ConvLayer)
		}
	}
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
		a := &k.passes[i].args.ConvLayer
		a.Packed = dev.PackConvLayer(*a)
	}
	return nil
}

func (k *conv) backward(dev compute.Device, dpred, dz compute.Matrix) {
	dev.Zero(k.dc.Data)
	dev.Zero(k.timeMLP.de.Data)
	for i := len(k.layers); i < len(k.passes); i++ {
		p := &k.passes[i]
		if p.layer == len(k.layers)-1 {
			p.args.DY = dpred
		}
		if p.kind == again {
			dev.ConvLayer(p.args.ConvLayer)
		} else {
			dev.ConvLayerBackward(p.args)
		}
	}
	k.timeMLP.backward(dev)
	k.cond.backward(dev, dz, k.dc, k.z, 0)
}

func (k *conv) multiplies() int {
	return k.timeMLP.multiplies() + k.cond.multiplies() + k.stepMultiplies()
}

func (k *conv) stepMultiplies() int {
	n := 0
	for _, l := range k.layers {
		n += l.w.n * k.d
	}
	return n
}
