package report

import (
	"math"
	"slices"
	"strconv"
)

// An axis maps values to places: low to from, high to to, in between linearly
// or by the logarithm.
type axis struct {
	low, high float64
	from, to  float64
	log       bool
}

// at is the place of a value, which may lie outside.
func (a axis) at(x float64) float64 {
	low, high := a.low, a.high
	if a.log {
		x, low, high = math.Log(max(x, a.low)), math.Log(low), math.Log(high)
	}
	return a.from + (a.to-a.from)*(x-low)/(high-low)
}

func (a axis) has(x float64) bool { return x >= a.low && x <= a.high }

// span is an axis for values, with a margin of a part of their range on both
// sides. It never is of no length.
func span(values []float64, margin float64) axis {
	a := axis{low: slices.Min(values), high: slices.Max(values)}
	pad := margin * (a.high - a.low)
	if pad == 0 {
		pad = max(math.Abs(a.high), 1) / 100
	}
	a.low, a.high = a.low-pad, a.high+pad
	return a
}

// logSpan is span for the logarithm, of positive values.
func logSpan(values []float64, margin float64) axis {
	a := axis{low: slices.Min(values), high: slices.Max(values), log: true}
	pad := math.Pow(a.high/a.low, margin)
	if !(pad > 1.001) {
		pad = 1.1
	}
	a.low, a.high = a.low/pad, a.high*pad
	return a
}

// between bounds a linear axis.
func (a axis) between(low, high float64) axis {
	a.low, a.high = max(a.low, low), min(a.high, high)
	return a
}

// A tick is a value on an axis and its label.
type tick struct {
	value float64
	label string
}

// ticks are round values on the axis, about n of them: multiples of 1, 2 or 5
// times a power of ten, or for a wide logarithmic axis those numbers themselves.
func (a axis) ticks(n int) []tick {
	if a.log && a.high/a.low > 8 {
		for _, digits := range [][]float64{{1, 2, 5}, {1, 3}, {1}} {
			if list := a.logTicks(digits, 1); len(list) <= n+1 {
				return list
			}
		}
		decades := int(math.Ceil(math.Log10(a.high/a.low) / float64(n)))
		return a.logTicks([]float64{1}, decades)
	}
	raw := (a.high - a.low) / float64(n)
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	step := 10 * unit
	for _, k := range []float64{5, 2, 1} {
		if k*unit >= raw*0.999 {
			step = k * unit
		}
	}
	digits := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	var list []tick
	for i := math.Ceil(a.low / step); i*step <= a.high+step*1e-9 && len(list) <= 2*n; i++ {
		v := i * step
		if i == 0 {
			v = 0 // not -0
		}
		label := strconv.FormatFloat(v, 'f', digits, 64)
		if step >= 1000 && i != 0 {
			label = strconv.FormatFloat(v/1000, 'f', -1, 64) + "k"
		}
		list = append(list, tick{min(max(v, a.low), a.high), label})
	}
	return list
}

// logTicks are digits times the powers of ten, every some decades.
func (a axis) logTicks(digits []float64, every int) []tick {
	var list []tick
	for e := int(math.Floor(math.Log10(a.low))); e <= int(math.Ceil(math.Log10(a.high))); e++ {
		if e%every != 0 {
			continue
		}
		for _, d := range digits {
			v := d * math.Pow(10, float64(e))
			if !a.has(v) {
				continue
			}
			label := strconv.FormatFloat(d, 'f', 0, 64) + "e" + strconv.Itoa(e)
			if e >= -3 && e < 5 {
				label = strconv.FormatFloat(v, 'f', max(0, -e), 64)
			}
			list = append(list, tick{v, label})
		}
	}
	return list
}

// usual is the part of an axis where most of the values are: all but those that
// lie farther from the middle half than three times its width (Tukey's outer
// fences).
func usual(values []float64) []float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := func(q float64) float64 { return sorted[int(q*float64(len(sorted)-1)+0.5)] }
	low, high := at(0.25), at(0.75)
	fence := 3 * (high - low)
	var list []float64
	for _, v := range sorted {
		if v >= low-fence && v <= high+fence {
			list = append(list, v)
		}
	}
	return list
}
