package cpu

import "rpg/generator/compute"

func (d *device) SquaredSum(dst compute.Buffer, x compute.Buffer) {
	v, out := vals(x), sized(dst, 1)
	sum := d.sumRows(len(v), 1, func(lo, hi int) float64 {
		x := v[lo:hi]
		var s0, s1, s2, s3 float64 // four, so that additions need not wait for each other
		for ; len(x) >= 4; x = x[4:] {
			s0 += float64(x[0]) * float64(x[0])
			s1 += float64(x[1]) * float64(x[1])
			s2 += float64(x[2]) * float64(x[2])
			s3 += float64(x[3]) * float64(x[3])
		}
		for _, v := range x {
			s0 += float64(v) * float64(v)
		}
		return s0 + s1 + s2 + s3
	})
	out[0] = float32(sum)
}
