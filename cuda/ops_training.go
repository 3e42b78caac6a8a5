package cuda

import (
	"math"

	"rpg/generator/compute"
)

// errStep is the constant text of a programmer error.
const errStep = "compute: steps count from 1"

// Mirrors of the structs in rpg.h, whose comments say what the operations do.
type (
	normalArgs struct {
		x uint64
		n int64
		//lint:ignore U1000 record.go finds it by its name
		later uint64
		now   normalNow
	}
	normalNow      struct{ seed, stream uint64 }
	normalRowsArgs struct {
		x    matrix
		keys uint64
		//lint:ignore U1000 record.go finds it by its name
		later uint64
		now   normalRowsNow
	}
	normalRowsNow struct{ offset uint64 }
	adamWArgs     struct {
		p, g, m, v, norm, ema    uint64
		n                        int64
		maxNorm, new1, new2, eps float32
		//lint:ignore U1000 record.go finds it by its name
		later uint64
		now   adamWNow
	}
	adamWNow struct{ rate, root, keep, newEMA float32 }
)

func (d *device) Normal(dst compute.Buffer, seed, stream uint64) {
	n := length(dst)
	launch(d, "rpg_normal", normalArgs{x: d.vals(dst, n), n: int64(n), now: normalNow{seed, stream}})
}

func (d *device) NormalRows(dst compute.Matrix, keys compute.Ints, offset uint64) {
	launch(d, "rpg_normal_rows", normalRowsArgs{x: d.output(dst, dst.Rows, dst.Cols), keys: d.whole(keys, 4*dst.Rows),
		now: normalRowsNow{offset}})
}

// AdamW computes here, in float64, what does not depend on the values.
func (d *device) AdamW(a compute.AdamW) {
	if a.Step < 1 {
		panic(errStep)
	}
	n, step := length(a.P), float64(a.Step)
	args := adamWArgs{p: d.vals(a.P, n), g: d.vals(a.G, n), m: d.vals(a.M, n), v: d.vals(a.V, n), ema: d.optional(a.EMA, n),
		n: int64(n), maxNorm: a.MaxNorm, new1: float32(1 - float64(a.Beta1)), new2: float32(1 - float64(a.Beta2)), eps: a.Eps,
		now: adamWNow{
			rate:   float32(float64(a.LR) / (1 - math.Pow(float64(a.Beta1), step))),
			root:   float32(1 / math.Sqrt(1-math.Pow(float64(a.Beta2), step))),
			keep:   float32(1 - float64(a.LR)*float64(a.Decay)),
			newEMA: float32(1 - float64(a.EMADecay)),
		}}
	if a.MaxNorm != 0 {
		args.norm = d.vals(a.Norm, 1)
	}
	launch(d, "rpg_adam_w", args)
}
