package cuda

import "rpg/generator/compute"

// Mirrors of the structs in rpg.h, whose comments say what the operations do.
type (
	zeroArgs struct {
		x uint64
		n int64
	}
	copyArgs struct {
		dst, src uint64
		n        int64
		rounded  int32
	}
	addArgs struct {
		y, x uint64
		n    int64
	}
	combineArgs struct {
		dst, x, y, z uint64
		n            int64
		later        uint64
		now          combineNow
	}
	combineNow struct{ a, b, c float32 }
	siluArgs   struct {
		y, x uint64
		n    int64
	}
	siluBackwardArgs struct {
		dx, dy, x uint64
		n         int64
	}
	squaredSumArgs struct {
		dst, x uint64
		n      int64
	}
)

func (d *device) Zero(x compute.Buffer) {
	n := length(x)
	if n == 0 {
		return
	}
	launch(d, "rpg_zero", zeroArgs{d.vals(x, n), int64(n)})
}

func (d *device) Copy(dst, src compute.Buffer) {
	n := length(src)
	to := d.either(dst, n)
	a := copyArgs{dst: to.address, src: d.vals(src, n), n: int64(n)}
	if to.bytes == roundedBytes {
		a.rounded = 1
	}
	if n > 0 {
		launch(d, "rpg_copy", a)
	}
}

func (d *device) Add(y, x compute.Buffer) {
	n := length(x)
	launch(d, "rpg_add", addArgs{d.vals(y, n), d.vals(x, n), int64(n)})
}

func (d *device) Combine(dst compute.Buffer, a float32, x compute.Buffer, b float32, y compute.Buffer, c float32, z compute.Buffer) {
	n := length(dst)
	launch(d, "rpg_combine", combineArgs{dst: d.vals(dst, n), x: d.vals(x, n), y: d.optional(y, n), z: d.optional(z, n),
		n: int64(n), now: combineNow{a, b, c}})
}

func (d *device) SiLU(y, x compute.Buffer) {
	n := length(x)
	launch(d, "rpg_silu", siluArgs{d.vals(y, n), d.vals(x, n), int64(n)})
}

func (d *device) SiLUBackward(dx, dy, x compute.Buffer) {
	n := length(x)
	launch(d, "rpg_silu_backward", siluBackwardArgs{d.vals(dx, n), d.vals(dy, n), d.vals(x, n), int64(n)})
}

func (d *device) SquaredSum(dst, x compute.Buffer) {
	n := length(x)
	launch(d, "rpg_squared_sum", squaredSumArgs{d.vals(dst, 1), d.vals(x, n), int64(n)})
}
