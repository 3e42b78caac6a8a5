package computetest

func maskedMSE() Operation {
	op := Operation{Name: "MaskedMSE"}
	for _, s := range matrixSizes {
		for _, mask := range []struct {
			name  string
			valid func(e *Env) []int32
		}{
			{"all valid", func(*Env) []int32 { return constant(s.rows, s.cols) }},
			{"some valid", func(e *Env) []int32 { return e.Integers(s.rows, s.cols+1) }},
			{"none valid", func(*Env) []int32 { return constant(s.rows, 0) }},
		} {
			op.Cases = append(op.Cases, Case{s.name + " " + mask.name, func(e *Env) {
				n := s.rows * s.cols
				valid, pred, target := mask.valid(e), e.Random(n), e.Random(n)
				pred64, target64 := wide(pred), wide(target)
				loss := func() float64 { return refMaskedMSE(pred64, target64, valid, s.cols) }
				total := 0
				for _, v := range valid {
					total += int(v)
				}
				dpred := make([]float64, n)
				for i := range dpred {
					if i%s.cols < int(valid[i/s.cols]) {
						dpred[i] = 2 * (pred64[i] - target64[i]) / float64(total)
					}
				}
				e.CheckGradient("pred", loss, pred64, dpred)
				// What is not valid is not looked at.
				for i := range pred {
					if i%s.cols >= int(valid[i/s.cols]) {
						pred[i] = untouched
					}
				}
				e.Device.MaskedMSE(e.Output("loss", 1), e.OutputMatrix("dpred", s.rows, s.cols, s.cols+s.gap),
					e.Matrix("pred", pred, s.rows, s.cols, s.cols+2*s.gap), e.Matrix("target", target, s.rows, s.cols, s.cols+s.gap),
					e.Ints(valid))
				e.Check("loss", []float64{loss()}, 2e-7)
				e.Check("dpred", dpred, 2e-7)
			}})
		}
	}
	return op
}

// refMaskedMSE is 0 when nothing is valid.
func refMaskedMSE(pred, target []float64, valid []int32, cols int) float64 {
	var sum float64
	var total int
	for i, n := range valid {
		total += int(n)
		for j := i * cols; j < i*cols+int(n); j++ {
			sum += (pred[j] - target[j]) * (pred[j] - target[j])
		}
	}
	return sum / float64(max(1, total))
}

func constant(n, value int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(value)
	}
	return out
}
