package computetest

func ema() Operation {
	return elementwise("EMA", func(e *Env, n int) {
		const decay = float32(0.999)
		x, p := e.Random(n), e.Random(n)
		want := make([]float64, n)
		for i := range want {
			want[i] = float64(decay)*float64(x[i]) + (1-float64(decay))*float64(p[i])
		}
		e.Device.EMA(e.Buffer("ema", x), e.Buffer("p", p), decay)
		e.Check("ema", want, 2e-7)
	})
}
