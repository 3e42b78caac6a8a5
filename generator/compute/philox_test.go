package compute_test

import (
	"math"
	"testing"

	"rpg/generator/compute"
)

// The known answers of Random123 1.14, file tests/kat_vectors, lines
// "philox4x32 10 COUNTER[4] KEY[2] RESULT[4]".
func TestPhiloxKnownAnswers(t *testing.T) {
	for _, c := range []struct {
		name    string
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{"zeros", [4]uint32{}, [2]uint32{},
			[4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{"ones", [4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [2]uint32{0xffffffff, 0xffffffff},
			[4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{"digits of pi", [4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			join := func(lo, hi uint32) uint64 { return uint64(hi)<<32 | uint64(lo) }
			got := compute.Philox(join(c.key[0], c.key[1]), join(c.counter[2], c.counter[3]), join(c.counter[0], c.counter[1]))
			if got != c.want {
				t.Errorf("got %08x, want %08x", got, c.want)
			}
		})
	}
}

func TestNormalsMoments(t *testing.T) {
	const blocks = 1 << 16
	var sum [5]float64
	for b := range uint64(blocks) {
		for _, v := range compute.Normals(7, 3, b) {
			p := 1.0
			for k := range sum {
				sum[k] += p
				p *= float64(v)
			}
		}
	}
	n := sum[0]
	// Moments 0, 1, 0, 3 with five standard errors of each.
	for k, m := range []struct{ want, variance float64 }{1: {0, 1}, 2: {1, 2}, 3: {0, 15}, 4: {3, 96}} {
		if k == 0 {
			continue
		}
		got, tol := sum[k]/n, 5*math.Sqrt(m.variance/n)
		if !(math.Abs(got-m.want) <= tol) {
			t.Errorf("moment %d: got %g, want %g ± %g", k, got, m.want, tol)
		}
	}
}

// Normals against its formula in the functions of package math.
func TestNormalsFormula(t *testing.T) {
	for block := range uint64(20000) {
		r := compute.Philox(1, 2, block)
		got := compute.Normals(1, 2, block)
		for i := 0; i < 4; i += 2 {
			radius := math.Sqrt(-2 * math.Log((float64(r[i])+1)/(1<<32)))
			angle := 2 * math.Pi * float64(r[i+1]) / (1 << 32)
			for k, want := range []float64{radius * math.Cos(angle), radius * math.Sin(angle)} {
				if diff := math.Abs(float64(got[i+k]) - want); !(diff <= 1e-7*math.Abs(want)+1e-15) {
					t.Fatalf("block %d, value %d: got %g, want %g", block, i+k, got[i+k], want)
				}
			}
		}
	}
}

func TestUniformAndIntn(t *testing.T) {
	const n, sides = 60000, 6
	var mean float64
	var count [sides]int
	for i := range uint64(n) {
		u := compute.Uniform(11, 5, i)
		if !(u >= 0 && u < 1) {
			t.Fatalf("Uniform %d: %g is outside [0, 1)", i, u)
		}
		mean += u / n
		k := compute.Intn(11, 5, i, sides)
		if k != int(u*sides) {
			t.Fatalf("Intn %d: got %d, but Uniform is %g", i, k, u)
		}
		count[k]++
	}
	if !(math.Abs(mean-0.5) <= 5/math.Sqrt(12*n)) {
		t.Errorf("mean %g is too far from 0.5", mean)
	}
	for k, c := range count {
		if p := 1.0 / sides; !(math.Abs(float64(c)-n*p) <= 5*math.Sqrt(n*p*(1-p))) {
			t.Errorf("%d came %d times of %d", k, c, n)
		}
	}
	if compute.Uniform(11, 5, 0) == compute.Uniform(11, 6, 0) || compute.Uniform(11, 5, 0) == compute.Uniform(12, 5, 0) {
		t.Error("stream or seed has no effect")
	}
}
