package cuda

import (
	"fmt"

	"rpg/generator/compute"
)

// notYet is kept by the device as the failure of an operation without a kernel.
// conformance_test.go lists the same operations.
func (d *device) notYet(operation string) {
	d.keep(fmt.Errorf("cuda: this build has no kernel for %s; use --device cpu", operation))
}

func (d *device) Gemm(c, a, b compute.Matrix, transA, transB bool, beta float32, bias compute.Buffer) {
	d.notYet("Gemm")
}

func (d *device) CausalConv(a compute.CausalConv)                 { d.notYet("CausalConv") }
func (d *device) CausalConvBackward(a compute.CausalConvBackward) { d.notYet("CausalConvBackward") }
func (d *device) SSD(a compute.SSD)                               { d.notYet("SSD") }
func (d *device) SSDBackward(a compute.SSDBackward)               { d.notYet("SSDBackward") }

func (d *device) GatedRMSNorm(y, x, z compute.Matrix, w compute.Buffer, eps float32) {
	d.notYet("GatedRMSNorm")
}

func (d *device) GatedRMSNormBackward(dx, dz compute.Matrix, dw compute.Buffer, dy, x, z compute.Matrix, w compute.Buffer, eps float32) {
	d.notYet("GatedRMSNormBackward")
}

func (d *device) LayerNorm(y, x, shift, scale compute.Matrix, eps float32) { d.notYet("LayerNorm") }

func (d *device) LayerNormBackward(dx, dshift, dscale, dy, x, scale compute.Matrix, eps float32) {
	d.notYet("LayerNormBackward")
}

func (d *device) GateAdd(y, h, u, r compute.Matrix)               { d.notYet("GateAdd") }
func (d *device) GateAddBackward(du, dr, dy, u, r compute.Matrix) { d.notYet("GateAddBackward") }

func (d *device) ConvLayer(a compute.ConvLayer)                    { d.notYet("ConvLayer") }
func (d *device) PackConvLayer(a compute.ConvLayer) compute.Buffer { return nil }
func (d *device) ConvLayerBackward(a compute.ConvLayerBackward)    { d.notYet("ConvLayerBackward") }

func (d *device) TimeFeatures(y compute.Matrix, t compute.Buffer) { d.notYet("TimeFeatures") }
func (d *device) Normal(dst compute.Buffer, seed, stream uint64)  { d.notYet("Normal") }

func (d *device) Diffuse(xt, target, x0, eps compute.Matrix, a, b compute.Buffer, p compute.Prediction) {
	d.notYet("Diffuse")
}

func (d *device) MaskedMSE(loss compute.Buffer, dpred, pred, target compute.Matrix, valid compute.Ints) {
	d.notYet("MaskedMSE")
}

func (d *device) AdamW(a compute.AdamW)                    { d.notYet("AdamW") }
func (d *device) EMA(ema, p compute.Buffer, decay float32) { d.notYet("EMA") }
