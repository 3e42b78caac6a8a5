package evaluate

import (
	"math"
	"slices"
	"testing"

	"rpg/onnxio"
)

// readAll gives every weight of v.
func readAll(t *testing.T, m *onnxio.Model, v onnxio.Values) [][]float32 {
	t.Helper()
	var all [][]float32
	for i, w := range m.Weights() {
		values := make([]float32, w.Elements)
		if err := v.ReadValues(i, values, 0); err != nil {
			t.Fatal(err)
		}
		all = append(all, values)
	}
	return all
}

func equal(a, b [][]float32) bool {
	for i := range a {
		for e := range a[i] {
			if a[i][e] != b[i][e] {
				return false
			}
		}
	}
	return true
}

// testSource gives the models as a source of baselines.
func testSource(t *testing.T, zoo []*onnxio.Model) *source {
	t.Helper()
	sp, err := newSpace(t.Context(), zoo, 2)
	if err != nil {
		t.Fatal(err)
	}
	s := &source{space: sp}
	for _, m := range zoo {
		s.originals, s.names = append(s.originals, m), append(s.names, m.Path)
	}
	return s
}

func TestBaselinesDependOnTheSeedAlone(t *testing.T) {
	zoo := testZoo(t, 18)
	before := readAll(t, zoo[0], zoo[0])
	s := testSource(t, zoo)
	draw := func(count int, seed uint64) []group {
		return s.baselines(&Options{Noise: []float64{0.05}, SpreadNoise: []float64{0.5}, Baselines: count, Seed: seed}, "")
	}
	first, again, more, other := draw(2, 1), draw(2, 1), draw(3, 1), draw(2, 2)
	var names []string
	for i, g := range first {
		names = append(names, g.name)
		t.Run(g.name, func(t *testing.T) {
			if len(more[i].models) != 3 {
				t.Fatalf("%d baselines, expected 3", len(more[i].models))
			}
			second := readAll(t, zoo[0], g.models[1])
			if !equal(second, readAll(t, zoo[0], again[i].models[1])) || !equal(second, readAll(t, zoo[0], more[i].models[1])) {
				t.Error("the second baseline is another one when drawn again, or among more")
			}
			if equal(second, readAll(t, zoo[0], g.models[0])) || equal(second, readAll(t, zoo[0], other[i].models[1])) {
				t.Error("another draw or another seed gives the same baseline")
			}
		})
	}
	if want := []string{"noise 0.05", "spread noise 0.5", "average", "interpolation", "gaussian", "pca gaussian"}; !slices.Equal(names, want) {
		t.Errorf("groups %q, expected %q", names, want)
	}
	if !equal(before, readAll(t, zoo[0], zoo[0])) {
		t.Error("drawing baselines changed an original")
	}
}

// TestBaselineReadsAnyPart reads baselines in odd pieces: values that are made
// when they are read must not depend on how.
func TestBaselineReadsAnyPart(t *testing.T) {
	zoo := testZoo(t, 3)
	for _, g := range testSource(t, zoo).baselines(&Options{Noise: []float64{0.05}, Baselines: 1, Seed: 1}, "") {
		for i, w := range zoo[0].Weights() {
			whole, part := make([]float32, w.Elements), make([]float32, w.Elements)
			if err := g.models[0].ReadValues(i, whole, 0); err != nil {
				t.Fatal(err)
			}
			for off := 0; off < w.Elements; off += 7 {
				if err := g.models[0].ReadValues(i, part[off:min(off+7, w.Elements)], off); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(whole, part) {
				t.Errorf("%s: %s read in pieces of 7 has other values", g.name, w.Name)
			}
		}
	}
}

// TestBaselineMoments holds many draws of each baseline against what its
// definition says of mean and variance, over the originals, in token space.
func TestBaselineMoments(t *testing.T) {
	zoo := testZoo(t, 8)
	s := testSource(t, zoo)
	const draws = 400
	spread := s.variance() // of a value over the originals
	places := map[string][][]float32{}
	for _, g := range s.baselines(&Options{Noise: []float64{0.1}, SpreadNoise: []float64{2}, Baselines: draws, Seed: 3}, "") {
		for _, m := range g.models {
			p, err := s.place(m)
			if err != nil {
				t.Fatal(err)
			}
			places[g.name] = append(places[g.name], p)
		}
	}
	for _, c := range []struct {
		group    string
		models   int
		variance float64 // of a value over the draws
	}{
		{"noise 0.1", draws, 0.01 + spread*7/8},
		{"spread noise 2", draws, 4*spread + spread*7/8},
		{"gaussian", draws, spread},
		{"pca gaussian", draws, spread},
		{"interpolation", 28, spread * 7 / 8 * 3 / 7}, // two of eight without replacement
		{"average", 1, 0},
	} {
		got := places[c.group]
		if len(got) != c.models {
			t.Errorf("%s: %d models, expected %d", c.group, len(got), c.models)
			continue
		}
		drawn := s.in(got)
		if !(math.Abs(drawn.variance()-c.variance) <= 0.15*c.variance+1e-12) {
			t.Errorf("%s: variance %g, expected %g", c.group, drawn.variance(), c.variance)
		}
		off := distance(drawn.mean, s.mean) / math.Sqrt(float64(s.values))
		if want := math.Sqrt(c.variance/float64(c.models)) + 1e-6; !(off <= 1.3*want) {
			t.Errorf("%s: the mean of the draws is %g standard deviations from the originals', expected about %g", c.group, off, want)
		}
	}
}

// TestGaussiansDiffer tells a draw with the originals' covariance, which stays in
// the space they span, from one that takes each weight by itself.
func TestGaussiansDiffer(t *testing.T) {
	s := testSource(t, testZoo(t, 18))
	for _, g := range s.baselines(&Options{Baselines: 1, Seed: 2, Without: []string{BaselineNoise}}, "") {
		p, err := s.place(g.models[0])
		if err != nil {
			t.Fatal(err)
		}
		left := outside(s.places, p)
		if inside := g.name != GroupGaussian; inside != (left < 1e-3) {
			t.Errorf("%s: %g of its way from the mean is outside of what the originals span", g.name, left)
		}
	}
}

// outside is the part of the squared distance of p from places' mean that is
// orthogonal to all of them, by Gram-Schmidt in float64.
func outside(places [][]float32, p []float32) float64 {
	mean, _ := moments(places)
	centred := func(x []float32) []float64 {
		out := make([]float64, len(x))
		for i, v := range x {
			out[i] = float64(v) - float64(mean[i])
		}
		return out
	}
	dot := func(a, b []float64) (sum float64) {
		for i, v := range a {
			sum += v * b[i]
		}
		return sum
	}
	var basis [][]float64
	reduce := func(x []float64) {
		for range 2 {
			for _, b := range basis {
				f := dot(x, b) / dot(b, b)
				for i := range x {
					x[i] -= f * b[i]
				}
			}
		}
	}
	for _, place := range places[1:] {
		x := centred(place)
		reduce(x)
		basis = append(basis, x)
	}
	x := centred(p)
	before := dot(x, x)
	reduce(x)
	return dot(x, x) / before
}

func TestAverages(t *testing.T) {
	zoo := testZoo(t, 17)
	for _, c := range []struct{ originals, asked, want int }{{1, 5, 0}, {2, 5, 1}, {16, 5, 1}, {17, 5, 5}, {17, 0, 0}} {
		got := 0
		for _, g := range testSource(t, zoo[:c.originals]).baselines(&Options{Baselines: c.asked, Seed: 1}, "") {
			if g.name == GroupAverage {
				got = len(g.models)
			}
		}
		if got != c.want {
			t.Errorf("%d originals, %d asked for: %d averages, expected %d", c.originals, c.asked, got, c.want)
		}
	}
	s := testSource(t, zoo[:3])
	got := readAll(t, zoo[0], s.meanOf([]int{2, 0, 1}))
	a, b, c := readAll(t, zoo[0], zoo[0]), readAll(t, zoo[0], zoo[1]), readAll(t, zoo[0], zoo[2])
	for i := range got {
		for e, v := range got[i] {
			want := (float64(a[i][e]) + float64(b[i][e]) + float64(c[i][e])) / 3
			if !(math.Abs(float64(v)-want) <= 1e-6*math.Abs(want)+1e-12) {
				t.Fatalf("weight %d, element %d: %g, expected %g", i, e, v, want)
			}
		}
	}
}

// TestNoiseKeepsVariancesPositive noises a zoo with BatchNormalization far
// beyond what a network survives.
func TestNoiseKeepsVariancesPositive(t *testing.T) {
	zoo := resnetZoo(t, 3)
	noised := readAll(t, zoo[0], testSource(t, zoo).noised(1, 0.5, nil, 1, 1))
	variances := 0
	for i, w := range zoo[0].Weights() {
		if w.Role != onnxio.RoleVariance {
			continue
		}
		for e, v := range noised[i] {
			variances++
			if !(v > 0) {
				t.Fatalf("%s[%d] is %g", w.Name, e, v)
			}
		}
	}
	if variances == 0 {
		t.Error("the zoo has no variances; the test saw nothing")
	}
}
