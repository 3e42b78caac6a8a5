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
	adamW8Args struct {
		p, g, mCodes, vCodes, mScale, vScale, norm, ema uint64
		n                                               int64
		maxNorm, new1, new2, eps                        float32
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

func (d *device) AdamW(a compute.AdamW) {
	n := length(a.P)
	launch(d, "rpg_adam_w", adamWArgs{p: d.vals(a.P, n), g: d.vals(a.G, n), m: d.vals(a.M, n), v: d.vals(a.V, n),
		norm: d.clipNorm(a), ema: d.optional(a.EMA, n), n: int64(n),
		maxNorm: a.MaxNorm, new1: float32(1 - float64(a.Beta1)), new2: float32(1 - float64(a.Beta2)), eps: a.Eps, now: adamWFactors(a)})
}

func (d *device) AdamW8(a compute.AdamW8) {
	if a.M != nil || a.V != nil {
		panic(errShape)
	}
	n := length(a.P)
	words, blocks := (n+3)/4, (n+compute.StateBlock-1)/compute.StateBlock
	launch(d, "rpg_adam_w8", adamW8Args{p: d.vals(a.P, n), g: d.vals(a.G, n), mCodes: d.whole(a.MCodes, words), vCodes: d.whole(a.VCodes, words),
		mScale: d.vals(a.MScale, blocks), vScale: d.vals(a.VScale, blocks), norm: d.clipNorm(a.AdamW), ema: d.optional(a.EMA, n), n: int64(n),
		maxNorm: a.MaxNorm, new1: float32(1 - float64(a.Beta1)), new2: float32(1 - float64(a.Beta2)), eps: a.Eps, now: adamWFactors(a.AdamW)})
}

// clipNorm is the address of the norm, which clipping alone needs.
func (d *device) clipNorm(a compute.AdamW) uint64 {
	if a.MaxNorm == 0 {
		return 0
	}
	return d.vals(a.Norm, 1)
}

// adamWFactors are computed here, in float64, as they do not depend on the values.
func adamWFactors(a compute.AdamW) adamWNow {
	if a.Step < 1 {
		panic(errStep)
	}
	step := float64(a.Step)
	return adamWNow{
		rate:   float32(float64(a.LR) / (1 - math.Pow(float64(a.Beta1), step))),
		root:   float32(1 / math.Sqrt(1-math.Pow(float64(a.Beta2), step))),
		keep:   float32(1 - float64(a.LR)*float64(a.Decay)),
		newEMA: float32(1 - float64(a.EMADecay)),
	}
}
