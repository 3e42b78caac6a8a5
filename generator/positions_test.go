package generator

import (
	"math"
	"slices"
	"testing"
)

// TestPositions: coded positions are the sines plus standard normal numbers, and
// do not depend on where the filling begins.
func TestPositions(t *testing.T) {
	const l, m = 90, 16
	layout := longLayout(l, 8)
	c := small(t).Config
	sines, coded, tail := make([]float32, l*m), make([]float32, l*m), make([]float32, 40*m)
	c.Positions = "sines"
	c.fillPositions(sines, layout, 0)
	if !slices.Equal(sines, layout.Positions(m)) {
		t.Error("sines are not the layout's positions")
	}
	c.Positions = "coded"
	c.fillPositions(coded, layout, 0)
	c.fillPositions(tail, layout, 50)
	if !slices.Equal(tail, coded[50*m:]) {
		t.Error("positions from token 50 on differ from those of the whole")
	}
	sum, squares := 0.0, 0.0
	for i, v := range coded {
		d := float64(v) - float64(sines[i])
		sum += d
		squares += d * d
	}
	n := float64(l * m)
	if !(math.Abs(sum/n) < 4/math.Sqrt(n)) || !(math.Abs(squares/n-1) < 4*math.Sqrt(2/n)) {
		t.Errorf("the codes have mean %.3f and mean square %.3f, want 0 and 1", sum/n, squares/n)
	}
}
