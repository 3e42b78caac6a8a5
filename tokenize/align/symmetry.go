package align

import (
	"fmt"
	"math/rand/v2"

	"rpg/onnxio"
)

// Symmetry is what may be permuted in a model's graph without changing what the
// graph computes, but for the rounding of sums taken in another order. It is the
// same for all models of one Signature, and is not changed once it is made.
type Symmetry struct {
	Groups []Group
	// Pinned lists the axes of weights, or parts of axes, that stay as they are,
	// other than the places of kernels, in the order of the weights.
	Pinned []Pinned

	weights []weightAxes
	group   map[*axis]int // of each free leaf
}

// Group is a set of channels that may be put in any order, the same one wherever
// they occur.
type Group struct {
	Size int    // channels
	Axes []Axis // where they occur, in the order of the weights
}

// Axis is one axis of one weight, both counted from 0.
type Axis struct{ Weight, Axis int }

// Pinned is an axis of a weight of which Size places stay as they are.
type Pinned struct {
	Axis
	Size int
	Why  string
}

// weightAxes are the axes of one weight, each in plainest form.
type weightAxes struct {
	shape []int
	axes  []*axis
}

// Find finds the symmetry of m's graph from the graph itself. What it does not
// understand it pins. It never fails: at worst nothing may be permuted.
func Find(m *onnxio.Model) *Symmetry {
	w := follow(m)
	s := &Symmetry{group: map[*axis]int{}}
	for i, t := range m.Weights() {
		x := weightAxes{shape: t.Shape, axes: w.axes[i]}
		for k, n := range t.Shape {
			if w.axes[i] == nil { // in a branch, a function or an attribute, or sparse
				x.axes = append(x.axes, fixed(n, unfollowed(t)))
			}
			x.axes[k] = x.axes[k].find()
			s.note(Axis{i, k}, x.axes[k])
		}
		s.weights = append(s.weights, x)
	}
	return s
}

// unfollowed says why nothing is known of a weight's axes.
func unfollowed(t *onnxio.Tensor) string {
	if t.SparseShape() != nil {
		return "it is stored as a sparse tensor"
	}
	return fmt.Sprintf("it is stored in: %s, which is not followed", t.Stored)
}

// note adds the leaves of an axis to the groups, or to what is pinned.
func (s *Symmetry) note(at Axis, a *axis) {
	a = a.find()
	if !a.isLeaf() {
		for _, p := range a.parts {
			s.note(at, p)
		}
		return
	}
	switch {
	case a.size == 1:
	case a.pinned == kernelPlaces || a.pinned == imagePlaces:
	case a.pinned != "":
		s.Pinned = append(s.Pinned, Pinned{at, a.size, a.pinned})
	default:
		g, ok := s.group[a]
		if !ok {
			g = len(s.Groups)
			s.group[a] = g
			s.Groups = append(s.Groups, Group{Size: a.size})
		}
		if axes := s.Groups[g].Axes; len(axes) == 0 || axes[len(axes)-1] != at {
			s.Groups[g].Axes = append(axes, at)
		}
	}
}

// Permutation is a permutation of the channels of each group: channel
// Permutation[g][i] comes to place i.
type Permutation [][]int32

// Identity moves nothing.
func (s *Symmetry) Identity() Permutation {
	p := make(Permutation, len(s.Groups))
	for g := range p {
		p[g] = identity(s.Groups[g].Size)
	}
	return p
}

func identity(n int) []int32 {
	p := make([]int32, n)
	for i := range p {
		p[i] = int32(i)
	}
	return p
}

// Random draws each group's permutation uniformly.
func (s *Symmetry) Random(r *rand.Rand) Permutation {
	p := s.Identity()
	for _, q := range p {
		r.Shuffle(len(q), func(i, j int) { q[i], q[j] = q[j], q[i] })
	}
	return p
}

// Then is the permutation that moves by p first and by q after it.
func (p Permutation) Then(q Permutation) Permutation {
	out := make(Permutation, len(p))
	for g := range p {
		out[g] = make([]int32, len(p[g]))
		for i, from := range q[g] {
			out[g][i] = p[g][from]
		}
	}
	return out
}

// Inverse is the permutation that puts back what p moves.
func (p Permutation) Inverse() Permutation {
	out := make(Permutation, len(p))
	for g := range p {
		out[g] = make([]int32, len(p[g]))
		for i, from := range p[g] {
			out[g][from] = int32(i)
		}
	}
	return out
}

// Moved counts the channels that do not stay in their places.
func (p Permutation) Moved() int {
	n := 0
	for _, q := range p {
		for i, from := range q {
			if int(from) != i {
				n++
			}
		}
	}
	return n
}

// check panics unless p fits s.
func (s *Symmetry) check(p Permutation) {
	if len(p) != len(s.Groups) {
		panic("align: a permutation of another symmetry")
	}
	for g, q := range p {
		if len(q) != s.Groups[g].Size {
			panic("align: a permutation of another symmetry")
		}
	}
}

// places gives, for each place of an axis, the place whose value comes there; nil
// where none moves.
func (s *Symmetry) places(a *axis, p Permutation) []int32 {
	if a.isLeaf() {
		g, ok := s.group[a]
		if !ok {
			return nil
		}
		for i, from := range p[g] {
			if int(from) != i {
				return p[g]
			}
		}
		return nil
	}
	parts := make([][]int32, len(a.parts))
	moves := false
	for k, part := range a.parts {
		parts[k] = s.places(part.find(), p)
		moves = moves || parts[k] != nil
	}
	if !moves {
		return nil
	}
	var out []int32
	if a.kind == product {
		out = []int32{0}
	}
	for k, part := range a.parts {
		n := part.length()
		if parts[k] == nil {
			parts[k] = identity(n)
		}
		if a.kind == sum {
			base := int32(len(out))
			for _, from := range parts[k] {
				out = append(out, base+from)
			}
			continue
		}
		next := make([]int32, 0, len(out)*n)
		for _, outer := range out {
			for _, from := range parts[k] {
				next = append(next, outer*int32(n)+from)
			}
		}
		out = next
	}
	return out
}

// rows gives, for each channel of group g, the places of an axis that belong to
// it, as many for each, those of one kind at the same index; nil when the axis
// has none.
func (s *Symmetry) rows(a *axis, g int) [][]int32 {
	if a = a.find(); a.isLeaf() {
		if found, ok := s.group[a]; !ok || found != g {
			return nil
		}
		rows := make([][]int32, a.size)
		for i := range rows {
			rows[i] = []int32{int32(i)}
		}
		return rows
	}
	var rows [][]int32
	add := func(i int, place int32) { rows[i] = append(rows[i], place) }
	before := 1 // places before this part: added up in a sum, multiplied in a product
	if a.kind == sum {
		before = 0
	}
	total := a.length()
	for _, part := range a.parts {
		n := part.length()
		inner := s.rows(part, g)
		if inner != nil && rows == nil {
			rows = make([][]int32, s.Groups[g].Size)
		}
		for i, list := range inner {
			for _, place := range list {
				if a.kind == sum {
					add(i, int32(before)+place)
					continue
				}
				after := total / before / n
				for o := range before {
					for e := range after {
						add(i, int32((o*n+int(place))*after+e))
					}
				}
			}
		}
		if a.kind == sum {
			before += n
		} else {
			before *= n
		}
	}
	return rows
}
