package cpu

import "fmt"

// kernel is one way to compute small tiles of a matrix product.
type kernel struct {
	name  string // as in RPG_CPU
	title string // for people
}

var portable = kernel{name: "go", title: "no SIMD"}

// gemmJob holds the arguments of the matrix product in progress.
type gemmJob struct{}

// chooseKernel returns the kernel of the given name, the best one for "".
func chooseKernel(name string) (*kernel, error) {
	switch name {
	case "", "go", "avx2", "avx512":
		return &portable, nil
	}
	return nil, fmt.Errorf("cpu: RPG_CPU: expected avx512, avx2 or go, found %q", name)
}
