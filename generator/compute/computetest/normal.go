package computetest

import "rpg/generator/compute"

func normal() Operation {
	op := Operation{Name: "Normal"}
	for _, s := range []struct {
		name         string
		n            int
		seed, stream uint64
	}{
		{"1 value", 1, 1, 0}, {"4 values", 4, 1, 1}, {"5 values", 5, 1 << 63, 1 << 40},
		{"1023 values", 1023, 3, ^uint64(0)}, {"20481 values", 20481, ^uint64(0), 7},
	} {
		op.Cases = append(op.Cases, Case{s.name, func(e *Env) {
			want := make([]float64, s.n)
			for i := range want {
				want[i] = float64(compute.Normals(s.seed, s.stream, uint64(i/4))[i%4])
			}
			e.Device.Normal(e.Output("dst", s.n), s.seed, s.stream)
			e.Check("dst", want, 1e-6)
		}})
	}
	return op
}
