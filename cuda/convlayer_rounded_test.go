package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"rpg/generator/compute"
)

// roundedCase is a ConvLayer with all norms whose signals begin `shift` values into
// their rows, which are `gap` values longer than that. Those of one channel are
// float32, as in the denoiser.
type roundedCase struct{ tokens, in, out, k, d, shift, gap int }

var roundedCases = []roundedCase{
	{2, 16, 24, 7, 64, 0, 0},  // 8 positions at once,
	{3, 40, 70, 7, 136, 8, 0}, // of channels that do not fill a tile,
	{2, 140, 20, 3, 8, 16, 8}, // and of tokens as short as that
	{2, 24, 40, 9, 200, 0, 0},
	{2, 16, 24, 7, 64, 4, 4}, // no row is aligned
	{2, 16, 24, 7, 64, 8, 1}, // the first one alone is
	{3, 33, 40, 7, 71, 0, 0}, // nor is any channel here
	{3, 1, 32, 7, 72, 0, 0},  // without tensor cores
	{3, 32, 1, 7, 72, 0, 0},
	{2, 5, 7, 5, 19, 2, 3},
}

// What a layer writes to rounded signals is, bit for bit, the rounded value of what
// it writes to signals in float32 that hold the same numbers; its other results
// are the same, but for the statistics, which are those of what is stored.
func TestConvLayerRounded(t *testing.T) {
	lib := shimLibrary(t, plain)
	for _, order := range []string{"forward", "reverse", "random"} {
		t.Setenv("RPG_SHIM_ORDER", order)
		d := openWith(t, lib, true)
		for _, c := range roundedCases {
			t.Run(order+", "+c.String(), func(t *testing.T) { c.test(t, d) })
		}
	}
}

func (c roundedCase) String() string {
	return fmt.Sprintf("%d tokens of %d, %d to %d channels, K %d, from %d on, gap %d", c.tokens, c.d, c.in, c.out, c.k, c.shift, c.gap)
}

func (c roundedCase) test(t *testing.T, d *device) {
	want, got := c.run(t, d, d.Alloc), c.run(t, d, d.AllocRounded)
	for name, w := range want {
		g := got[name]
		switch name {
		case "x along", "x level", "x dscale", "x dbias", "y mean", "y inverse":
			continue
		case "dbias": // whose sums are taken in another order where values come in eights
			near(t, map[string][]float32{name: g}, map[string][]float32{name: w}, 1e-6)
			continue
		case "y", "elu":
			w = c.expect(w, c.out)
		case "raw":
			w = c.expect(w, c.out)
		case "dx":
			w = c.expect(w, c.in)
		}
		for i, v := range w {
			if math.Float32bits(g[i]) != math.Float32bits(v) {
				t.Errorf("%s: value %d of %d is %v, want %v", name, i, len(w), g[i], v)
				break
			}
		}
	}
	c.statistics(t, got)
}

// expect rounds signals of so many channels, unless it is one.
func (c roundedCase) expect(signals []float32, channels int) []float32 {
	if channels == 1 {
		return signals
	}
	return nearest(signals)
}

// nearest returns values rounded to bf16: a float64 sum with a number so large that
// the place after the eighth digit is the last one rounds as the processor does.
func nearest(values []float32) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		_, e := math.Frexp(float64(v))
		unit := math.Ldexp(1, e-8)
		out[i] = float32(math.RoundToEven(float64(v)/unit) * unit)
	}
	return out
}

// statistics compares those of a run with what they are of its stored signals.
func (c roundedCase) statistics(t *testing.T, got map[string][]float32) {
	t.Helper()
	close := func(name string, channel int, want, size float64) {
		if v := float64(got[name][channel]); !(math.Abs(v-want) <= 1e-5*size) {
			t.Errorf("%s of channel %d is %v, want %v", name, channel, v, want)
		}
	}
	n := float64(c.tokens * c.d)
	for o := range c.out {
		var mean, variance float64
		c.each(got["y"], c.out, o, func(_ int, v float64) { mean += v / n })
		c.each(got["y"], c.out, o, func(_ int, v float64) { variance += (v - mean) * (v - mean) / n })
		inverse := 1 / math.Sqrt(variance+roundedEps)
		close("y mean", o, mean, 1/inverse)
		close("y inverse", o, inverse, inverse)
	}
	x, scale, bias := got["x"], got["x scale"], got["x bias"]
	for i := range c.in {
		var level, along, size float64
		c.each(got["dx"], c.in, i, func(at int, v float64) {
			unit := (float64(x[at]) - float64(got["x mean"][i])) * float64(got["x inverse"][i])
			if u := float64(scale[i])*unit + float64(bias[i]); u < 0 {
				v *= math.Exp(u)
			}
			level, along, size = level+v/n, along+v*unit/n, size+math.Abs(v)*(1+math.Abs(unit))/n
		})
		close("x level", i, level, size)
		close("x along", i, along, size)
	}
}

// each calls f for the values of one channel, with their places in the buffer.
func (c roundedCase) each(signals []float32, channels, channel int, f func(at int, v float64)) {
	for token := range c.tokens {
		for p := range c.d {
			at := token*(channels*c.d+c.shift+c.gap) + c.shift + channel*c.d + p
			f(at, float64(signals[at]))
		}
	}
}

const roundedEps = 1e-3

// run does a backward pass, a forward pass and one for sampling, with signals from
// alloc, and returns what then is in all buffers. All inputs are numbers in bf16.
func (c roundedCase) run(t *testing.T, d *device, alloc func(n int) compute.Buffer) map[string][]float32 {
	t.Helper()
	random := rand.New(rand.NewPCG(3, uint64(c.d)))
	made := map[string]compute.Buffer{}
	fill := func(name string, b compute.Buffer, value func() float64) compute.Buffer {
		v := make([]float32, b.Len())
		for i := range v {
			v[i] = float32(value())
		}
		d.Upload(b, nearest(v))
		made[name] = b
		return b
	}
	normal := random.NormFloat64
	values := func(name string, n int) compute.Buffer { return fill(name, d.Alloc(n), normal) }
	signal := func(name string, channels int) compute.Matrix {
		cols, from := channels*c.d, alloc
		if channels == 1 {
			from = d.Alloc
		}
		b, stride := fill(name, from(c.tokens*(cols+c.shift+c.gap)), normal), cols+c.shift+c.gap
		return compute.MatrixOf(b, c.tokens, stride).Columns(c.shift, c.shift+cols)
	}
	matrix := func(name string) compute.Matrix { return compute.MatrixOf(values(name, c.tokens*c.d), c.tokens, c.d) }
	norm := func(name string, channels int) *compute.BatchNorm {
		vector := func(what string) compute.Buffer { return values(name+" "+what, channels) }
		return &compute.BatchNorm{Scale: vector("scale"), Bias: vector("bias"), Eps: roundedEps, Momentum: 0.1,
			Mean:        vector("mean"),
			InvStd:      fill(name+" inverse", d.Alloc(channels), func() float64 { return 0.5 + random.Float64() }),
			RunningMean: d.Alloc(channels), RunningVar: d.Alloc(channels),
			DScale: vector("dscale"), DBias: vector("dbias"), Along: vector("along"), Level: vector("level")}
	}
	a := compute.ConvLayer{Tokens: c.tokens, In: c.in, Out: c.out, K: c.k, D: c.d,
		X: signal("x", c.in), Skip: signal("skip", c.in), Y: signal("stored y", c.out),
		XNorm: norm("x", c.in), SkipNorm: norm("skip", c.in), YNorm: norm("y", c.out),
		Cond: matrix("cond"), Time: matrix("time"), W: values("w", c.out*c.in*c.k), Bias: values("bias", c.out)}
	d.ConvLayerBackward(compute.ConvLayerBackward{ConvLayer: a, AddDX: true, DY: signal("dy", c.out), DX: signal("dx", c.in),
		Raw: signal("raw", c.out), DCond: matrix("dcond"), DTime: matrix("dtime"),
		DW: values("dw", c.out*c.in*c.k), DBias: values("dbias", c.out)})
	a.Y = signal("y", c.out)
	d.ConvLayer(a)
	a.YNorm, a.ELU, a.Y, a.Packed = nil, true, signal("elu", c.out), d.PackConvLayer(a)
	d.ConvLayer(a)
	out := map[string][]float32{}
	for name, b := range made {
		out[name] = make([]float32, b.Len())
		if err := d.Download(out[name], b); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// A rounded buffer is for the arguments that say so; elsewhere it would be read as
// float32. Its memory as float32 has half as many values, all within it.
func TestRoundedElsewhere(t *testing.T) {
	d := openWith(t, shimLibrary(t, plain), true)
	x, y := d.AllocRounded(10), d.Alloc(10)
	for name, call := range map[string]func(){
		"Add": func() { d.Add(y, x) },
		"Gemm, A": func() {
			d.Gemm(compute.MatrixOf(y, 5, 2), compute.MatrixOf(x, 5, 2), compute.MatrixOf(d.Alloc(4), 2, 2), false, false, 0, nil)
		},
	} {
		func() {
			defer func() {
				if got := recover(); got != errRounded {
					t.Errorf("%s: %v, want %q", name, got, errRounded)
				}
			}()
			call()
		}()
	}
	whole := d.Unrounded(x)
	if whole.Len() != 5 {
		t.Fatalf("10 rounded values are the memory of %d in float32, want 5", whole.Len())
	}
	d.Upload(whole, []float32{1, 2, 3, 4, 5})
	got := make([]float32, 5)
	if err := d.Download(got, whole); err != nil || got[4] != 5 {
		t.Errorf("got %v, %v", got, err)
	}
}
