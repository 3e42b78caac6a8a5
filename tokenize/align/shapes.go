package align

import (
	"slices"

	"rpg/onnxio"
)

// concat puts inputs side by side along one axis; their other axes are one.
func (c *call) concat() bool {
	place, ok := c.node.Int("axis", 1)
	if !ok {
		return false
	}
	var out, parts []*axis
	at := -1
	for k := range c.in {
		x, ok := c.ranked(k)
		if !ok || k > 0 && len(x) != len(out) {
			return false
		}
		if k == 0 {
			if at, ok = along(place, len(x)); !ok {
				return false
			}
			out = slices.Clone(x)
		}
		for i, a := range x {
			if i != at && k > 0 {
				unify(out[i], a, c.why)
			}
		}
		parts = append(parts, x[at])
	}
	if at < 0 {
		return false
	}
	out[at] = sumOf(parts...)
	if !out[at].known() && len(parts) > 1 {
		out[at].pin(unknownSize)
		out[at] = c.unknown()
	}
	c.set(0, out...)
	return true
}

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

// gather looks up places of one axis, whose order therefore counts; the other
// axes and those of the places go through.
func (c *call) gather() bool {
	x, ok := c.ranked(0)
	at, ok2 := c.ranked(1)
	place, ok3 := c.node.Int("axis", 0)
	k, ok4 := along(place, len(x))
	if !ok || !ok2 || !ok3 || !ok4 {
		return false
	}
	x[k].pin(c.why + " looks its places up")
	c.set(0, slices.Concat(x[:k], at, x[k+1:])...)
	return true
}

func (c *call) transpose() bool {
	x, ok := c.ranked(0)
	perm, ok2 := c.node.Ints("perm")
	if !ok || !ok2 || perm != nil && len(perm) != len(x) {
		return false
	}
	out := make([]*axis, len(x))
	for k := range out {
		from := len(x) - 1 - k
		if perm != nil {
			if from, ok = along(perm[k], len(x)); !ok {
				return false
			}
		}
		out[k] = x[from]
	}
	c.set(0, out...)
	return true
}

// flatten makes a matrix of a tensor: the axes before one, and those from it on.
func (c *call) flatten() bool {
	x, ok := c.ranked(0)
	place, ok2 := c.node.Int("axis", 1)
	if !ok || !ok2 || place < -int64(len(x)) || place > int64(len(x)) {
		return false
	}
	if place < 0 {
		place += int64(len(x))
	}
	c.set(0, productOf(x[:place]...), productOf(x[place:]...))
	return true
}

func (c *call) squeeze() bool {
	x, ok := c.ranked(0)
	axes, ok2 := c.axesOf(1)
	if !ok || !ok2 {
		return false
	}
	gone := make([]bool, len(x))
	for _, a := range axes {
		k, ok := along(int64(a), len(x))
		if !ok {
			return false
		}
		gone[k] = true
	}
	var out []*axis
	for k, a := range x {
		if axes == nil && !a.known() {
			return false
		}
		if !gone[k] && (axes != nil || a.length() != 1) {
			out = append(out, a)
		}
	}
	c.set(0, out...)
	return true
}

func (c *call) unsqueeze() bool {
	x, ok := c.ranked(0)
	axes, ok2 := c.axesOf(1)
	if !ok || !ok2 || axes == nil {
		return false
	}
	out := make([]*axis, len(x)+len(axes))
	for _, a := range axes {
		k, ok := along(int64(a), len(out))
		if !ok || out[k] != nil {
			return false
		}
		out[k] = one()
	}
	next := 0
	for k := range out {
		if out[k] == nil {
			out[k] = x[next]
			next++
		}
	}
	c.set(0, out...)
	return true
}

// expand repeats places of axes of one place, and broadcasts otherwise.
func (c *call) expand() bool {
	x, ok := c.ranked(0)
	shape := c.given(1)
	if !ok || shape == nil || shape.ints == nil {
		return false
	}
	var wanted []*axis
	for _, e := range shape.ints.v {
		switch {
		case e.known && e.n < 1:
			return false
		case e.known:
			wanted = append(wanted, c.sized(e.n, c.why))
		case e.n < 0:
			wanted = append(wanted, fixed(e.n, unknownSize))
		default:
			wanted = append(wanted, c.unknown())
		}
	}
	out := make([]*axis, max(len(x), len(wanted)))
	for k := range out {
		have, want := one(), one()
		if at := len(x) - len(out) + k; at >= 0 {
			have = x[at]
		}
		if at := len(wanted) - len(out) + k; at >= 0 {
			want = wanted[at]
		}
		if n := want.length(); have.length() > 1 && (n == 1 || n == have.length()) {
			out[k] = have // the wanted axis is not permuted by anything, so it may be
		} else {
			out[k] = c.joint(have, want)
		}
	}
	c.set(0, out...)
	return true
}

// pad puts equal places around an axis: they may be permuted among themselves.
func (c *call) pad() bool {
	x, ok := c.ranked(0)
	mode, ok2 := c.node.Text("mode", "constant")
	var pads []int
	var ok3 bool
	if c.node.Has("pads") {
		pads, ok3 = c.numbers("pads")
	} else {
		pads, ok3 = c.list(1)
	}
	if !ok || !ok2 {
		return false
	}
	if !ok3 || c.given(3) != nil || len(pads) != 2*len(x) {
		return c.blur(x)
	}
	out := slices.Clone(x)
	for k, a := range x {
		before, after := pads[k], pads[len(x)+k]
		switch {
		case before == 0 && after == 0:
		case mode != "constant" || before < 0 || after < 0 || !a.known():
			a.pin(c.why + " repeats or removes places of it")
			n := 0
			if a.known() {
				n = a.length() + before + after
			}
			out[k] = c.sized(n, c.why)
		default:
			parts := []*axis{a}
			if before > 0 {
				parts = append([]*axis{free(before)}, parts...)
			}
			if after > 0 {
				parts = append(parts, free(after))
			}
			out[k] = sumOf(parts...)
		}
	}
	c.set(0, out...)
	return true
}

// resize: axes whose scale is 1 go through.
func (c *call) resize() bool {
	x, ok := c.ranked(0)
	if !ok || c.node.Has("axes") {
		return false
	}
	scales, sizes := 2, 3
	switch {
	case c.node.Op == "Upsample" && c.node.Has("scales"):
		return false
	case c.node.Op == "Upsample", c.opset[""] < 11:
		scales, sizes = 1, -1
	}
	if mode, ok := c.node.Text("coordinate_transformation_mode", ""); !ok || mode == "tf_crop_and_resize" {
		return false
	}
	same := make([]bool, len(x)) // axes that stay as they are
	if v := c.given(sizes); sizes > 0 && v != nil && v.ints != nil && len(v.ints.v) == len(x) {
		for k, e := range v.ints.v {
			same[k] = e.known && e.n == x[k].length() || !e.known && e.n < 0 && e.n == x[k].length()
		}
	} else if list := c.floats(scales); len(list) == len(x) {
		for k, s := range list {
			same[k] = s == 1
		}
	} else {
		return c.blur(x)
	}
	out := slices.Clone(x)
	for k := range x {
		if !same[k] {
			x[k].pin(imagePlaces)
			out[k] = c.unknown()
		}
	}
	c.set(0, out...)
	return true
}

// floats is the content of a stored float32 input of a few values, else nil.
func (c *call) floats(k int) []float32 {
	if k >= len(c.node.Inputs) {
		return nil
	}
	t := c.m.Stored(c.node.Inputs[k])
	if t == nil || t.DType != onnxio.Float32 || t.Elements > maxInts || t.Elements < 1 || t.SparseShape() != nil {
		return nil
	}
	if _, isWeight := c.weights[t]; isWeight {
		return nil
	}
	d, err := c.m.Dense(t)
	if err != nil {
		return nil
	}
	list, _ := d.Data().([]float32)
	return list
}

// depthToSpace: [N,b·b·C,H,W] to [N,C,b·H,b·W]; in mode CRD C is the outer digit.
func (c *call) depthToSpace() bool {
	x, ok := c.ranked(0)
	b, ok2 := c.node.Int("blocksize", 0)
	mode, ok3 := c.node.Text("mode", "DCR")
	if !ok || !ok2 || !ok3 || len(x) != 4 || b < 1 || b > maxInts {
		return false
	}
	pinAll(imagePlaces, x[2:]...)
	n, square := x[1].length(), int(b*b)
	if n < 1 || n%square != 0 {
		return false
	}
	first := square
	if mode == "CRD" {
		first = n / square
	}
	blocks, channels, ok := x[1].divide(first)
	if !ok {
		return false
	}
	if mode == "CRD" {
		blocks, channels = channels, blocks
	}
	blocks.pin(c.why + " makes places of it")
	c.set(0, x[0], channels, c.sized(x[2].length()*int(b), imagePlaces), c.sized(x[3].length()*int(b), imagePlaces))
	return true
}

// spaceToDepth: [N,C,b·H,b·W] to [N,b·b·C,H,W].
func (c *call) spaceToDepth() bool {
	x, ok := c.ranked(0)
	b, ok2 := c.node.Int("blocksize", 0)
	if !ok || !ok2 || len(x) != 4 || b < 1 || b > maxInts {
		return false
	}
	pinAll(imagePlaces, x[2:]...)
	c.set(0, x[0], productOf(c.sized(int(b*b), imagePlaces), x[1]), c.sized(x[2].length()/int(b), imagePlaces), c.sized(x[3].length()/int(b), imagePlaces))
	return true
}
