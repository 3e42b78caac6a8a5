package computetest

import "math"

func timeFeatures() Operation {
	op := Operation{Name: "TimeFeatures"}
	for _, s := range []struct {
		name            string
		rows, cols, gap int
	}{
		{"1x2", 1, 2, 0}, {"5x6 strided", 5, 6, 3}, {"33x256", 33, 256, 0}, {"301x34", 301, 34, 1},
	} {
		op.Cases = append(op.Cases, Case{s.name, func(e *Env) {
			t := make([]float32, s.rows)
			for i, v := range e.Integers(s.rows, 1000) {
				t[i] = float32(v)
			}
			t[0] = 999
			f := s.cols / 2
			want := make([]float64, s.rows*s.cols)
			for i, v := range t {
				for k := range f {
					angle := float64(v) * math.Pow(10000, -float64(k)/float64(f))
					want[i*s.cols+k], want[i*s.cols+f+k] = math.Cos(angle), math.Sin(angle)
				}
			}
			e.Device.TimeFeatures(e.OutputMatrix("y", s.rows, s.cols, s.cols+s.gap), e.Buffer("t", t))
			// An angle of 1000 in float32 would be wrong by 3e-5: devices compute it
			// more exactly.
			e.Check("y", want, 2e-6)
		}})
	}
	return op
}
