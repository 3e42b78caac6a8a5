package cuda

import (
	"testing"

	"rpg/generator/compute"
	"rpg/generator/compute/computetest"
)

func TestConformance(t *testing.T) {
	lib := shimLibrary(t, plain)
	for _, order := range []string{"forward", "reverse", "random"} {
		t.Run(order, func(t *testing.T) {
			t.Setenv("RPG_SHIM_ORDER", order)
			computetest.Run(t, func() (compute.Device, error) { return OpenLibrary(lib, 0, false) })
		})
	}
}
