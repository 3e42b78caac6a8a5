package computetest

func add() Operation {
	return elementwise("Add", func(e *Env, n int) {
		y, x := e.Random(n), e.Random(n)
		e.Device.Add(e.Buffer("y", y), e.Buffer("x", x))
		e.Check("y", plus(y, wide(x)), 1e-7)
	})
}
