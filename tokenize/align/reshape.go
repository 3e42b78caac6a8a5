package align

import "slices"

// reshape takes the places of a tensor in row-major order for another shape. The
// axes of the input are the digits of a place's number; they are dealt out to the
// axes of the output from both ends, and divided where an axis ends within one.
func (c *call) reshape() bool {
	x, ok := c.ranked(0)
	target := c.given(1)
	zero, ok2 := c.node.Int("allowzero", 0)
	var shape []entry
	if c.node.Has("shape") { // operator sets below 5
		list, ok := c.numbers("shape")
		if !ok {
			return false
		}
		for _, n := range list {
			shape = append(shape, number(n))
		}
	} else if target != nil && target.ints != nil && len(target.ints.shape) == 1 {
		shape = slices.Clone(target.ints.v)
	} else {
		return false
	}
	if !ok || !ok2 || zero != 0 {
		return false
	}
	for k, e := range shape {
		if e.known && e.n == 0 { // the size of the same axis of the input
			if k >= len(x) {
				return false
			}
			n := x[k].length()
			shape[k] = entry{n, n > 0}
		}
	}
	out, ok := c.deal(x, shape)
	if ok {
		c.set(0, out...)
		return true
	}
	why := c.why + " mixes its places with others"
	pinAll(why, x...)
	for _, e := range shape {
		n := e.n
		if !e.known {
			n = 0
		}
		out = append(out, c.sized(n, why))
	}
	c.set(0, out...)
	return true
}

// deal gives the digits of x to axes of the sizes of shape. One size may be -1 or
// not known: it gets what is left.
func (c *call) deal(x []*axis, shape []entry) (out []*axis, ok bool) {
	d := digits{}
	for _, a := range x {
		if a = a.find(); a.kind == product {
			d.list = append(d.list, a.parts...)
		} else if a.length() != 1 {
			d.list = append(d.list, a)
		}
	}
	open := -1
	for k, e := range shape {
		if e.known && e.n > 0 || !e.known && e.n < 0 && d.holds(e.n) {
			continue
		}
		if open >= 0 {
			return nil, false
		}
		open = k
	}
	out = make([]*axis, len(shape))
	front := len(shape)
	if open >= 0 {
		front = open
	}
	for k := 0; k < front; k++ {
		if out[k], ok = d.takeFirst(shape[k]); !ok {
			return nil, false
		}
	}
	for k := len(shape) - 1; k > open && open >= 0; k-- {
		if out[k], ok = d.takeLast(shape[k]); !ok {
			return nil, false
		}
	}
	if open < 0 {
		return out, len(d.list) == 0
	}
	out[open] = productOf(d.list...)
	return out, true
}

// digits are the axes that are still to be dealt out, the outermost first.
type digits struct{ list []*axis }

// holds tells whether a size that is not known is the size of a digit.
func (d *digits) holds(n int) bool {
	return slices.ContainsFunc(d.list, func(a *axis) bool { return a.length() == n })
}

// takeFirst takes digits from the front that have e places together.
func (d *digits) takeFirst(e entry) (*axis, bool) {
	var taken []*axis
	left := e.n
	if !e.known {
		if len(d.list) == 0 || d.list[0].length() != e.n {
			return nil, false
		}
		left = 1
		taken, d.list = d.list[:1:1], d.list[1:]
	}
	for left > 1 {
		if len(d.list) == 0 {
			return nil, false
		}
		a := d.list[0]
		n := a.length()
		switch {
		case n < 1:
			return nil, false
		case left%n == 0:
			taken, d.list, left = append(taken, a), d.list[1:], left/n
		default:
			outer, inner, ok := a.divide(left)
			if !ok {
				return nil, false
			}
			taken, left = append(taken, outer), 1
			d.list = append([]*axis{inner}, d.list[1:]...)
		}
	}
	return productOf(taken...), true
}

// takeLast is takeFirst from the back.
func (d *digits) takeLast(e entry) (*axis, bool) {
	var taken []*axis
	left := e.n
	last := len(d.list) - 1
	if !e.known {
		if last < 0 || d.list[last].length() != e.n {
			return nil, false
		}
		left = 1
		taken, d.list = []*axis{d.list[last]}, d.list[:last:last]
	}
	for left > 1 {
		last = len(d.list) - 1
		if last < 0 {
			return nil, false
		}
		a := d.list[last]
		n := a.length()
		switch {
		case n < 1:
			return nil, false
		case left%n == 0:
			taken, d.list, left = append([]*axis{a}, taken...), d.list[:last:last], left/n
		case n%left != 0:
			return nil, false
		default:
			outer, inner, ok := a.divide(n / left)
			if !ok {
				return nil, false
			}
			taken, left = append([]*axis{inner}, taken...), 1
			d.list = append(d.list[:last:last], outer)
		}
	}
	return productOf(taken...), true
}
