package evaluate

import (
	"math"
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

func TestBaselinesDependOnTheSeedAlone(t *testing.T) {
	zoo := testZoo(t, 18)
	before := readAll(t, zoo[0], zoo[0])
	sp, err := newSpace(t.Context(), zoo, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		draw func(count int, seed uint64) []onnxio.Values
	}{
		{"noise", func(count int, seed uint64) []onnxio.Values { return sp.noised(zoo, 0.05, count, seed, 1) }},
		{"average", func(count int, seed uint64) []onnxio.Values { return averages(zoo, count, seed, 0) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			first, again, more, other := c.draw(2, 1), c.draw(2, 1), c.draw(3, 1), c.draw(2, 2)
			if len(more) != 3 {
				t.Fatalf("%d baselines, expected 3", len(more))
			}
			second := readAll(t, zoo[0], first[1])
			if !equal(second, readAll(t, zoo[0], again[1])) || !equal(second, readAll(t, zoo[0], more[1])) {
				t.Error("the second baseline is another one when drawn again, or among more")
			}
			if equal(second, readAll(t, zoo[0], first[0])) || equal(second, readAll(t, zoo[0], other[1])) {
				t.Error("another draw or another seed gives the same baseline")
			}
		})
	}
	if !equal(before, readAll(t, zoo[0], zoo[0])) {
		t.Error("drawing baselines changed an original")
	}
}

func TestAverages(t *testing.T) {
	zoo := testZoo(t, 17)
	for _, c := range []struct{ originals, asked, want int }{{1, 5, 0}, {2, 5, 1}, {16, 5, 1}, {17, 5, 5}, {17, 0, 0}} {
		if got := len(averages(zoo[:c.originals], c.asked, 1, 0)); got != c.want {
			t.Errorf("%d originals, %d asked for: %d averages, expected %d", c.originals, c.asked, got, c.want)
		}
	}
	got := readAll(t, zoo[0], averages(zoo[:3], 1, 1, 0)[0])
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
	sp, err := newSpace(t.Context(), zoo, 2)
	if err != nil {
		t.Fatal(err)
	}
	noised := readAll(t, zoo[0], sp.noised(zoo, 0.5, 1, 1, 1)[0])
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
