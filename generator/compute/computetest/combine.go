package computetest

import "rpg/generator/compute"

func combine() Operation {
	const a, b, c = 0.75, -1.5, 2.25
	op := Operation{Name: "Combine"}
	for _, s := range elementSizes {
		for _, form := range []struct {
			name         string
			withY, withZ bool
			into         string // which operand is also the output; "" for none
		}{
			{"x", false, false, ""}, {"x in place", false, false, "x"},
			{"x y", true, false, ""}, {"x y into y", true, false, "y"}, {"x z", false, true, ""},
			{"x y z", true, true, ""}, {"x y z into x", true, true, "x"}, {"x y z into z", true, true, "z"},
		} {
			op.Cases = append(op.Cases, Case{s.name + " " + form.name, func(e *Env) {
				x, y, z := e.Random(s.n), e.Random(s.n), e.Random(s.n)
				want := make([]float64, s.n)
				for i := range want {
					want[i] = a * float64(x[i])
					if form.withY {
						want[i] += b * float64(y[i])
					}
					if form.withZ {
						want[i] += c * float64(z[i])
					}
				}
				buffers := map[string]compute.Buffer{"x": e.Buffer("x", x)}
				if form.withY {
					buffers["y"] = e.Buffer("y", y)
				}
				if form.withZ {
					buffers["z"] = e.Buffer("z", z)
				}
				into := form.into
				if into == "" {
					into = "dst"
					buffers["dst"] = e.Output("dst", s.n)
				}
				e.Device.Combine(buffers[into], a, buffers["x"], b, buffers["y"], c, buffers["z"])
				e.Check(into, want, 1e-6)
			}})
		}
	}
	return op
}
