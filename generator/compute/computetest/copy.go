package computetest

func copies() Operation {
	return elementwise("Copy", func(e *Env, n int) {
		x := e.Random(n)
		e.Device.Copy(e.Output("dst", n), e.Buffer("src", x))
		e.CheckExact("dst", x)
	})
}
