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
	wanted, ok := c.ofSizes(shape.ints)
	if !ok {
		return false
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

// ofSizes gives axes that are not permuted of the sizes in a list.
func (c *call) ofSizes(list *ints) ([]*axis, bool) {
	var out []*axis
	for _, e := range list.v {
		switch {
		case e.known && e.n < 1:
			return nil, false
		case e.known:
			out = append(out, c.sized(e.n, c.why))
		case e.n < 0:
			out = append(out, fixed(e.n, unknownSize))
		default:
			out = append(out, c.unknown())
		}
	}
	return out, true
}

// constantOfShape gives equal places, which need not be permuted.
func (c *call) constantOfShape() bool {
	shape := c.given(0)
	if shape == nil || shape.ints == nil {
		return false
	}
	out, ok := c.ofSizes(shape.ints)
	if ok {
		c.set(0, out...)
	}
	return ok
}

// tile repeats whole axes side by side.
func (c *call) tile() bool {
	x, ok := c.ranked(0)
	repeats, ok2 := c.list(1)
	if !ok || !ok2 || len(repeats) != len(x) {
		return false
	}
	out := slices.Clone(x)
	for k, n := range repeats {
		switch {
		case n < 1:
			return false
		case n > 1 && x[k].known():
			out[k] = productOf(c.sized(n, c.why), x[k])
		case n > 1:
			x[k].pin(unknownSize)
			out[k] = c.unknown()
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
		case mode != "constant" || before < 0 || after < 0 || before > maxLength || after > maxLength || !a.known():
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
	mode, ok := c.node.Text("coordinate_transformation_mode", "")
	policy, ok2 := c.node.Text("keep_aspect_ratio_policy", "stretch")
	if !ok || !ok2 || mode == "tf_crop_and_resize" || policy != "stretch" {
		return c.blur(x)
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
	if k < 0 || k >= len(c.node.Inputs) {
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
