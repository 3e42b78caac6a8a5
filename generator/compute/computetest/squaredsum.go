package computetest

func squaredSum() Operation {
	return elementwise("SquaredSum", func(e *Env, n int) {
		x := e.Random(n)
		x[0] = 3e3 // beside which float32 would lose the others
		e.Device.SquaredSum(e.Output("dst", 1), e.Buffer("x", x))
		e.Check("dst", []float64{dot(wide(x), wide(x))}, 1e-7)
	})
}
