//go:build !unix

package cpu

// computed is not known on this system.
func computed() (float64, bool) { return 0, false }
