package picture

import (
	"fmt"
	"math"
	"strings"
)

// A Filter says how a resize weighs the pixels around a place.
type Filter int

const (
	Bilinear Filter = iota
	Bicubic
	Lanczos
	Nearest
)

// filters has for each Filter but Nearest its radius and function, of Pillow's
// Resample.c.
var filters = [...]struct {
	name   string
	radius float64
	weight func(x float64) float64
}{
	Bilinear: {"bilinear", 1, func(x float64) float64 { return max(0, 1-math.Abs(x)) }},
	Bicubic:  {"bicubic", 2, bicubic},
	Lanczos:  {"lanczos", 3, lanczos},
	Nearest:  {"nearest", 0, nil},
}

func (f Filter) String() string { return filters[f].name }

// FilterOf gives the filter of that name, in any case.
func FilterOf(name string) (Filter, error) {
	var names []string
	for f, x := range filters {
		if strings.EqualFold(name, x.name) {
			return Filter(f), nil
		}
		names = append(names, x.name)
	}
	return 0, fmt.Errorf("filter: expected one of %s, found %q", strings.Join(names, " "), name)
}

// bicubic is Keys' kernel with a = -0.5.
func bicubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

func lanczos(x float64) float64 {
	if !(-3 <= x && x < 3) {
		return 0
	}
	return sinc(x) * sinc(x/3)
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}
