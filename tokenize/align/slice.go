package align

import "slices"

// split cuts one axis into parts, one for each output.
func (c *call) split() bool {
	x, ok := c.ranked(0)
	place, ok2 := c.node.Int("axis", 0)
	at, ok3 := along(place, len(x))
	if !ok || !ok2 || !ok3 {
		return false
	}
	n := x[at].length()
	var sizes []int
	if c.node.Has("split") {
		list, ok := c.node.Ints("split")
		if !ok {
			return false
		}
		for _, s := range list {
			sizes = append(sizes, int(s))
		}
	} else if c.given(1) != nil {
		if sizes, ok = c.list(1); !ok {
			return false
		}
	} else if n > 0 { // equal parts, the last one smaller
		parts := len(c.node.Outputs)
		each := (n + parts - 1) / parts
		for left := n; left > 0; left -= each {
			sizes = append(sizes, min(left, each))
		}
	}
	if len(sizes) != len(c.node.Outputs) {
		return false
	}
	begin := 0
	for k, size := range sizes {
		out := slices.Clone(x)
		out[at] = c.sliced(x[at], slicing{axis: at, start: begin, end: begin + size, step: 1, known: true})
		c.set(k, out...)
		begin += size
	}
	return n < 1 || begin == n
}

// slicing is what Slice does along one axis. It is known when start and end are.
type slicing struct {
	axis, start, end, step int
	known                  bool
}

// bounds gives the first place and the one behind the last for an axis of n.
func (s slicing) bounds(n int) (from, to int) {
	from, to = s.start, s.end
	if from < 0 {
		from += n
	}
	if to < 0 {
		to += n
	}
	if s.step < 0 {
		return max(-1, min(from, n-1)), max(-1, min(to, n-1))
	}
	return max(0, min(from, n)), max(0, min(to, n))
}

// slices reads the numbers of a Slice of an input of so many axes. Operator sets
// below 10 have them as attributes.
func (c *call) slices(rank int) ([]slicing, bool) {
	starts, ok1 := c.entries("starts", 1)
	ends, ok2 := c.entries("ends", 2)
	axes, ok3 := c.entries("axes", 3)
	steps, ok4 := c.entries("steps", 4)
	if !ok1 || !ok2 || !ok3 || !ok4 || len(ends) != len(starts) || axes != nil && len(axes) != len(starts) || steps != nil && len(steps) != len(starts) {
		return nil, false
	}
	out := make([]slicing, len(starts))
	for k := range starts {
		axis, step := number(k), number(1)
		if axes != nil {
			axis = axes[k]
		}
		if steps != nil {
			step = steps[k]
		}
		at, ok := along(int64(axis.n), rank)
		if !ok || !axis.known || !step.known || step.n == 0 {
			return nil, false
		}
		out[k] = slicing{at, starts[k].n, ends[k].n, step.n, starts[k].known && ends[k].known}
	}
	return out, true
}

// entries is a list that is an attribute in old operator sets and input k in new
// ones, nil when neither is given.
func (c *call) entries(name string, k int) ([]entry, bool) {
	if c.node.Has(name) {
		list, ok := c.numbers(name)
		var out []entry
		for _, n := range list {
			out = append(out, number(n))
		}
		return out, ok
	}
	v := c.given(k)
	if v == nil {
		return nil, true
	}
	if v.ints == nil || len(v.ints.shape) != 1 {
		return nil, false
	}
	return v.ints.v, true
}

// numbers is an attribute that is a list, nil when there is none.
func (c *call) numbers(name string) ([]int, bool) {
	list, ok := c.node.Ints(name)
	if !ok || list == nil {
		return nil, ok
	}
	out := make([]int, len(list))
	for k, v := range list {
		out[k] = int(v)
	}
	return out, true
}

// slice takes a run of places of some axes. An axis of which it takes every
// second place or so, or places that are not known, is pinned.
func (c *call) slice() bool {
	x, ok := c.ranked(0)
	if !ok {
		return false
	}
	cuts, ok := c.slices(len(x))
	if !ok {
		return c.blur(x)
	}
	out := slices.Clone(x)
	for _, s := range cuts {
		out[s.axis] = c.sliced(out[s.axis], s)
	}
	c.set(0, out...)
	return true
}

// blur pins all of x, and says of the output only how many axes it has.
func (c *call) blur(x []*axis) bool {
	pinAll(c.why+" is not followed", x...)
	out := make([]*axis, len(x))
	for k := range out {
		out[k] = c.unknown()
	}
	c.set(0, out...)
	return true
}

// sliced is what a slicing leaves of an axis.
func (c *call) sliced(a *axis, s slicing) *axis {
	n := a.length()
	if !s.known || n < 1 {
		a.pin(c.why + " takes places that are not known")
		return c.unknown()
	}
	from, to := s.bounds(n)
	taken := max(0, (to-from+s.step-sign(s.step))/s.step)
	if s.step == 1 && taken == n {
		return a
	}
	head, ok := a, s.step == 1 && taken > 0
	if ok && to < n {
		head, _, ok = a.cut(to)
	}
	if ok && from > 0 {
		_, head, ok = head.cut(from)
	}
	if ok {
		return head
	}
	a.pin(c.why + " takes places out of their order")
	return c.sized(taken, c.why)
}

func sign(n int) int {
	if n < 0 {
		return -1
	}
	return 1
}
