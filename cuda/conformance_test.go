package cuda

import (
	"testing"

	"rpg/generator/compute"
	"rpg/generator/compute/computetest"
)

// notYet lists the operations without a kernel; see notyet.go.
var notYet = []string{"Normal", "AdamW", "LSTM", "LSTMBackward", "Attention", "AttentionBackward"}

func TestConformance(t *testing.T) {
	if len(notYet) > 0 {
		t.Logf("%d operations have no kernel yet: %v", len(notYet), notYet)
	}
	lib := shimLibrary(t, plain)
	for _, order := range []string{"forward", "reverse", "random"} {
		t.Run(order, func(t *testing.T) {
			t.Setenv("RPG_SHIM_ORDER", order)
			computetest.Run(t, func() (compute.Device, error) { return OpenLibrary(lib, 0, false) }, notYet...)
		})
	}
}
