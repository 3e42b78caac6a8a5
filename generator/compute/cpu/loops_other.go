//go:build !amd64

package cpu

// chooseLoops returns nil: there is no assembly for this processor.
func chooseLoops(string) *fastLoops { return nil }
