package align

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Whatever is tied in whatever order, every tie holds for every permutation of
// what is left free: axes that were unified move alike, and parts that an axis was
// cut or divided into move as the axis does.
func TestTiesHold(t *testing.T) {
	freeLeft := 0
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 1))
		var all []*axis
		var ties [][2]*axis
		for range 5 {
			all = append(all, free([]int{2, 3, 4, 6, 12}[r.IntN(5)]))
		}
		all = append(all, fixed(2, "test"), one())
		pick := func() *axis { return all[r.IntN(len(all))] }
		for range 12 {
			a, b := pick(), pick()
			n := a.length()
			if n > 40 || b.length() > 40 {
				continue
			}
			switch r.IntN(5) {
			case 0:
				all = append(all, productOf(a, b))
			case 1:
				all = append(all, sumOf(a, b))
			case 2:
				if n > 1 {
					if head, rest, ok := a.cut(1 + r.IntN(n-1)); ok {
						all = append(all, head, rest)
						ties = append(ties, [2]*axis{a, {kind: sum, parts: []*axis{head, rest}}})
					}
				}
			case 3:
				if outer, inner, ok := a.divide([]int{1, 2, 3, 4, 6}[r.IntN(5)]); ok {
					all = append(all, outer, inner)
					ties = append(ties, [2]*axis{a, {kind: product, parts: []*axis{outer, inner}}})
				}
			default:
				for _, b := range all {
					if b != a && b.length() == n && r.IntN(2) == 0 {
						unify(a, b, "test")
						ties = append(ties, [2]*axis{a, b})
						break
					}
				}
			}
		}
		s := &Symmetry{group: map[*axis]int{}}
		for _, a := range all {
			s.note(Axis{}, a)
		}
		freeLeft += len(s.Groups)
		p := s.Random(r)
		whole := func(a *axis) []int32 {
			if places := s.places(a.find(), p); places != nil {
				return places
			}
			return identity(a.length())
		}
		for _, tie := range ties {
			a, b := whole(tie[0]), whole(tie[1])
			if !slices.Equal(a, b) {
				t.Fatalf("seed %d: tied axes move as %v and %v", seed, a, b)
			}
		}
		for _, a := range all {
			checkRows(t, s, a.find(), p, whole(a))
		}
	}
	if freeLeft < 1000 {
		t.Errorf("only %d groups are free in all: too much is pinned", freeLeft)
	}
}

// checkRows: the places of an axis that belong to the channels of one group alone
// move with them.
func checkRows(t *testing.T, s *Symmetry, a *axis, p Permutation, places []int32) {
	t.Helper()
	for g := range s.Groups {
		only := s.Identity()
		only[g] = p[g]
		moved, rows := s.places(a, only), s.rows(a, g)
		if moved == nil || twice(rows) {
			continue
		}
		for i, row := range rows {
			for k, at := range row {
				if from := rows[p[g][i]][k]; moved[at] != from {
					t.Fatalf("group %d: place %d takes %d, its channel says %d", g, at, moved[at], from)
				}
			}
		}
	}
	sorted := slices.Sorted(slices.Values(places))
	if !slices.Equal(sorted, identity(len(places))) {
		t.Fatalf("%v is not a permutation", places)
	}
}

// twice tells whether a group is both an outer and an inner digit, so that a place
// belongs to two of its channels.
func twice(rows [][]int32) bool {
	seen := map[int32]bool{}
	for _, row := range rows {
		for _, at := range row {
			if seen[at] {
				return true
			}
			seen[at] = true
		}
	}
	return false
}

func TestUnify(t *testing.T) {
	for _, c := range []struct {
		name   string
		tie    func() (a, b *axis)
		groups []int // sizes of the free leaves that remain
	}{
		{"leaves", func() (a, b *axis) { return free(6), free(6) }, []int{6}},
		{"a leaf and a pinned one", func() (a, b *axis) { return free(6), fixed(6, "test") }, nil},
		{"other lengths", func() (a, b *axis) { return free(6), free(5) }, nil},
		{"a leaf becomes a product", func() (a, b *axis) { return free(6), productOf(free(2), free(3)) }, []int{2, 3}},
		{"a leaf becomes a sum", func() (a, b *axis) { return sumOf(free(2), free(4)), free(6) }, []int{2, 4}},
		{"sums with other joints", func() (a, b *axis) { return sumOf(free(2), free(4)), sumOf(free(3), free(3)) }, []int{2, 3}},
		{"products with digits that divide", func() (a, b *axis) { return productOf(free(12), free(2)), productOf(free(4), free(6)) }, []int{4, 3, 2}},
		{"products that do not fit", func() (a, b *axis) { return productOf(free(4), free(3)), productOf(free(3), free(4)) }, nil},
		{"a product and a sum", func() (a, b *axis) { return productOf(free(3), free(4)), sumOf(free(4), free(8)) }, []int{2, 4}},
		{"a product and a sum through a block", func() (a, b *axis) { return productOf(free(3), free(4)), sumOf(free(6), free(6)) }, nil},
		{"blocks of unknown size", func() (a, b *axis) {
			return productOf(free(3), fixed(-1, unknownSize), fixed(-2, unknownSize)), free(60)
		}, []int{3}},
		{"blocks of unknown size that cannot be", func() (a, b *axis) { return productOf(free(7), fixed(-1, unknownSize)), free(60) }, nil},
		{"both of the same unknown size", func() (a, b *axis) {
			return productOf(fixed(-1, unknownSize), free(4)), productOf(fixed(-1, unknownSize), free(4))
		}, []int{4}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := c.tie()
			unify(a, b, "test")
			s := &Symmetry{group: map[*axis]int{}}
			s.note(Axis{0, 0}, a)
			s.note(Axis{0, 1}, b)
			var sizes []int
			for _, g := range s.Groups {
				sizes = append(sizes, g.Size)
				if len(g.Axes) != 2 {
					t.Errorf("the group of %d is on one of the two only", g.Size)
				}
			}
			slices.Sort(sizes)
			if want := slices.Sorted(slices.Values(c.groups)); !slices.Equal(sizes, want) {
				t.Errorf("groups of %v, expected %v", sizes, want)
			}
		})
	}
}
