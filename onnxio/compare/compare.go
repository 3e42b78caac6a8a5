package compare

import (
	"context"
	"fmt"
	"math"

	"rpg/onnxio"
)

// Result is what was found about two weights, or about all pairs together. A is
// the first, B the second, n counts the pairs of values where both are finite.
type Result struct {
	Elements  int  // pairs of values
	NotFinite int  // pairs with a NaN or an infinity; they are in no sum
	Changed   int  // pairs that are not the same bits
	Equal     bool // Changed is 0

	Cosine     float64 // A·B / (|A| |B|); 1 when both are zero, 0 when one is
	RelativeL2 float64 // |B-A| / |A|; +Inf when only A is zero
	MaxAbs     float64 // largest |B-A|
	MaxAt      int     // its element, -1 when nothing changed

	Changes Changes // how many values changed by how much
}

// blockValues is how many values are in memory at once, of either weight.
const blockValues = 1 << 15

// Meter measures pairs of weights. It keeps its buffers from one to the next;
// the zero value is ready. It must not be used by two goroutines at once.
type Meter struct {
	a, b  []float32
	total sums
}

// sums are what one pass over a pair of weights collects.
type sums struct {
	elements, notFinite, changed int
	ab, aa, bb, dd               float64
	max                          float64
	maxAt                        int
	sizes                        sizes
}

// Weights compares weight i of a with weight j of b, both of the given number
// of elements. Errors are those of reading, and of ctx.
func (m *Meter) Weights(ctx context.Context, a onnxio.Values, i int, b onnxio.Values, j, elements int) (Result, error) {
	if m.a == nil {
		m.a, m.b = make([]float32, blockValues), make([]float32, blockValues)
	}
	s := sums{maxAt: -1}
	for off := 0; off < elements; off += blockValues {
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
		n := min(blockValues, elements-off)
		if err := a.ReadValues(i, m.a[:n], off); err != nil {
			return Result{}, fmt.Errorf("compare: %w", err)
		}
		if err := b.ReadValues(j, m.b[:n], off); err != nil {
			return Result{}, fmt.Errorf("compare: %w", err)
		}
		s.add(m.a[:n], m.b[:n], off)
	}
	m.total.merge(&s)
	return s.result(), nil
}

// Total gives the result over all values of all pairs measured so far, as if
// they were one; MaxAt means nothing there.
func (m *Meter) Total() Result {
	r := m.total.result()
	r.MaxAt = -1
	return r
}

// add takes in a block of values that begins at element off. Each block has
// sums of its own, so that long ones lose nothing.
func (s *sums) add(a, b []float32, off int) {
	var ab, aa, bb, dd float64
	for e, x := range a {
		y := b[e]
		if math.Float32bits(x) != math.Float32bits(y) {
			s.changed++
		}
		u, v := float64(x), float64(y)
		d := v - u
		if d-d != 0 { // NaN or infinite, here or there
			s.notFinite++
			continue
		}
		ab += u * v
		aa += u * u
		bb += v * v
		dd += d * d
		if d = math.Abs(d); d > s.max {
			s.max, s.maxAt = d, off+e
		}
		s.sizes.add(d)
	}
	s.elements += len(a)
	s.ab, s.aa, s.bb, s.dd = s.ab+ab, s.aa+aa, s.bb+bb, s.dd+dd
}

func (s *sums) merge(o *sums) {
	s.elements += o.elements
	s.notFinite += o.notFinite
	s.changed += o.changed
	s.ab, s.aa, s.bb, s.dd = s.ab+o.ab, s.aa+o.aa, s.bb+o.bb, s.dd+o.dd
	s.max = max(s.max, o.max)
	s.sizes.merge(&o.sizes)
}

func (s *sums) result() Result {
	r := Result{
		Elements: s.elements, NotFinite: s.notFinite, Changed: s.changed, Equal: s.changed == 0,
		MaxAbs: s.max, MaxAt: s.maxAt,
	}
	switch {
	case s.aa > 0 && s.bb > 0:
		// Two roots: the product of the squares may overflow. Rounding may not
		// leave the range of a cosine.
		r.Cosine = min(1, max(-1, s.ab/math.Sqrt(s.aa)/math.Sqrt(s.bb)))
	case s.aa == 0 && s.bb == 0:
		r.Cosine = 1
	}
	switch {
	case s.dd == 0:
	case s.aa == 0:
		r.RelativeL2 = math.Inf(1)
	default:
		r.RelativeL2 = math.Sqrt(s.dd) / math.Sqrt(s.aa)
	}
	finite := max(1, s.elements-s.notFinite)
	unit := s.aa
	if unit == 0 {
		unit = s.bb
	}
	r.Changes = s.sizes.changes(math.Sqrt(unit / float64(finite)))
	return r
}
