package compare

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// memory are weights that lie in memory.
type memory [][]float32

func (m memory) ReadValues(i int, dst []float32, off int) error {
	if m[i] == nil {
		return errors.New("unreadable")
	}
	copy(dst, m[i][off:off+len(dst)])
	return nil
}

func measure(t *testing.T, a, b []float32) Result {
	t.Helper()
	var m Meter
	r, err := m.Weights(context.Background(), memory{a}, 0, memory{nil, b}, 1, len(a))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWeightsByHand(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name          string
		a, b          []float32
		cosine, l2    float64
		max           float64
		at            int
		changed, lost int
	}{
		{"equal", []float32{1, -2, 3}, []float32{1, -2, 3}, 1, 0, 0, -1, 0, 0},
		{"opposite", []float32{1, -2}, []float32{-1, 2}, -1, 2, 4, 1, 2, 0},
		{"orthogonal", []float32{3, 0}, []float32{0, 4}, 0, 5. / 3, 4, 1, 2, 0},
		{"twice", []float32{3, 4}, []float32{6, 8}, 1, 1, 4, 1, 2, 0},
		{"both zero", []float32{0, 0}, []float32{0, 0}, 1, 0, 0, -1, 0, 0},
		{"from zero", []float32{0, 0}, []float32{0, 2}, 0, math.Inf(1), 2, 1, 1, 0},
		{"to zero", []float32{0, 2}, []float32{0, 0}, 0, 1, 2, 1, 1, 0},
		{"the sign of zero", []float32{0, 1}, []float32{float32(math.Copysign(0, -1)), 1}, 1, 0, 0, -1, 1, 0},
		{"not finite", []float32{1, nan, inf, 2}, []float32{1, nan, 5, 2}, 1, 0, 0, -1, 1, 2},
		{"largest floats", []float32{math.MaxFloat32, 1}, []float32{-math.MaxFloat32, 1}, -1, 2, 2 * math.MaxFloat32, 0, 1, 0},
		{"empty", nil, nil, 1, 0, 0, -1, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := measure(t, c.a, c.b)
			if !(math.Abs(r.Cosine-c.cosine) <= 1e-12) || !(r.RelativeL2 == c.l2 || math.Abs(r.RelativeL2-c.l2) <= 1e-12) {
				t.Errorf("cosine %v relative L2 %v, expected %v %v", r.Cosine, r.RelativeL2, c.cosine, c.l2)
			}
			if r.MaxAbs != c.max || r.MaxAt != c.at {
				t.Errorf("largest change %v at %d, expected %v at %d", r.MaxAbs, r.MaxAt, c.max, c.at)
			}
			if r.Elements != len(c.a) || r.Changed != c.changed || r.NotFinite != c.lost || r.Equal != (c.changed == 0) {
				t.Errorf("%d elements, %d changed, %d not finite, equal %v, expected %d, %d, %d", r.Elements, r.Changed, r.NotFinite, r.Equal, len(c.a), c.changed, c.lost)
			}
		})
	}
}

func TestBlocksAreOneWeight(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, blockValues - 1, blockValues, blockValues + 1, 2*blockValues + 7} {
		a, b := make([]float32, n), make([]float32, n)
		var ab, aa, bb, dd float64
		for e := range a {
			a[e] = float32(rng.NormFloat64())
			b[e] = a[e] + float32(0.01*rng.NormFloat64())
			u, v := float64(a[e]), float64(b[e])
			ab, aa, bb, dd = ab+u*v, aa+u*u, bb+v*v, dd+(v-u)*(v-u)
		}
		r := measure(t, a, b)
		if !(math.Abs(r.Cosine-ab/math.Sqrt(aa*bb)) <= 1e-12) || !(math.Abs(r.RelativeL2-math.Sqrt(dd/aa)) <= 1e-12) {
			t.Errorf("%d values: cosine %v relative L2 %v, expected %v %v", n, r.Cosine, r.RelativeL2, ab/math.Sqrt(aa*bb), math.Sqrt(dd/aa))
		}
		b[n-1] = a[n-1] + 100
		if r = measure(t, a, b); r.MaxAt != n-1 || r.Changed > n {
			t.Errorf("%d values: largest change at %d, expected the last; %d changed", n, r.MaxAt, r.Changed)
		}
	}
}

func TestChanges(t *testing.T) {
	// The root mean square of A is 1: the classes can be counted by hand.
	a := make([]float32, 16)
	b := make([]float32, 16)
	for e := range a {
		a[e] = 1
		b[e] = 1
	}
	b[1] = 1 + 0x1p-22 // 2.4e-7
	b[2], b[3] = 1.0005, 0.9995
	b[4], b[5], b[6] = 1.05, 0.95, 1.06
	b[7] = -4
	b[8] = 12
	r := measure(t, a, b)
	if want := (Changes{8, 1, 0, 0, 2, 0, 3, 0, 1, 1}); r.Changes != want {
		t.Errorf("changes %v, expected %v", r.Changes, want)
	}
	if got, want := r.Changes.String(), "▅▁..▂.▂.▁▁"; got != want {
		t.Errorf("drawn %s, expected %s", got, want)
	}
	if got := measure(t, []float32{0, 0}, []float32{0, 3}).Changes; got != (Changes{1, 0, 0, 0, 0, 0, 0, 0, 1}) {
		t.Errorf("from zero: %v, expected one change of the size of B", got)
	}
	if len(Edges()) != Bins-2 || !slices.IsSorted(Edges()) {
		t.Errorf("edges %v do not cut %d classes", Edges(), Bins)
	}
}

func TestTotalIsOneLongWeight(t *testing.T) {
	a, b := []float32{1, 2, 3, 4, 5}, []float32{1, 2, 4, 4, 4}
	var m Meter
	for _, cut := range [][2]int{{0, 2}, {2, 5}} {
		x, y := memory{a[cut[0]:cut[1]]}, memory{b[cut[0]:cut[1]]}
		if _, err := m.Weights(context.Background(), x, 0, y, 0, cut[1]-cut[0]); err != nil {
			t.Fatal(err)
		}
	}
	want := measure(t, a, b)
	want.MaxAt = -1
	if got := m.Total(); got != want {
		t.Errorf("total %+v, expected %+v", got, want)
	}
}

func TestWeightsErrors(t *testing.T) {
	var m Meter
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := m.Weights(ctx, memory{{1}}, 0, memory{nil}, 0, 1); err == nil || err.Error() != "compare: unreadable" {
		t.Errorf("error %v, expected that of reading B", err)
	}
	cancel()
	if _, err := m.Weights(ctx, memory{{1}}, 0, memory{{1}}, 0, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, expected that of the context", err)
	}
}
