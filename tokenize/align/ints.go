package align

import (
	"slices"

	"rpg/onnxio"
)

// ints is a small tensor of whole numbers that the graph computes shapes with:
// row-major, of at most maxInts entries.
type ints struct {
	shape []int
	v     []entry
}

// entry is a number, or a size that is not known (its own number below 0), or
// nothing: 0 and not known.
type entry struct {
	n     int
	known bool
}

// maxInts is far above the rank of any tensor and what its axes are computed from.
const maxInts = 1024

func number(n int) entry { return entry{n, true} }

// readInts reads a stored tensor of whole numbers if it is small.
func (w *walker) readInts(t *onnxio.Tensor) *ints {
	switch t.DType {
	case onnxio.Int64, onnxio.Int32:
	default:
		return nil
	}
	if t.Elements == 0 {
		return &ints{shape: t.Shape}
	}
	if t.Elements > maxInts || t.SparseShape() != nil {
		return nil
	}
	d, err := w.m.Dense(t)
	if err != nil {
		return nil
	}
	x := &ints{shape: t.Shape}
	switch data := d.Data().(type) {
	case []int64:
		for _, v := range data {
			x.v = append(x.v, number(int(v)))
		}
	case []int32:
		for _, v := range data {
			x.v = append(x.v, number(int(v)))
		}
	case int64: // gorgonia gives a scalar's value itself
		x.v = []entry{number(int(data))}
	case int32:
		x.v = []entry{number(int(data))}
	}
	if len(x.v) != t.Elements {
		return nil
	}
	return x
}

// list is the content of input k when all of it is known.
func (c *call) list(k int) ([]int, bool) {
	v := c.given(k)
	if v == nil || v.ints == nil {
		return nil, false
	}
	var out []int
	for _, e := range v.ints.v {
		if !e.known {
			return nil, false
		}
		out = append(out, e.n)
	}
	return out, true
}

// computeInts computes outputs that are whole numbers, where it can. The rules
// of axes do not depend on it: what is not computed is not known.
func (c *call) computeInts() {
	if c.node.Domain != "" || len(c.node.Outputs) != 1 || c.node.Inner {
		return
	}
	var x *ints
	if v := c.given(0); v != nil {
		x = v.ints
		if c.node.Op == "Shape" && v.ranked {
			x = c.shapeOf(v)
		}
	}
	out := c.intsOf(x)
	if out == nil || len(out.v) > maxInts || size(out.shape) != len(out.v) {
		return
	}
	v := &value{ranked: true, ints: out}
	for _, n := range out.shape {
		v.axes = append(v.axes, c.sized(n, "it has sizes"))
	}
	c.values[c.node.Outputs[0]] = v
}

// shapeOf is what Shape gives.
func (c *call) shapeOf(v *value) *ints {
	start, ok1 := c.node.Int("start", 0)
	end, ok2 := c.node.Int("end", int64(len(v.axes)))
	if !ok1 || !ok2 {
		return nil
	}
	from, to := clamp(int(start), len(v.axes)), clamp(int(end), len(v.axes))
	x := &ints{}
	for _, a := range v.axes[from:max(from, to)] {
		n := a.length()
		x.v = append(x.v, entry{n, n > 0})
	}
	x.shape = []int{len(x.v)}
	return x
}

func clamp(k, n int) int {
	if k < 0 {
		k += n
	}
	return max(0, min(k, n))
}

// intsOf computes one operator; x is what input 0 gives. nil is "not known".
func (c *call) intsOf(x *ints) *ints {
	switch c.node.Op {
	case "Add", "Sub", "Mul", "Div", "Max", "Min", "Mod", "Equal":
		if y := c.given(1); x != nil && y != nil && y.ints != nil && len(c.in) == 2 {
			return pairwise(c.node.Op, x, y.ints)
		}
		return nil
	case "ConstantOfShape":
		shape, ok := c.list(0)
		t := c.node.Tensor("value") // without it the output is not whole numbers
		if n := size(shape); ok && n >= 0 && n <= maxInts && t != nil && t.Elements == 1 {
			if v := c.readInts(t); v != nil {
				return &ints{shape, slices.Repeat(v.v, n)}
			}
		}
		return nil
	case "Concat":
		return c.concatInts()
	case "Where":
		return c.whereInts()
	}
	if x == nil {
		return nil
	}
	switch c.node.Op {
	case "Shape", "Identity":
		return x
	case "Cast":
		if to, ok := c.node.Int("to", 0); ok && (onnxio.DType(to) == onnxio.Int64 || onnxio.DType(to) == onnxio.Int32) {
			return x
		}
	case "Squeeze", "Unsqueeze", "Reshape":
		return c.reshapeInts(x)
	case "Gather":
		return c.gatherInts(x)
	case "Slice":
		return c.sliceInts(x)
	case "Transpose":
		if len(x.shape) == 2 && !c.node.Has("perm") || isSwap(c.node) && len(x.shape) == 2 {
			y := &ints{shape: []int{x.shape[1], x.shape[0]}}
			for k := range x.v {
				y.v = append(y.v, x.v[k%x.shape[0]*x.shape[1]+k/x.shape[0]])
			}
			return y
		}
	}
	return nil
}

func isSwap(n *onnxio.Node) bool {
	perm, ok := n.Ints("perm")
	return ok && slices.Equal(perm, []int64{1, 0})
}

// size is the number of entries of a shape, -1 or above maxInts for one that
// does not belong to a small tensor.
func size(shape []int) int {
	n := 1
	for _, d := range shape {
		if d < 0 || d > maxInts {
			return -1
		}
		if n *= d; n > maxInts {
			return maxInts + 1
		}
	}
	return n
}

// pairwise computes with two tensors of one shape, or with one entry for all.
func pairwise(op string, x, y *ints) *ints {
	out := &ints{shape: x.shape}
	n := len(x.v)
	if len(y.v) > n || len(y.v) == n && len(y.shape) > len(x.shape) {
		out.shape, n = y.shape, len(y.v)
	}
	if len(x.v) != len(y.v) && len(x.v) != 1 && len(y.v) != 1 || len(x.v) == 0 || len(y.v) == 0 ||
		len(x.v) == len(y.v) && len(x.v) > 1 && !slices.Equal(x.shape, y.shape) {
		return nil
	}
	for k := range n {
		a, b := x.v[k%len(x.v)], y.v[k%len(y.v)]
		e := entry{}
		if op == "Equal" && (a.known && a.n == -1 && b.n < 0 && !b.known || b.known && b.n == -1 && a.n < 0 && !a.known) {
			e = number(0) // a size is never -1, as which exporters mark one that stays
		}
		if a.known && b.known {
			switch op {
			case "Add":
				e = number(a.n + b.n)
			case "Sub":
				e = number(a.n - b.n)
			case "Mul":
				e = number(a.n * b.n)
			case "Max":
				e = number(max(a.n, b.n))
			case "Min":
				e = number(min(a.n, b.n))
			case "Equal":
				e = number(0)
				if a.n == b.n {
					e = number(1)
				}
			case "Mod":
				if a.n >= 0 && b.n > 0 { // both kinds of Mod agree here
					e = number(a.n % b.n)
				}
			case "Div":
				if a.n >= 0 && b.n > 0 { // C's and Python's division agree here
					e = number(a.n / b.n)
				}
			}
		}
		out.v = append(out.v, e)
	}
	return out
}

// whereInts chooses between entries, each of the two one for all or one for each.
func (c *call) whereInts() *ints {
	var in [3]*ints
	for k := range in {
		v := c.given(k)
		if v == nil || v.ints == nil || len(v.ints.v) == 0 || k > 0 && len(v.ints.v) != 1 && len(v.ints.v) != len(in[0].v) {
			return nil
		}
		in[k] = v.ints
	}
	out := &ints{shape: in[0].shape}
	for k, e := range in[0].v {
		chosen := in[2]
		if e.n != 0 {
			chosen = in[1]
		}
		if e.known {
			out.v = append(out.v, chosen.v[k%len(chosen.v)])
		} else {
			out.v = append(out.v, entry{})
		}
	}
	return out
}

// concatInts puts lists one behind the other.
func (c *call) concatInts() *ints {
	out := &ints{}
	for _, v := range c.in {
		if v == nil || v.ints == nil || len(v.ints.shape) != 1 {
			return nil
		}
		out.v = append(out.v, v.ints.v...)
	}
	out.shape = []int{len(out.v)}
	return out
}

// reshapeInts gives x the shape that Squeeze, Unsqueeze or Reshape do.
func (c *call) reshapeInts(x *ints) *ints {
	switch c.node.Op {
	case "Reshape":
		shape, ok := c.list(1)
		if !ok {
			return nil
		}
		shape = slices.Clone(shape)
		rest, at := 1, -1
		for k, d := range shape {
			switch {
			case d == -1 && at < 0:
				at = k
			case d < 1:
				return nil
			default:
				rest *= d
			}
		}
		if at >= 0 {
			shape[at] = len(x.v) / rest
		}
		return &ints{shape, x.v}
	case "Squeeze":
		if len(x.v) == 1 { // all axes have one place, whichever are left out
			axes, ok := c.axesOf(1)
			if !ok {
				return nil
			}
			if axes == nil {
				return &ints{nil, x.v}
			}
			return &ints{slices.Repeat([]int{1}, max(0, len(x.shape)-len(axes))), x.v}
		}
		return nil
	}
	if len(x.shape) == 0 { // Unsqueeze of a number
		axes, ok := c.axesOf(1)
		if !ok {
			return nil
		}
		return &ints{slices.Repeat([]int{1}, len(axes)), x.v}
	}
	return nil
}

// axesOf is the list of axes that is an attribute in old operator sets and input
// k in new ones; nil when neither is given.
func (c *call) axesOf(k int) ([]int, bool) {
	if c.node.Has("axes") {
		return c.numbers("axes")
	}
	if c.given(k) == nil {
		return nil, true
	}
	return c.list(k)
}

// gatherInts takes entries of a list.
func (c *call) gatherInts(x *ints) *ints {
	at := c.given(1)
	place, ok := c.node.Int("axis", 0)
	if !ok || place != 0 || len(x.shape) != 1 || at == nil || at.ints == nil {
		return nil
	}
	out := &ints{shape: at.ints.shape}
	for _, e := range at.ints.v {
		k, inside := along(int64(e.n), len(x.v))
		if !e.known || !inside {
			return nil
		}
		out.v = append(out.v, x.v[k])
	}
	return out
}

// sliceInts takes rows of a tensor, in either direction.
func (c *call) sliceInts(x *ints) *ints {
	s, ok := c.slices(len(x.shape))
	if !ok || len(s) != 1 || s[0].axis != 0 || !s[0].known || len(x.shape) == 0 {
		return nil
	}
	row := len(x.v) / max(x.shape[0], 1)
	out := &ints{shape: slices.Clone(x.shape)}
	out.shape[0] = 0
	from, to := s[0].bounds(x.shape[0])
	for k := from; (s[0].step > 0 && k < to) || (s[0].step < 0 && k > to); k += s[0].step {
		out.v = append(out.v, x.v[k*row:(k+1)*row]...)
		out.shape[0]++
	}
	return out
}
