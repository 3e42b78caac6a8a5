package cpu

import (
	"fmt"
	"math"
	"testing"

	"rpg/generator/compute"
)

// Numbers in assembly against those of package compute, in float64 but for the
// last rounding: among them the largest, of small u, and the smallest.
func TestNormalGroup(t *testing.T) {
	for _, kn := range kernels()[:len(kernels())-1] {
		for _, c := range []struct {
			name                string
			seed, stream, first uint64
		}{
			{"small", 1, 2, 0}, {"large words", math.MaxUint64, math.MaxUint64 - 5, 1<<40 - numberBlocks}, {"carry", 7, 1 << 33, 1<<32 - numberBlocks},
		} {
			t.Run(fmt.Sprintf("%s %s", kn.name, c.name), func(t *testing.T) {
				l := loops{chooseLoops(kn.name)}
				got, memory := make([]float32, 4*numberBlocks), make([]float32, numbersMemory)
				var worst, most float64
				for group := range uint64(4000) {
					first := c.first + group*numberBlocks
					l.normalGroup(got, memory, c.seed, c.stream, first)
					for i := range uint64(numberBlocks) {
						for j, want := range compute.Normals(c.seed, c.stream, first+i) {
							v := float64(got[4*i+uint64(j)])
							if e := math.Abs(v-float64(want)) / (1 + math.Abs(v)); !(e <= worst) {
								worst = e
							}
							most = max(most, math.Abs(v))
						}
					}
				}
				t.Logf("largest error %.3g, largest number %.3g", worst, most)
				if !(worst < 3e-7) {
					t.Errorf("largest error %.3g", worst)
				}
			})
		}
	}
}
