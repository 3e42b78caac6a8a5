package cuda

import (
	"errors"
	"fmt"
	"testing"

	"rpg/generator/compute"
	"rpg/generator/compute/computetest"
)

// The tests of this file run on the machine's first GPU; make test-gpu runs them, and
// the kit of make gpu-kit elsewhere. Without a GPU they are skipped.

// openGPU opens the GPU until the test ends.
func openGPU(t *testing.T, bf16 bool) *device {
	t.Helper()
	d, err := Open(0, bf16)
	var missing *MissingError
	if errors.As(err, &missing) {
		t.Skipf("not run on a GPU: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return untilEnd(t, d)
}

// With bf16, what may round its operands is held to that by TestGPUProducts and
// TestGPUConvLayer; all other operations are held to the same answers as ever.
func TestGPUConformance(t *testing.T) {
	t.Logf("on %s", openGPU(t, false).Info().Name)
	for _, bf16 := range []bool{false, true} {
		var except []string
		if bf16 {
			except = []string{"Gemm", "ConvLayer", "ConvLayerBackward"}
		}
		t.Run(fmt.Sprintf("bf16=%t", bf16), func(t *testing.T) {
			open := func() (compute.Device, error) { return Open(0, bf16) }
			computetest.Run(t, open, except...)
			if bf16 {
				computetest.RunRounded(t, open)
			}
		})
	}
}

// Products by the own kernels, and by cuBLASLt where the machine has it.
func TestGPUProducts(t *testing.T) {
	openGPU(t, false)
	for _, by := range []string{"own", ""} {
		for _, bf16 := range []bool{false, true} {
			t.Run(fmt.Sprintf("RPG_CUDA_BLAS=%s,bf16=%t", by, bf16), func(t *testing.T) {
				t.Setenv("RPG_CUDA_BLAS", by)
				testProducts(t, openGPU(t, bf16), bf16)
			})
		}
	}
}

// Tensor cores against float32 on the same GPU, as in TestConvLayerBF16.
func TestGPUConvLayer(t *testing.T) {
	openGPU(t, false)
	for _, c := range bf16ConvCases {
		t.Run(c.String(), func(t *testing.T) {
			tol := 0.04
			if c.integers {
				tol = 0
			}
			near(t, c.outputs(t, openGPU(t, true)), c.outputs(t, openGPU(t, false)), tol)
		})
	}
}

// Signals in bf16, as in TestConvLayerRounded.
func TestGPUConvLayerRounded(t *testing.T) {
	for _, c := range roundedCases {
		t.Run(c.String(), func(t *testing.T) { c.test(t, openGPU(t, true)) })
	}
}

// Uploads into rounded buffers, as in TestUploadRounded.
func TestGPUUploadRounded(t *testing.T) { testUploadRounded(t, openGPU(t, true)) }

func TestGPUTraining(t *testing.T) {
	openGPU(t, false)
	testTraining(t, func(t *testing.T) *device { return openGPU(t, false) }, float32Training)
	testTraining(t, func(t *testing.T) *device { return openGPU(t, true) }, bf16Training)
}

// TestGPUForecast: a training takes as much of the GPU's memory as is forecast, within
// 5 %, by what the driver says is free before and after it.
func TestGPUForecast(t *testing.T) {
	for _, bf16 := range []bool{false, true} {
		testForecastUsed(t, openGPU(t, bf16), bf16, "8192")
	}
}
