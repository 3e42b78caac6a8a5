package compare

import (
	"math"
	"strings"
)

// Bins is the number of classes of Changes.
const Bins = 10

// Changes counts values by the size of their change |b-a|, measured in the root
// mean square of A (of B when A is zero): Changes[0] did not change, Changes[1]
// changed by less than 1e-6, Changes[2] by 1e-6 to 1e-5, and so on by decades
// up to Changes[9], 10 and more. The limits are met within one eighth.
type Changes [Bins]int

// Edges are the lower limits of Changes[2] to Changes[9].
func Edges() []float64 { return []float64{1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10} }

// bars are the heights of a histogram, from a little to everything.
const bars = "▁▂▃▄▅▆▇█"

// String draws the histogram, one letter for each class: a dot for none, then
// bars that grow with the share of the values.
func (c Changes) String() string {
	total := 0
	for _, n := range c {
		total += n
	}
	letters := []rune(bars)
	var b strings.Builder
	for _, n := range c {
		if n == 0 {
			b.WriteByte('.')
			continue
		}
		b.WriteRune(letters[min(len(letters)-1, n*len(letters)/total)])
	}
	return b.String()
}

// sizes counts absolute changes by their exponent and three bits more, since
// the root mean square is known only at the end.
type sizes struct {
	zero   int
	counts [1 << 11]int
}

// shift leaves exponent and three bits of the mantissa of a float32.
const shift = 20

// add counts a change d >= 0.
func (s *sizes) add(d float64) {
	if d == 0 {
		s.zero++
		return
	}
	// A sum of two float32 can be above all of them, or below; both are in the
	// first or last class whatever the unit is.
	s.counts[math.Float32bits(float32(d))>>shift]++
}

func (s *sizes) merge(o *sizes) {
	s.zero += o.zero
	for i, n := range o.counts {
		s.counts[i] += n
	}
}

// changes sorts the sizes into classes, measured in unit.
func (s *sizes) changes(unit float64) Changes {
	c := Changes{s.zero}
	edges := Edges()
	for i, n := range s.counts {
		if n == 0 {
			continue
		}
		size := float64(math.Float32frombits(uint32(i) << shift))
		bin := 1
		for _, e := range edges {
			// Exactly 1e-3 of the unit must not fall below 1e-3 by the bits cut off.
			if size*(1+1.0/8) > e*unit {
				bin++
			}
		}
		c[bin] += n
	}
	return c
}
