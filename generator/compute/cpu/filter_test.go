package cpu

import (
	"math"
	"testing"

	"rpg/generator/compute"
)

// Minimal filtering rounds more than a plain sum: how much, against float64, for
// a layer of 64 channels, forward and both gradients, as root mean squares.
func TestFilterError(t *testing.T) {
	const tokens, in, out, k, width = 2, 64, 16, filterTaps, filterBlock
	if !filters(in, out, k, width) {
		t.Fatal("not done by minimal filtering")
	}
	d, err := open(1, kernels()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	ones := make([]float32, width)
	for i := range ones {
		ones[i] = 1
	}
	x, w, dy := normals(1, tokens*in*width), normals(2, out*in*k), normals(3, tokens*out*width)
	layer := compute.ConvLayer{
		Tokens: tokens, In: in, Out: out, K: k, D: width, X: compute.MatrixOf(buffer(x), tokens, in*width), Y: compute.MatrixOf(d.Alloc(len(dy)), tokens, out*width),
		Cond: compute.Matrix{Data: d.Alloc(width), Rows: tokens, Cols: width},
		Time: compute.Matrix{Data: buffer(ones), Rows: tokens, Cols: width},
		W:    buffer(w), Bias: d.Alloc(out),
	}
	back := compute.ConvLayerBackward{
		ConvLayer: layer, DY: compute.MatrixOf(buffer(dy), tokens, out*width), DX: compute.MatrixOf(d.Alloc(len(x)), tokens, in*width),
		DCond: compute.MatrixOf(d.Alloc(tokens*width), tokens, width),
		DTime: compute.MatrixOf(d.Alloc(tokens*width), tokens, width),
		DW:    d.Alloc(len(w)), DBias: d.Alloc(out),
	}
	d.ConvLayer(layer)
	d.ConvLayerBackward(back)
	y, dx, dw := make([]float64, len(dy)), make([]float64, len(x)), make([]float64, len(w))
	for i := range y {
		token, o, at := i/width/out, i/width%out, i%width
		for c := range in {
			for j := range k {
				from := at + j - k/2
				if from < 0 || from >= width {
					continue
				}
				xi, wi := (token*in+c)*width+from, (o*in+c)*k+j
				y[i] += float64(w[wi]) * float64(x[xi])
				dx[xi] += float64(w[wi]) * float64(dy[i])
				dw[wi] += float64(x[xi]) * float64(dy[i])
			}
		}
	}
	for _, c := range []struct {
		name string
		got  compute.Buffer
		want []float64
	}{{"y", layer.Y.Data, y}, {"dx", back.DX.Data, dx}, {"dw", back.DW, dw}} {
		var square, size, worst float64
		for i, got := range vals(c.got) {
			e := float64(got) - c.want[i]
			square, size, worst = square+e*e, size+c.want[i]*c.want[i], max(worst, math.Abs(e))
		}
		rms := math.Sqrt(size / float64(len(c.want)))
		relative := math.Sqrt(square / size)
		t.Logf("%s: root mean square error %.2g, largest %.2g of the root mean square", c.name, relative, worst/rms)
		if !(relative < 4e-6) {
			t.Errorf("%s: root mean square error %.2g", c.name, relative)
		}
	}
}
