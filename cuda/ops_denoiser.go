package cuda

import "rpg/generator/compute"

// errPrediction is the constant text of a programmer error.
const errPrediction = "compute: unknown prediction"

// Mirrors of the structs in rpg.h, whose comments say what the operations do.
type (
	layerNormArgs struct {
		y, x, shift, scale matrix
		eps                float32
	}
	layerNormBackwardArgs struct {
		dx, dshift, dscale, dy, x, scale matrix
		eps                              float32
	}
	gateAddArgs         struct{ y, h, u, r matrix }
	gateAddBackwardArgs struct{ du, dr, dy, u, r matrix }
	timeFeaturesArgs    struct {
		y matrix
		t uint64
	}
	diffuseArgs struct {
		xt, target, x0, eps matrix
		a, b                uint64
		prediction          int32
	}
	maskedMSEArgs struct {
		loss                uint64
		dpred, pred, target matrix
		valid               uint64
	}
	emaArgs struct {
		ema, p uint64
		n      int64
		//lint:ignore U1000 record.go finds it by its name
		later uint64
		now   emaNow
	}
	emaNow struct{ decay float32 }
)

func isAbsent(m compute.Matrix) bool { return m.Data == nil }

func (d *device) LayerNorm(y, x, shift, scale compute.Matrix, eps float32) {
	n, cols := x.Rows, x.Cols
	a := layerNormArgs{y: d.output(y, n, cols), x: d.input(x, n, cols), eps: eps}
	if isAbsent(shift) != isAbsent(scale) {
		panic(errShape)
	}
	if !isAbsent(scale) {
		a.shift, a.scale = d.input(shift, n, cols), d.input(scale, n, cols)
	}
	launch(d, "rpg_layer_norm", a)
}

func (d *device) LayerNormBackward(dx, dshift, dscale, dy, x, scale compute.Matrix, eps float32) {
	n, cols := x.Rows, x.Cols
	a := layerNormBackwardArgs{dx: d.output(dx, n, cols), dy: d.input(dy, n, cols), x: d.input(x, n, cols), eps: eps}
	if isAbsent(dshift) != isAbsent(scale) || isAbsent(dscale) != isAbsent(scale) {
		panic(errShape)
	}
	if !isAbsent(scale) {
		a.dshift, a.dscale, a.scale = d.output(dshift, n, cols), d.output(dscale, n, cols), d.input(scale, n, cols)
	}
	launch(d, "rpg_layer_norm_backward", a)
}

func (d *device) GateAdd(y, h, u, r compute.Matrix) {
	n, cols := y.Rows, y.Cols
	launch(d, "rpg_gate_add", gateAddArgs{d.output(y, n, cols), d.input(h, n, cols), d.input(u, n, cols), d.input(r, n, cols)})
}

func (d *device) GateAddBackward(du, dr, dy, u, r compute.Matrix) {
	n, cols := dy.Rows, dy.Cols
	launch(d, "rpg_gate_add_backward", gateAddBackwardArgs{d.output(du, n, cols), d.output(dr, n, cols),
		d.input(dy, n, cols), d.input(u, n, cols), d.input(r, n, cols)})
}

func (d *device) TimeFeatures(y compute.Matrix, t compute.Buffer) {
	if y.Cols%2 != 0 {
		panic(errShape)
	}
	launch(d, "rpg_time_features", timeFeaturesArgs{d.output(y, y.Rows, y.Cols), d.vals(t, y.Rows)})
}

func (d *device) Diffuse(xt, target, x0, eps compute.Matrix, a, b compute.Buffer, p compute.Prediction) {
	if p != compute.PredictEps && p != compute.PredictV && p != compute.PredictX0 {
		panic(errPrediction)
	}
	n, cols := x0.Rows, x0.Cols
	launch(d, "rpg_diffuse", diffuseArgs{d.output(xt, n, cols), d.output(target, n, cols), d.input(x0, n, cols), d.input(eps, n, cols),
		d.vals(a, n), d.vals(b, n), int32(p)})
}

// MaskedMSE cannot look at the numbers of valid values without waiting for the
// GPU: numbers out of range fail the next Sync or Download.
func (d *device) MaskedMSE(loss compute.Buffer, dpred, pred, target compute.Matrix, valid compute.Ints) {
	n, cols := pred.Rows, pred.Cols
	launch(d, "rpg_masked_mse", maskedMSEArgs{d.vals(loss, 1), d.output(dpred, n, cols), d.input(pred, n, cols), d.input(target, n, cols),
		d.whole(valid, n)})
}

func (d *device) EMA(ema, p compute.Buffer, decay float32) {
	n := length(p)
	launch(d, "rpg_ema", emaArgs{ema: d.vals(ema, n), p: d.vals(p, n), n: int64(n), now: emaNow{decay}})
}
