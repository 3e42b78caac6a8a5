package computetest

func columnSums() Operation {
	op := Operation{Name: "ColumnSums"}
	for _, s := range matrixSizes {
		op.Cases = append(op.Cases, Case{s.name, func(e *Env) {
			x, dst := e.Random(s.rows*s.cols), e.Random(s.cols)
			want := wide(dst)
			for i, v := range x {
				want[i%s.cols] += float64(v)
			}
			e.Device.ColumnSums(e.Buffer("dst", dst), e.Matrix("x", x, s.rows, s.cols, s.cols+s.gap))
			e.Check("dst", want, 2e-6)
		}})
	}
	return op
}

// matrixSizes are the shapes at which operations on rows are tried. The last
// ones are more than one piece of work.
var matrixSizes = []struct {
	name            string
	rows, cols, gap int
}{
	{"1x1", 1, 1, 0},
	{"1x70", 1, 70, 0},
	{"7x1", 7, 1, 0},
	{"13x37", 13, 37, 0},
	{"13x37 strided", 13, 37, 5},
	{"5x256", 5, 256, 0},
	{"301x131", 301, 131, 0},
	{"301x131 strided", 301, 131, 9},
	{"67x514", 67, 514, 0},
	{"3x2100 strided", 3, 2100, 3},
}
