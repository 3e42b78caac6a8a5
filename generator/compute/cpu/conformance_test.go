package cpu

import (
	"fmt"
	"testing"

	"rpg/generator/compute"
	"rpg/generator/compute/computetest"
)

func TestConformance(t *testing.T) {
	computetest.Run(t, func() (compute.Device, error) { return Open(2) })
}

// Every kernel keeps to the references, and results are the same, bit for bit,
// at any number of threads and with either vector kernel.
func TestSameBits(t *testing.T) {
	outputs := func(t *testing.T, k *kernel, threads int) map[string][]uint32 {
		return computetest.Outputs(t, func() (compute.Device, error) { return open(threads, k) })
	}
	var vector map[string][]uint32 // of the first vector kernel
	for _, k := range kernels() {
		want := vector
		if want == nil || k == &portable {
			t.Run(k.name+" 1 thread", func(t *testing.T) { want = outputs(t, k, 1) })
		}
		if vector == nil {
			vector = want
		}
		for _, threads := range []int{2, 3} {
			if threads == 2 && k != kernels()[0] && k != &portable {
				continue
			}
			t.Run(fmt.Sprintf("%s %d threads", k.name, threads), func(t *testing.T) {
				computetest.Compare(t, outputs(t, k, threads), want)
			})
		}
	}
}
