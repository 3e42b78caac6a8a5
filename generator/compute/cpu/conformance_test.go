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

// Every kernel keeps to the references. Results are the same, bit for bit, at
// any number of threads, and with either vector kernel.
func TestSameBits(t *testing.T) {
	var want map[string][]uint32
	for _, k := range kernels() {
		if k == &portable {
			want = nil // its sums are rounded at other places
		}
		for _, threads := range []int{1, 2, 3, 7} {
			if threads != 1 && threads != 3 && k != kernels()[0] {
				continue // to save time
			}
			t.Run(fmt.Sprintf("%s %d threads", k.name, threads), func(t *testing.T) {
				got := computetest.Outputs(t, func() (compute.Device, error) { return open(threads, k) })
				if want == nil {
					want = got
				}
				computetest.Compare(t, got, want)
			})
		}
	}
}
