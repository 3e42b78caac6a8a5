package cpu

import (
	"math"
	"testing"

	"rpg/generator/compute"
)

// What is measured cannot be judged here, but it must be a number.
func TestMeasurements(t *testing.T) {
	for _, k := range kernels() {
		d, err := open(1, k)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		for name, v := range map[string]float64{"FMAPeak": FMAPeak(d), "CopyBandwidth": CopyBandwidth(d)} {
			if !(v > 1e6) || math.IsInf(v, 0) {
				t.Errorf("%s of %s is %g", name, k.name, v)
			}
		}
	}
}

func TestMeasurementsOfOtherDevices(t *testing.T) {
	defer func() {
		if recover() != errForeign {
			t.Error("no panic")
		}
	}()
	var other struct{ compute.Device }
	FMAPeak(other)
}
