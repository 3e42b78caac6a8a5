package cpu

import (
	"fmt"
	"math"
	"testing"
)

// Each loop in assembly against its twin in Go, at lengths around those of a
// register, in ordinary and in extreme ranges, and with NaN, which must not get
// lost. Arrays are drawn anew for each, so that in-place results start equal.
func TestLoops(t *testing.T) {
	tests := []struct {
		name string
		run  func(l loops, a arrays) []float64
	}{
		{"scale", func(l loops, a arrays) []float64 { l.scale(a[0], a[1], 0.7); return nil }},
		{"mulAdd", func(l loops, a arrays) []float64 { l.mulAdd(a[0], a[1], a[2]); return nil }},
		{"sum", func(l loops, a arrays) []float64 { return []float64{l.sum(a[0])} }},
		{"squares", func(l loops, a arrays) []float64 { return []float64{l.squares(a[0], 0.4)} }},
		{"dot", func(l loops, a arrays) []float64 { return []float64{l.dot(a[0], a[1])} }},
		{"silu", func(l loops, a arrays) []float64 { l.silu(a[0], a[1]); return nil }},
		{"silu in place", func(l loops, a arrays) []float64 { l.silu(a[0], a[0]); return nil }},
		{"siluBack", func(l loops, a arrays) []float64 { l.siluBack(a[0], a[1], a[2]); return nil }},
		{"siluBack in place", func(l loops, a arrays) []float64 { l.siluBack(a[0], a[1], a[0]); return nil }},
		{"gate", func(l loops, a arrays) []float64 { return []float64{l.gate(a[0], a[1], a[2])} }},
		{"weigh", func(l loops, a arrays) []float64 { l.weigh(a[0], a[1], a[2], 0.7); return nil }},
		{"weighBack", func(l loops, a arrays) []float64 { return []float64{l.weighBack(a[0], a[1], a[2], a[3], 0.7)} }},
		{"gateBack", func(l loops, a arrays) []float64 {
			l.gateBack(a[0], a[1], a[2], a[3], a[4], a[5], a[6], 0.7, 0.3)
			return nil
		}},
		{"elu", func(l loops, a arrays) []float64 { l.elu(a[0], a[1], 0.1, 0.7, -0.2); return nil }},
		{"eluBackFrom", func(l loops, a arrays) []float64 {
			s, p := l.eluBackFrom(a[0], a[1], a[2], a[3], 0.1, 0.7)
			return []float64{s, p}
		}},
		{"eluNormBack", func(l loops, a arrays) []float64 {
			l.eluNormBack(a[0], a[1], a[2], 0.1, 0.7, 1.2, -0.2, 0.3, 0.2)
			return nil
		}},
		{"modulate", func(l loops, a arrays) []float64 { l.modulate(a[0], a[1], a[2], a[3]); return nil }},
		{"modulateSkip", func(l loops, a arrays) []float64 { l.modulateSkip(a[0], a[1], a[2], a[3], a[4]); return nil }},
		{"modulateBack", func(l loops, a arrays) []float64 {
			l.modulateBack(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7])
			return nil
		}},
		{"modulateSkipBack", func(l loops, a arrays) []float64 {
			l.modulateSkipBack(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8])
			return nil
		}},
		{"taps4", func(l loops, a arrays) []float64 {
			l.taps4(a[0], a[1], [4][]float32{a[2], a[3], a[4], a[5]}, [4][]float32{a[6], a[7], a[8], a[1]})
			return nil
		}},
		{"taps4Back", func(l loops, a arrays) []float64 {
			l.taps4Back(a[0], [4][]float32{a[1], a[2], a[3], a[4]}, a[5], [4][]float32{a[6], a[7], a[8], a[5]})
			return nil
		}},
		{"decay", func(l loops, a arrays) []float64 { l.decay(a[0], a[1], a[2], 0.7); return nil }},
		{"decayBack", func(l loops, a arrays) []float64 {
			return []float64{l.decayBack(a[0], a[1], a[2], a[3], a[4], a[5], a[6], 0.7)}
		}},
		{"mix", func(l loops, a arrays) []float64 {
			s, p := l.mix(a[0], a[1], a[2], a[3], 0.7, 0.3)
			return []float64{s, p}
		}},
		{"expSum", func(l loops, a arrays) []float64 { return []float64{l.expSum(a[0], a[1], 0.4)} }},
		{"expSum in place", func(l loops, a arrays) []float64 { return []float64{l.expSum(a[0], a[0], 0.4)} }},
		{"attendBack", func(l loops, a arrays) []float64 { l.attendBack(a[0], a[1], 0.4, 0.7); return nil }},
		{"lstm", func(l loops, a arrays) []float64 {
			l.lstm(gates{a[1], a[2], a[3], a[4]}, a[0], a[5], a[6])
			return nil
		}},
		{"lstmBack", func(l loops, a arrays) []float64 {
			l.lstmBack(gates{a[1], a[2], a[3], a[4]}, a[5], a[6], a[7], a[0])
			return nil
		}},
		{"combine2", func(l loops, a arrays) []float64 { l.combine2(a[0], a[1], a[2], 0.7, -0.4); return nil }},
		{"combine3", func(l loops, a arrays) []float64 { l.combine3(a[0], a[1], a[2], a[0], 0.7, -0.4, 1.3); return nil }},
		{"difference", func(l loops, a arrays) []float64 { return []float64{l.difference(a[0], a[1], a[2], 0.7)} }},
		{"addScaled", func(l loops, a arrays) []float64 { return []float64{l.addScaled(a[0], a[1], a[2], 0.7)} }},
	}
	for _, kn := range kernels()[:len(kernels())-1] { // the last one has no loops
		for _, test := range tests {
			for _, n := range []int{0, 1, 7, 8, 9, 16, 24, 31, 64, 83} {
				for _, r := range []struct {
					name   string
					spread float32
					nan    bool
				}{{"ordinary", 2, false}, {"extreme", 120, false}, {"NaN", 2, true}} {
					t.Run(fmt.Sprintf("%s %s %d values %s", kn.name, test.name, n, r.name), func(t *testing.T) {
						testLoop(t, chooseLoops(kn.name), test.run, n, r.spread, r.nan)
					})
				}
			}
		}
	}
}

type arrays [][]float32

func testLoop(t *testing.T, fast *fastLoops, run func(l loops, a arrays) []float64, n int, spread float32, nan bool) {
	draw := func() arrays {
		var a arrays
		for i := range 9 {
			v := normals(uint64(100+i), n+3)
			for j := range v {
				v[j] *= spread
			}
			if nan {
				v[n/2] = float32(math.NaN())
			}
			a = append(a, v)
		}
		return a
	}
	got, want := draw(), draw()
	// The length of the call is that of the first array; what lies behind it must
	// stay.
	shorten := func(a arrays) arrays { return append(arrays{a[0][:n]}, a[1:]...) }
	sums := run(loops{fast}, shorten(got))
	wantSums := run(loops{}, shorten(want))
	scale := float64(spread) * float64(spread) * float64(spread)
	for i := range want {
		size := rootMeanSquare(want[i])
		for j := range want[i] {
			if !near(float64(got[i][j]), float64(want[i][j]), 2e-6*size) {
				t.Fatalf("array %d, value %d is %v, want %v", i, j, got[i][j], want[i][j])
			}
			if j >= n && math.Float32bits(got[i][j]) != math.Float32bits(want[i][j]) {
				t.Fatalf("array %d: value %d, behind the end, has changed", i, j)
			}
		}
	}
	for i := range wantSums {
		if !near(sums[i], wantSums[i], 1e-6*scale*float64(n+1)) {
			t.Fatalf("sum %d is %v, want %v", i, sums[i], wantSums[i])
		}
	}
}

// rootMeanSquare is that of the values that are numbers.
func rootMeanSquare(x []float32) float64 {
	var sum float64
	for _, v := range x {
		if v == v {
			sum += float64(v) * float64(v)
		}
	}
	return math.Sqrt(sum / float64(len(x)))
}

// near says whether both are NaN or differ by at most tol and 2e-6 of their size.
func near(got, want, tol float64) bool {
	if math.IsNaN(want) {
		return math.IsNaN(got)
	}
	return math.Abs(got-want) <= tol+2e-6*math.Abs(want)
}
