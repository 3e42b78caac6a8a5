package evaluate

import (
	"math"
	"testing"
)

func TestWilson(t *testing.T) {
	// Reference: statsmodels.stats.proportion.proportion_confint(k, n, method="wilson").
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{
		{0, 0, 0, 1},
		{0, 10, 0, 0.2775327998628892},
		{10, 10, 0.7224672001371107, 1},
		{5, 10, 0.236593090512564, 0.763406909487436},
		{1, 1, 0.2065493143772375, 1},
		{9173, 10000, 0.9117318, 0.9225403},
	} {
		low, high := Wilson(c.k, c.n)
		if !(math.Abs(low-c.low) < 1e-5) || !(math.Abs(high-c.high) < 1e-5) {
			t.Errorf("Wilson(%d, %d) = %.7f to %.7f, expected %.7f to %.7f", c.k, c.n, low, high, c.low, c.high)
		}
	}
}

func bitset(n int, marked ...int) Bitset {
	b := NewBitset(n)
	for _, i := range marked {
		b.Set(i)
	}
	return b
}

func TestIoU(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b Bitset
		want float64
	}{
		{"equal", bitset(130, 0, 64, 129), bitset(130, 0, 64, 129), 1},
		{"apart", bitset(130, 0, 64), bitset(130, 1, 129), 0},
		{"half", bitset(130, 0, 64, 129), bitset(130, 64, 129, 3), 0.5},
		{"one errs", bitset(130), bitset(130, 3), 0},
		{"neither errs", bitset(130), bitset(130), 1},
	} {
		if got := IoU(c.a, c.b); got != c.want {
			t.Errorf("%s: IoU %g, expected %g", c.name, got, c.want)
		}
	}
	b := bitset(130, 0, 64, 129)
	if b.Len() != 3 || !b.Has(129) || b.Has(128) {
		t.Errorf("Bitset: %d marked, 129 %v, 128 %v", b.Len(), b.Has(129), b.Has(128))
	}
}

func TestSummarizeAndMedian(t *testing.T) {
	got, want := summarize([]float64{1, 2, 3, 6}), Summary{3, math.Sqrt(14.0 / 3), 1, 6}
	if !(math.Abs(got.Mean-want.Mean) < 1e-12) || !(math.Abs(got.Std-want.Std) < 1e-12) || got.Min != want.Min || got.Max != want.Max {
		t.Errorf("summarize: %v, expected %v", got, want)
	}
	if got, want := summarize([]float64{2}), (Summary{2, 0, 2, 2}); got != want {
		t.Errorf("summarize of one: %v, expected %v", got, want)
	}
	for _, c := range []struct {
		v    []float64
		want float64
	}{{[]float64{3, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}, {[]float64{7}, 7}} {
		if got := median(c.v); got != c.want {
			t.Errorf("median(%v) = %g, expected %g", c.v, got, c.want)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("the median of nothing is a number")
	}
}

func TestRankOf(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		name       string
		logits     []float32
		label      int
		best, rank int
		tied, ok   bool
	}{
		{"highest", []float32{1, 3, 2}, 1, 1, 0, false, true},
		{"lowest", []float32{1, 3, 2}, 0, 1, 2, false, true},
		{"tie, label first", []float32{3, 3, 2}, 0, 0, 0, true, true},
		{"tie, label second", []float32{3, 3, 2}, 1, 0, 1, true, true},
		{"all equal", []float32{0, 0, 0, 0, 0, 0}, 5, 0, 5, true, true},
		{"tie below the highest", []float32{2, 3, 2}, 2, 1, 2, false, true},
		{"tie that is overtaken", []float32{3, 3, 4}, 2, 2, 0, false, true},
		{"infinite tie", []float32{0, float32(math.Inf(1)), float32(math.Inf(1))}, 2, 1, 1, true, true},
		{"infinite", []float32{float32(math.Inf(-1)), float32(math.Inf(1)), 0}, 1, 1, 0, false, true},
		{"NaN first", []float32{nan, 1, 2}, 2, 0, 0, false, false},
		{"NaN last", []float32{1, 2, nan}, 1, 0, 0, false, false},
	} {
		best, rank, tied, ok := rankOf(c.logits, c.label)
		if ok != c.ok || ok && (best != c.best || rank != c.rank || tied != c.tied) {
			t.Errorf("%s: %d, %d, %v, %v, expected %d, %d, %v, %v", c.name, best, rank, tied, ok, c.best, c.rank, c.tied, c.ok)
		}
	}
}
