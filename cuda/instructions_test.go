package cuda

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"rpg/generator/compute"
)

// layerInstructions are the layers of the published denoiser of 1, 32, 64, 128, 64, 32
// and 1 channels, and the most instructions that warps may take for a position of a
// token with signals in bf16: in the convolution forward, and in all kernels of the
// backward pass that go through positions. They are PTX's without moves and loads of
// parameters, of which ptxas makes little.
var layerInstructions = []struct {
	in, out           int
	skip              bool
	forward, backward float64
}{
	{1, 32, false, 34, 187},
	{32, 64, false, 82, 167},
	{64, 128, false, 174, 389},
	{128, 64, false, 208, 470},
	{64, 32, true, 135, 278},
	{32, 1, true, 121, 215},
}

// docs/cuda.md says what time these numbers mean.
func TestLayerInstructions(t *testing.T) {
	if !everything() && os.Getenv(libraryVariable) == "" {
		t.Skip("takes a while and nvcc: set RPG_TEST_CUDA=all, as .ci/run does")
	}
	library := ptxLibrary(t)
	counter, before := openCounter(t, library), map[string]uint64{} // of each kernel
	instructions := func(c kernelCounts) uint64 { return c.Instructions - c.Classes["move"] - c.Classes["load_parameter"] }
	for _, c := range counter.count(func() {}) {
		before[c.Kernel] = instructions(c)
	}
	const d, tokens = 1024, 2
	for _, l := range layerInstructions {
		dev := openWith(t, library, true)
		var forward, backward float64
		for _, c := range counter.count(func() { trainLayer(dev, tokens, l.in, l.out, d, l.skip) }) {
			each := float64(instructions(c)-before[c.Kernel]) / (d * tokens)
			before[c.Kernel] = instructions(c)
			switch kernel := c.name()[strings.Index(c.name(), " ")+1:]; {
			case strings.HasPrefix(kernel, "convolve_") && strings.Contains(c.Kernel, "layer_output"):
				forward += each
			case strings.HasPrefix(kernel, "convolve_"), strings.HasPrefix(kernel, "gradient_"), strings.HasPrefix(kernel, "output_gradient"):
				backward += each
			}
		}
		t.Logf("%d to %d, skip %t: %.0f instructions forward, %.0f backward", l.in, l.out, l.skip, forward, backward)
		if !(forward > 0 && forward <= l.forward && backward > 0 && backward <= l.backward) {
			t.Errorf("%d to %d: %.1f instructions a position forward and %.1f backward, want at most %g and %g", l.in, l.out, forward, backward, l.forward, l.backward)
		}
	}
}

// trainLayer does a layer of a training, forward and back.
func trainLayer(d *device, tokens, in, out, positions int, skip bool) {
	random := rand.New(rand.NewPCG(1, 2))
	normal := func(b compute.Buffer) compute.Buffer {
		v := make([]float32, b.Len())
		for i := range v {
			v[i] = float32(random.NormFloat64())
		}
		d.Upload(b, v)
		return b
	}
	signal := func(channels int) compute.Matrix {
		alloc := d.AllocRounded
		if channels == 1 {
			alloc = d.Alloc
		}
		return compute.MatrixOf(normal(alloc(tokens*channels*positions)), tokens, channels*positions)
	}
	norm := func(channels int) *compute.BatchNorm {
		if channels == 1 {
			return nil
		}
		v := func() compute.Buffer { return normal(d.Alloc(channels)) }
		return &compute.BatchNorm{Scale: v(), Bias: v(), Eps: 1e-5, Momentum: 0.1, Mean: v(), InvStd: v(),
			RunningMean: v(), RunningVar: v(), DScale: v(), DBias: v(), Along: v(), Level: v()}
	}
	along := func() compute.Matrix { return compute.MatrixOf(d.Alloc(tokens*positions), tokens, positions) }
	a := compute.ConvLayer{Tokens: tokens, In: in, Out: out, K: 7, D: positions, X: signal(in), Y: signal(out), XNorm: norm(in), YNorm: norm(out),
		Cond: along(), Time: along(), W: d.Alloc(out * in * 7), Bias: d.Alloc(out)}
	if skip {
		a.Skip, a.SkipNorm = signal(in), norm(in)
	}
	d.ConvLayer(a)
	d.ConvLayerBackward(compute.ConvLayerBackward{ConvLayer: a, AddDX: skip, DY: signal(out), DX: signal(in), Raw: signal(out),
		DCond: along(), DTime: along(), DW: d.Alloc(out * in * 7), DBias: d.Alloc(out)})
	d.keep(d.Sync())
}
