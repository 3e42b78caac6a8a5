package computetest

import "slices"

func copies() Operation {
	return elementwise("Copy", func(e *Env, n int) {
		x := e.Random(n)
		e.Device.Copy(e.Output("dst", n), e.Buffer("src", x))
		e.CheckExact("dst", x)
	})
}

// roundedCopies keep what an upload would.
func roundedCopies() Operation {
	return elementwise("Copy", func(e *Env, n int) {
		x := e.Random(n)
		kept := slices.Clone(x)
		e.Rounded("uploaded", kept, 1, n, n)
		e.Device.Copy(e.Rounded("dst", unset(n), 1, n, n).Data, e.Buffer("src", x))
		e.CheckExact("dst", kept)
	})
}
