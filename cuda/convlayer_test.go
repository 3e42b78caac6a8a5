package cuda

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"rpg/generator/compute"
)

// convCase is a ConvLayer with a Skip, and its backward pass. integers: all
// inputs are small integers, of which bf16 holds the products' factors and
// float32 the sums exactly; then there are no norms.
type convCase struct {
	tokens, in, out, k, d int
	integers              bool
}

var bf16ConvCases = []convCase{
	{1, 8, 8, 7, 1, true},
	{2, 9, 33, 1, 15, true},
	{3, 33, 40, 7, 70, true},
	{2, 70, 8, 35, 24, true},
	{1, 8, 97, 5, 200, true},
	{2, 64, 64, 7, 64, true},
	{1, 17, 300, 3, 40, true},
	{1, 140, 66, 3, 131, true},
	{5, 16, 24, 7, 72, false},
	{2, 40, 100, 7, 135, false},
	{1, 64, 8, 85, 16, true}, // 48 KiB of shared memory with the norms, not without
	{1, 64, 8, 91, 24, true}, // whose shared memory must be asked for
}

// outputs runs the layer and its backward pass and returns all that they write.
func (c convCase) outputs(t *testing.T, d compute.Device) map[string][]float32 {
	t.Helper()
	random := rand.New(rand.NewPCG(7, uint64(c.out)))
	values := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			if v[i] = float32(random.NormFloat64()); c.integers {
				v[i] = float32(random.IntN(5) - 2)
			}
		}
		return v
	}
	made := map[string]compute.Buffer{}
	get := func(name string, v []float32) compute.Buffer {
		b := d.Alloc(len(v))
		d.Upload(b, v)
		if name != "" {
			made[name] = b
		}
		return b
	}
	matrix := func(name string, cols int) compute.Matrix {
		return compute.MatrixOf(get(name, values(c.tokens*cols)), c.tokens, cols)
	}
	norm := func(name string, channels int) *compute.BatchNorm {
		if c.integers {
			return nil
		}
		invStd := values(channels)
		for i := range invStd {
			invStd[i] = 0.5 + invStd[i]*invStd[i]
		}
		return &compute.BatchNorm{Scale: get("", values(channels)), Bias: get("", values(channels)), Eps: 1e-3, Momentum: 0.1,
			Mean: get(name+" mean", values(channels)), InvStd: get(name+" inverse", invStd),
			RunningMean: get(name+" running mean", values(channels)), RunningVar: get(name+" running variance", values(channels)),
			DScale: get(name+" dscale", values(channels)), DBias: get(name+" dbias", values(channels)),
			Along: get(name+" along", values(channels)), Level: get(name+" level", values(channels))}
	}
	a := compute.ConvLayer{Tokens: c.tokens, In: c.in, Out: c.out, K: c.k, D: c.d,
		X: matrix("", c.in*c.d), Skip: matrix("", c.in*c.d), Y: matrix("y", c.out*c.d),
		XNorm: norm("x", c.in), SkipNorm: norm("skip", c.in), YNorm: norm("y", c.out),
		Cond: matrix("", c.d), Time: matrix("", c.d),
		W: get("", values(c.out*c.in*c.k)), Bias: get("", values(c.out))}
	d.ConvLayer(a)
	b := compute.ConvLayerBackward{ConvLayer: a, DY: matrix("", c.out*c.d), DX: matrix("dx", c.in*c.d), AddDX: true,
		DCond: matrix("dcond", c.d), DTime: matrix("dtime", c.d),
		DW: get("dw", values(c.out*c.in*c.k)), DBias: get("dbias", values(c.out))}
	d.ConvLayerBackward(b)

	a.YNorm, a.ELU, a.Y, a.Packed = nil, true, matrix("elu", c.out*c.d), d.PackConvLayer(a)
	d.ConvLayer(a)
	out := map[string][]float32{}
	for name, buffer := range made {
		out[name] = make([]float32, buffer.Len())
		if err := d.Download(out[name], buffer); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func (c convCase) String() string {
	kind := "normal"
	if c.integers {
		kind = "integers"
	}
	return fmt.Sprintf("%d tokens of %d, %d to %d channels, K %d, %s", c.tokens, c.d, c.in, c.out, c.k, kind)
}

// openWith opens library until the test ends.
func openWith(t *testing.T, library string, bf16 bool) *device {
	t.Helper()
	d, err := OpenLibrary(library, 0, bf16)
	if err != nil {
		t.Fatal(err)
	}
	return untilEnd(t, d)
}

// untilEnd closes a device when the test ends.
func untilEnd(t *testing.T, d compute.Device) *device {
	t.Helper()
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d.(*device)
}

// near fails t where a value of got is further than tol·(|want| + rms of want)
// from that of want.
func near(t *testing.T, got, want map[string][]float32, tol float64) {
	t.Helper()
	for name, w := range want {
		var squares float64
		for _, v := range w {
			squares += float64(v) * float64(v)
		}
		rms := math.Sqrt(squares / float64(len(w)))
		for i, v := range w {
			if diff := math.Abs(float64(got[name][i]) - float64(v)); !(diff <= tol*(math.Abs(float64(v))+rms)) {
				t.Errorf("%s: value %d of %d is %v, want %v", name, i, len(w), got[name][i], v)
				break
			}
		}
	}
}

// With bf16 operands small integers give the same bits as with float32, and other
// numbers what rounding to 8 bits allows; in any order of the threads.
func TestConvLayerBF16(t *testing.T) {
	lib := shimLibrary(t, plain)
	for _, c := range bf16ConvCases {
		t.Run(c.String(), func(t *testing.T) {
			want := c.outputs(t, openWith(t, lib, false))
			for _, order := range []string{"forward", "reverse", "random"} {
				t.Setenv("RPG_SHIM_ORDER", order)
				got := c.outputs(t, openWith(t, lib, true))
				if c.integers {
					near(t, got, want, 0)
				} else {
					near(t, got, want, 0.04)
				}
			}
		})
	}
}

// Windows of one token, which is what a workspace too small gives, differ from
// one window in the rounding of sums only.
func TestConvLayerWindows(t *testing.T) {
	lib := shimLibrary(t, plain)
	for _, c := range []convCase{{5, 1, 9, 7, 70, false}, {5, 3, 1, 7, 200, false}, {4, 9, 10, 7, 33, false}, {3, 16, 24, 5, 72, true}} {
		for bf16, tol := range map[bool]float64{false: 1e-5, true: 0.01} { // other sums may round to another bf16
			t.Run(fmt.Sprintf("%v, bf16 %t", c, bf16), func(t *testing.T) {
				want := c.outputs(t, openWith(t, lib, bf16))
				t.Setenv("RPG_SHIM_WINDOW", "1")
				got := c.outputs(t, openWith(t, lib, bf16))
				if c.integers {
					near(t, got, want, 0)
				} else {
					near(t, got, want, tol)
				}
			})
		}
	}
}
