package computetest

func zero() Operation {
	return elementwise("Zero", func(e *Env, n int) {
		e.Device.Zero(e.Output("x", n))
		e.CheckExact("x", make([]float32, n))
	})
}

// elementwise makes a case of each of elementSizes.
func elementwise(name string, run func(e *Env, n int)) Operation {
	op := Operation{Name: name}
	for _, s := range elementSizes {
		op.Cases = append(op.Cases, Case{s.name, func(e *Env) { run(e, s.n) }})
	}
	return op
}
