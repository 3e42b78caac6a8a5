package computetest

func scatterAdd() Operation {
	op := Operation{Name: "ScatterAdd"}
	for _, s := range matrixSizes {
		for _, target := range []struct {
			name string
			rows int
		}{{"many to one", 1}, {"many to few", 3}, {"sparse", 997}} {
			op.Cases = append(op.Cases, Case{s.name + " " + target.name, func(e *Env) {
				src, dst := e.Random(s.rows*s.cols), e.Random(target.rows*s.cols)
				rows := e.Integers(s.rows, target.rows)
				// The order of the additions is part of the promise: float32, row by row.
				want := append([]float32(nil), dst...)
				for i, r := range rows {
					for j := range s.cols {
						want[int(r)*s.cols+j] += src[i*s.cols+j]
					}
				}
				e.Device.ScatterAdd(e.Matrix("dst", dst, target.rows, s.cols, s.cols+s.gap),
					e.Matrix("src", src, s.rows, s.cols, s.cols+2*s.gap), e.Ints(rows))
				e.CheckExact("dst", want)
			}})
		}
	}
	return op
}
