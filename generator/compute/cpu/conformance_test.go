package cpu

import (
	"testing"

	"rpg/generator/compute"
	"rpg/generator/compute/computetest"
)

// partial is a device of which some operations are still missing.
type partial struct {
	*device
	missing
}
type missing struct{ compute.Device }

func TestConformance(t *testing.T) {
	computetest.Run(t, func() (compute.Device, error) {
		d, err := Open(2)
		return partial{device: d}, err
	})
}
