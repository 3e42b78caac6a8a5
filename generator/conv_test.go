package generator

import (
	"math"
	"testing"

	"rpg/generator/compute"
)

// TestFreeze: with normalization in the convolutions the prediction is that of
// convolution, normalization by the running statistics and ELU one after the
// other, within a few roundings of float32.
func TestFreeze(t *testing.T) {
	const rows = 5
	c := small(t, Override{"denoiser", "conv", ""}, Override{"channels", "1,32,64,128,64,32,1", ""},
		Override{"kernel", "7", ""}, Override{"token-dim", "96", ""}).Config
	dev := openCPU(t, 2)
	n := declareNetwork(c, 4, 3, 1, rows)
	n.ps.alloc(dev, false)
	values := n.ps.initial(3)
	for i := range values { // away from scale 1, bias 0, mean 0, var 1
		if u := compute.Uniform(4, 0, uint64(i)); i >= n.ps.matrices {
			values[i] += float32(u - 0.4)
		}
	}
	dev.Upload(n.ps.value, values)
	k := n.den.(*conv)
	k.alloc(dev, 1, false)
	x, z, times := newMatrix(dev, rows, c.TokenDim), newMatrix(dev, rows, c.Width), dev.Alloc(1)
	dev.Normal(x.Data, 5, 0)
	dev.Normal(z.Data, 5, 1)
	dev.Upload(times, []float32{321})
	k.condition(dev, z)
	k.time(dev, k.embed(dev, times))
	download := func(b compute.Buffer) []float32 {
		v := make([]float32, b.Len())
		if err := dev.Download(v, b); err != nil {
			t.Fatal(err)
		}
		return v
	}

	k.passes[0].args.X = x
	for i, l := range k.layers {
		a := k.passes[i].args.ConvLayer
		a.ELU = false
		dev.ConvLayer(a)
		if l.scale == nil {
			continue
		}
		y, scale, bias := download(a.Y.Data), download(l.scale.value), download(l.bias.value)
		mean, vari := download(l.mean.value), download(l.vari.value)
		for j, v := range y {
			o := j % a.Y.Stride / c.TokenDim
			if o >= l.out { // another layer's
				continue
			}
			u := float64(scale[o])*(float64(v)-float64(mean[o]))/math.Sqrt(float64(vari[o])+batchNormEps) + float64(bias[o])
			if u < 0 {
				u = math.Expm1(u)
			}
			y[j] = float32(u)
		}
		dev.Upload(a.Y.Data, y)
	}
	want := download(k.pred.Data)
	if err := k.freeze(dev); err != nil {
		t.Fatal(err)
	}
	got := download(k.predict(dev, x).Data)
	square, worst := 0.0, 0.0
	for i, v := range want {
		square += float64(v) * float64(v) / float64(len(want))
		worst = max(worst, math.Abs(float64(v)-float64(got[i])))
	}
	relative := worst / math.Sqrt(square)
	t.Logf("largest difference %.2g of the root mean square", relative)
	if !(relative < 1e-5) || square == 0 {
		t.Errorf("predictions differ by %.3g of their root mean square %.3g", relative, math.Sqrt(square))
	}
}
