package computetest

func gather() Operation {
	op := Operation{Name: "Gather"}
	for _, s := range matrixSizes {
		const source = 11 // rows of src
		op.Cases = append(op.Cases, Case{s.name, func(e *Env) {
			src, rows := e.Random(source*s.cols), e.Integers(s.rows, source)
			want := make([]float32, s.rows*s.cols)
			for i, r := range rows {
				copy(want[i*s.cols:(i+1)*s.cols], src[int(r)*s.cols:])
			}
			e.Device.Gather(e.OutputMatrix("dst", s.rows, s.cols, s.cols+s.gap),
				e.Matrix("src", src, source, s.cols, s.cols+2*s.gap), e.Ints(rows), 0)
			e.CheckExact("dst", want)
		}}, Case{s.name + " beta", func(e *Env) {
			src, rows, dst := e.Random(source*s.cols), e.Integers(s.rows, source), e.Random(s.rows*s.cols)
			want := wide(dst)
			for i, r := range rows {
				for j := range s.cols {
					want[i*s.cols+j] += float64(src[int(r)*s.cols+j])
				}
			}
			e.Device.Gather(e.Matrix("dst", dst, s.rows, s.cols, s.cols+s.gap),
				e.Matrix("src", src, source, s.cols, s.cols+2*s.gap), e.Ints(rows), 1)
			e.Check("dst", want, 2e-7)
		}})
	}
	return op
}
