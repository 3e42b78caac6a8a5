//go:build !amd64

package cpu

// chooseTile returns the portable tile.
func chooseTile(string) tileFunc { return tileGo }
