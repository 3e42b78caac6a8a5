package align

import (
	"context"
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"

	"rpg/tokenize"
)

// Matcher finds the permutation that brings a model closest to another in token
// space, where every weight is measured in standard deviations of its tensor, by
// weight matching (Ainsworth, Hayase, Srinivasa, "Git Re-Basin", 2023): one group
// of channels after the other is put in the best order for the present order of
// the others, which is a linear assignment problem, until nothing moves.
//
// A Matcher is not changed once it is made; any number of goroutines may use it.
type Matcher struct {
	Symmetry *Symmetry

	weights []matchedWeight
	groups  [][]occurrence
}

// matchedWeight is a weight's place in the tokens of a model. Those that are
// constant in the zoo have none, and no say.
type matchedWeight struct {
	index           int // in Model.Weights
	first, elements int
}

// occurrence is an axis of a weight that a group is on.
type occurrence struct {
	weight int // in Matcher.weights
	axis   int
	rows   [][]int32 // the places of each channel
}

// NewMatcher makes a Matcher for tokens of the layout. It returns an error when
// the symmetry is that of other weights.
func NewMatcher(s *Symmetry, l *tokenize.Layout) (*Matcher, error) {
	if len(l.Weights) != len(s.weights) {
		return nil, fmt.Errorf("align: the tokens are of %d weights, the graph has %d", len(l.Weights), len(s.weights))
	}
	m := &Matcher{Symmetry: s, groups: make([][]occurrence, len(s.Groups))}
	for i := range l.Weights {
		w := &l.Weights[i]
		if w.Constant() {
			continue
		}
		if w.Zeros != nil {
			return nil, fmt.Errorf("align: weight %q: its zeros are left out of the tokens, which cannot be permuted", w.Name)
		}
		at := len(m.weights)
		m.weights = append(m.weights, matchedWeight{i, w.First * l.TokenDim, w.Elements})
		for k, a := range s.weights[i].axes {
			for g := range s.Groups {
				if rows := s.rows(a, g); rows != nil {
					m.groups[g] = append(m.groups[g], occurrence{at, k, rows})
				}
			}
		}
	}
	return m, nil
}

// Permute gives the tokens of a model after its channels were permuted by p.
func (m *Matcher) Permute(p Permutation, tokens []float32) []float32 {
	m.Symmetry.check(p)
	out := make([]float32, len(tokens)) // padding is zero
	for _, w := range m.weights {
		m.Symmetry.Permute(w.index, p, out[w.first:w.first+w.elements], tokens[w.first:w.first+w.elements])
	}
	return out
}

// Match gives the permutation after which tokens are closest to those of ref, the
// better of two descents: one from the order that tokens have, and one that begins
// by fixing the groups in the order of the graph, each by the weights whose other
// channels are fixed already. The order in which groups are visited is drawn from
// seed. The outcome is a local optimum: no other order of one group is better, but
// several together may be. It returns an error when ctx is done.
func (m *Matcher) Match(ctx context.Context, ref, tokens []float32, seed uint64) (Permutation, error) {
	d := descent{Matcher: m, ref: ref, tokens: tokens}
	r := rand.New(rand.NewPCG(seed, 0))
	first, err := d.settle(ctx, m.Symmetry.Identity(), r)
	if err != nil {
		return nil, err
	}
	second, err := d.settle(ctx, d.inOrder(), r)
	if err != nil {
		return nil, err
	}
	if d.similarity(second, nil) > d.similarity(first, nil) {
		return second, nil
	}
	return first, nil
}

// Refine is Match with one descent, from start.
func (m *Matcher) Refine(ctx context.Context, ref, tokens []float32, start Permutation, seed uint64) (Permutation, error) {
	m.Symmetry.check(start)
	d := descent{Matcher: m, ref: ref, tokens: tokens}
	return d.settle(ctx, start, rand.New(rand.NewPCG(seed, 0)))
}

// descent is one Match or Refine.
type descent struct {
	*Matcher
	ref, tokens []float32
	scratch     []float32 // a permuted weight
	a, b        []float64 // rows of channels
}

// maxSweeps ends a descent that does not come to rest; none is known.
const maxSweeps = 100

// settle visits the groups in random order until none moves.
func (d *descent) settle(ctx context.Context, p Permutation, r *rand.Rand) (Permutation, error) {
	p = append(Permutation{}, p...) // groups are replaced, never changed
	for range maxSweeps {
		moved := false
		for _, g := range r.Perm(len(p)) {
			if err := ctx.Err(); err != nil {
				return nil, context.Cause(ctx)
			}
			moved = d.improve(p, g) || moved
		}
		if !moved {
			break
		}
	}
	return p, nil
}

// improve puts group g in the best order for the others, if that is better than
// the present one.
func (d *descent) improve(p Permutation, g int) bool {
	gain := d.gains(p, g, nil)
	if gain == nil {
		return false
	}
	n := len(p[g])
	better := assign(gain, n)
	old, difference, scale := p[g], 0.0, 0.0
	for i, from := range better {
		difference += gain[i*n+int(from)] - gain[i*n+int(old[i])]
		scale += max(gain[i*n+int(from)], -gain[i*n+int(from)])
	}
	const rounding = 1e-10
	if !(difference > rounding*scale) {
		return false
	}
	if d.linear(g) {
		p[g] = better
		return true
	}
	// A group on two axes of one weight meets itself there: the assignment took
	// one of the two as it was, so the sum must be looked at again.
	before := d.similarity(p, d.groups[g])
	p[g] = better
	if d.similarity(p, d.groups[g]) > before+rounding*scale {
		return true
	}
	p[g] = old
	return false
}

// linear tells whether group g is on no more than one axis of each weight, so
// that the gain of an order is the sum of its channels' gains.
func (d *descent) linear(g int) bool {
	for k, o := range d.groups[g] {
		if k > 0 && d.groups[g][k-1].weight == o.weight || len(o.rows)*len(o.rows[0]) > d.axisLength(o) {
			return false
		}
	}
	return true
}

func (d *descent) axisLength(o occurrence) int {
	return d.Symmetry.weights[d.weights[o.weight].index].shape[o.axis]
}

// inOrder fixes the groups in the order of the weights they are first seen on.
func (d *descent) inOrder() Permutation {
	p := d.Symmetry.Identity()
	done := make([]bool, len(p))
	for g := range p {
		if gain := d.gains(p, g, done); gain != nil {
			p[g] = assign(gain, len(p[g]))
		}
		done[g] = true
	}
	return p
}

// similarity is the sum of the products of ref's values with those of tokens
// permuted by p: over all weights, or those that occurrences are on. The squared
// distance is a constant less twice that sum.
func (d *descent) similarity(p Permutation, of []occurrence) float64 {
	total := 0.0
	one := func(k int) {
		w := d.weights[k]
		for i, v := range d.view(w, p) {
			total += float64(v) * float64(d.ref[w.first+i])
		}
	}
	if of == nil {
		for k := range d.weights {
			one(k)
		}
		return total
	}
	for k, o := range of {
		if k == 0 || of[k-1].weight != o.weight {
			one(o.weight)
		}
	}
	return total
}

// view is the values of a weight permuted by p, in d.scratch.
func (d *descent) view(w matchedWeight, p Permutation) []float32 {
	if cap(d.scratch) < w.elements {
		d.scratch = make([]float32, w.elements)
	}
	out := d.scratch[:w.elements]
	d.Symmetry.Permute(w.index, p, out, d.tokens[w.first:w.first+w.elements])
	return out
}

// gains is the matrix of what each channel of tokens (column) adds to the
// similarity at each place (row), with the other groups as p has them. With done,
// only weights count whose other groups are done. It is nil when none counts.
func (d *descent) gains(p Permutation, g int, done []bool) []float64 {
	n := len(p[g])
	var out blas64.General
	for k, o := range d.groups[g] {
		if done != nil && !d.settled(k, g, done) {
			continue
		}
		if out.Data == nil {
			out = blas64.General{Rows: n, Cols: n, Stride: n, Data: make([]float64, n*n)}
		}
		w := d.weights[o.weight]
		shape := d.Symmetry.weights[w.index].shape
		view := d.viewWithout(w, p, g, o.axis)
		d.multiply(out, o, shape, d.ref[w.first:w.first+w.elements], view)
	}
	return out.Data
}

// viewWithout is view with group g not permuted on one axis of the weight.
func (d *descent) viewWithout(w matchedWeight, p Permutation, g, at int) []float32 {
	s := d.Symmetry
	rest := append(Permutation{}, p...)
	rest[g] = identity(len(p[g]))
	weight := s.weights[w.index]
	m := s.moved(weight, p)
	if m.maps != nil {
		m.maps[at] = s.places(weight.axes[at], rest)
	}
	if cap(d.scratch) < w.elements {
		d.scratch = make([]float32, w.elements)
	}
	out := d.scratch[:w.elements]
	if m.maps == nil {
		copy(out, d.tokens[w.first:w.first+w.elements])
	} else {
		m.gather(out, d.tokens[w.first:w.first+w.elements], 0, len(m.shape))
	}
	return out
}

// settled tells whether every other group on the weight of occurrence k of g is
// done, and g is on no other axis of it.
func (d *descent) settled(k, g int, done []bool) bool {
	at := d.groups[g][k]
	for other, list := range d.groups {
		for _, o := range list {
			if o.weight == at.weight && (other == g && o.axis != at.axis || other != g && !done[other]) {
				return false
			}
		}
	}
	return true
}

// panelElements is how many values of each side are multiplied at a time.
const panelElements = 1 << 18

// multiply adds to out, for each pair of channels on an axis, the sum of the
// products of x's values at the first with y's at the second.
func (d *descent) multiply(out blas64.General, o occurrence, shape []int, x, y []float32) {
	n, per := len(o.rows), len(o.rows[0])
	length := shape[o.axis]
	inner := 1
	for _, s := range shape[o.axis+1:] {
		inner *= s
	}
	outer := len(x) / length / inner
	columns := outer * per * inner // of the matrices of which out gets the product
	width := max(1, min(columns, panelElements/n))
	if cap(d.a) < n*width {
		d.a, d.b = make([]float64, n*width), make([]float64, n*width)
	}
	for begin := 0; begin < columns; begin += width {
		end := min(begin+width, columns)
		a := blas64.General{Rows: n, Cols: end - begin, Stride: end - begin, Data: d.a[:n*(end-begin)]}
		b := a
		b.Data = d.b[:n*(end-begin)]
		for i, places := range o.rows {
			at := i * a.Stride
			for c := begin; c < end; {
				e := c % inner
				run := min(inner-e, end-c)
				from := (c/inner/per*length+int(places[c/inner%per]))*inner + e
				for k := range run {
					a.Data[at+k], b.Data[at+k] = float64(x[from+k]), float64(y[from+k])
				}
				at, c = at+run, c+run
			}
		}
		blas64.Gemm(blas.NoTrans, blas.Trans, 1, a, b, 1, out)
	}
}
