package cuda

import (
	"os"
	"testing"

	"rpg/generator/compute"
	"rpg/generator/compute/computetest"
)

// everything says whether the tests that take minutes are asked for: the other
// orders of threads, the sanitizers and the planted faults.
func everything() bool { return os.Getenv("RPG_TEST_CUDA") == "all" }

func TestConformance(t *testing.T) {
	lib := shimLibrary(t, plain)
	orders := []string{"forward", "reverse", "random"}
	if !everything() && os.Getenv(libraryVariable) == "" {
		t.Log("only forward order of threads: RPG_TEST_CUDA=all, as in .ci/run, adds reverse and random")
		orders = orders[:1]
	}
	for _, order := range orders {
		t.Run(order, func(t *testing.T) {
			t.Setenv("RPG_SHIM_ORDER", order)
			computetest.Run(t, func() (compute.Device, error) { return OpenLibrary(lib, 0, false) })
			computetest.RunRounded(t, func() (compute.Device, error) { return OpenLibrary(lib, 0, true) })
		})
	}
}
