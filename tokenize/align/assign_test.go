package align

import (
	"math"
	"math/rand/v2"
	"testing"
)

// total is the gain of an assignment; it fails for one that is no permutation.
func total(t *testing.T, gain []float64, n int, columns []int32) float64 {
	t.Helper()
	seen := make([]bool, n)
	sum := 0.0
	for i, j := range columns {
		if j < 0 || int(j) >= n || seen[j] {
			t.Fatalf("%v is not a permutation", columns)
		}
		seen[j] = true
		sum += gain[i*n+int(j)]
	}
	return sum
}

// best tries every permutation.
func best(gain []float64, n int) float64 {
	taken := make([]bool, n)
	var try func(i int) float64
	try = func(i int) float64 {
		if i == n {
			return 0
		}
		most := math.Inf(-1)
		for j := range n {
			if !taken[j] {
				taken[j] = true
				most = max(most, gain[i*n+j]+try(i+1))
				taken[j] = false
			}
		}
		return most
	}
	return try(0)
}

func TestAssignIsBest(t *testing.T) {
	for _, c := range []struct {
		name string
		draw func(r *rand.Rand) float64
	}{
		{"normal", func(r *rand.Rand) float64 { return r.NormFloat64() }},
		{"many ties", func(r *rand.Rand) float64 { return float64(r.IntN(3)) }},
		{"all equal", func(r *rand.Rand) float64 { return 2 }},
		{"all zero", func(r *rand.Rand) float64 { return 0 }},
		{"large and small", func(r *rand.Rand) float64 { return math.Pow(10, 12*r.Float64()-6) * (r.Float64() - 0.5) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 1))
			for n := range 8 {
				for range 40 {
					gain := make([]float64, n*n)
					for i := range gain {
						gain[i] = c.draw(r)
					}
					got, want := total(t, gain, n, assign(gain, n)), best(gain, n)
					if !(math.Abs(got-want) <= 1e-9*(1+math.Abs(want))) {
						t.Fatalf("%d rows: gain %g, the best is %g, of %v", n, got, want, gain)
					}
				}
			}
		})
	}
}

func TestAssignKeepsEqualRowsInPlace(t *testing.T) {
	const n = 9
	for i, j := range assign(make([]float64, n*n), n) {
		if int(j) != i {
			t.Fatalf("row %d got column %d though all are equal", i, j)
		}
	}
}

// A hidden permutation whose entries are the largest of their rows and columns.
func TestAssignFindsHiddenPermutation(t *testing.T) {
	const n = 300
	r := rand.New(rand.NewPCG(2, 2))
	hidden := r.Perm(n)
	gain := make([]float64, n*n)
	for i := range gain {
		gain[i] = r.Float64()
	}
	for i, j := range hidden {
		gain[i*n+j] += 1
	}
	for i, j := range assign(gain, n) {
		if int(j) != hidden[i] {
			t.Fatalf("row %d got column %d, expected %d", i, j, hidden[i])
		}
	}
}
