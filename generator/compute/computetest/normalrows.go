package computetest

import "rpg/generator/compute"

func normalRows() Operation {
	op := Operation{Name: "NormalRows"}
	for _, s := range []struct {
		name            string
		rows, cols, gap int
		offset          uint64
	}{
		{"one value", 1, 1, 0, 0}, {"odd sizes", 5, 7, 3, 1 << 40}, {"a group", 3, 128, 0, 9}, {"offset that wraps", 9, 33, 1, ^uint64(0)},
		{"long rows", 3, 5003, 5, 1 << 56}, {"many rows", 301, 12, 0, 5},
	} {
		op.Cases = append(op.Cases, Case{s.name, func(e *Env) {
			var keys []int32
			want := make([]float64, s.rows*s.cols)
			for i := range s.rows {
				// Words with and without their highest bit.
				seed, stream := uint64(i)*0xC2B2AE3D27D4EB4F, uint64(i)*0x9E3779B97F4A7C15
				key := compute.RowKey(seed, stream)
				keys = append(keys, key[:]...)
				for j := range s.cols {
					want[i*s.cols+j] = float64(compute.Normals(seed, stream+s.offset, uint64(j/4))[j%4])
				}
			}
			e.Device.NormalRows(e.OutputMatrix("dst", s.rows, s.cols, s.cols+s.gap), e.Ints(keys), s.offset)
			e.Check("dst", want, 1e-6)
		}})
	}
	return op
}
