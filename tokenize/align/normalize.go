package align

// batchNormalization: X [N,C,...] and four vectors [C].
func (c *call) batchNormalization() bool {
	x, ok := c.ranked(0)
	if !ok || len(x) < 2 || c.has(1) {
		return false
	}
	for k := 1; k < 5; k++ {
		if !c.vector(k, x[1]) {
			return false
		}
	}
	c.set(0, x...)
	return true
}

// instanceNormalization: X [N,C,...] and two vectors [C].
func (c *call) instanceNormalization() bool {
	x, ok := c.ranked(0)
	if !ok || len(x) < 3 || !c.vector(1, x[1]) || !c.vector(2, x[1]) {
		return false
	}
	c.set(0, x...)
	return true
}

// groupNormalization: X [N,g·i,...]. The g groups may be permuted, and the
// channels within them alike in every group. Scale and bias are [g] up to
// operator set 20 and [g·i] after it.
func (c *call) groupNormalization() bool {
	x, ok := c.ranked(0)
	groups, ok2 := c.node.Int("num_groups", 0)
	if !ok || !ok2 || len(x) < 3 {
		return false
	}
	g, _, ok := x[1].divide(int(groups))
	if !ok {
		return false
	}
	for k := 1; k < 3; k++ {
		v, ok := c.ranked(k)
		if !ok || len(v) != 1 {
			return false
		}
		if c.opset[""] < 21 {
			unify(v[0], g, c.why)
		} else {
			unify(v[0], x[1], c.why)
		}
	}
	c.set(0, x...)
	return true
}

// layerNormalization: X is normalized over the axes from one on; scale and bias
// are lined up with X at the last axes.
func (c *call) layerNormalization() bool {
	x, ok := c.ranked(0)
	first, ok2 := c.node.Int("axis", -1)
	k, ok3 := along(first, len(x))
	if !ok || !ok2 || !ok3 || !c.scaled(x, 1, 2) {
		return false
	}
	c.set(0, x...)
	c.statistics(x, k, 1, 2)
	return true
}

// scaled lines up inputs, where they are given, with x.
func (c *call) scaled(x []*axis, inputs ...int) bool {
	for _, k := range inputs {
		if c.given(k) == nil {
			continue
		}
		v, ok := c.ranked(k)
		if !ok || len(v) > len(x) {
			return false
		}
		c.lineUp(x, v)
	}
	return true
}

// statistics sets outputs that have one place for each of x's axes from k on.
func (c *call) statistics(x []*axis, k int, outputs ...int) {
	for _, o := range outputs {
		axes := append([]*axis{}, x[:k]...)
		for range x[k:] {
			axes = append(axes, one())
		}
		c.set(o, axes...)
	}
}

// skipLayerNormalization: input 1 is added to X first; then gamma, and, but for
// the simplified form, beta; then a bias that is added with input 1. Output 3 is
// the sum.
func (c *call) skipLayerNormalization() bool {
	x, ok := c.ranked(0)
	if !ok || len(x) < 2 || !c.scaled(x, 1, 2, 3, 4) {
		return false
	}
	c.set(0, x...)
	c.statistics(x, len(x)-1, 1, 2)
	c.set(3, x...)
	return true
}

// localResponse sums over neighbouring channels, so that their order counts.
func (c *call) localResponse() bool {
	x, ok := c.ranked(0)
	if !ok || len(x) < 2 {
		return false
	}
	x[1].pin(c.why + " sums over neighbouring channels")
	c.set(0, x...)
	return true
}

// pool: windows over the places of an image.
func (c *call) pool() bool {
	x, ok := c.ranked(0)
	kernel, ok2 := c.node.Ints("kernel_shape")
	if !ok || !ok2 || len(x) < 3 || len(kernel) != len(x)-2 || c.has(1) { // output 1 has places in all of X
		return false
	}
	pinAll(imagePlaces, x[2:]...)
	out := []*axis{x[0], x[1]}
	for k, n := range kernel {
		out = append(out, c.window(x, k, int(n), true))
	}
	c.set(0, out...)
	return true
}

func (c *call) globalPool() bool {
	x, ok := c.ranked(0)
	if !ok || len(x) < 2 {
		return false
	}
	c.statistics(x, 2, 0)
	return true
}

// window is axis 2+k of what a convolution or a pooling with a kernel of size
// places gives for input x, nil for one of unknown rank.
func (c *call) window(x []*axis, k, size int, pooling bool) *axis {
	if x == nil || !x[2+k].known() {
		return c.unknown()
	}
	n := x[2+k].length()
	stride, ok := c.nth("strides", k, 1)
	dilation, ok2 := c.nth("dilations", k, 1)
	before, ok3 := c.nth("pads", k, 0)
	after, ok4 := c.nth("pads", len(x)-2+k, 0)
	auto, ok5 := c.node.Text("auto_pad", "NOTSET")
	ceil, ok6 := c.node.Int("ceil_mode", 0)
	if !ok || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || stride < 1 || dilation < 1 || size < 1 || pooling && ceil != 0 {
		return c.unknown() // how the last window is rounded has changed over time
	}
	reach := (size-1)*dilation + 1
	switch auto {
	case "SAME_UPPER", "SAME_LOWER":
		return c.sized((n+stride-1)/stride, imagePlaces)
	case "VALID":
		before, after = 0, 0
	}
	return c.sized((n+before+after-reach)/stride+1, imagePlaces)
}

// windowTransposed is window for ConvTranspose.
func (c *call) windowTransposed(x []*axis, k, size int) *axis {
	if !x[2+k].known() || c.node.Has("output_shape") || c.node.Has("auto_pad") {
		return c.unknown()
	}
	stride, ok := c.nth("strides", k, 1)
	dilation, ok2 := c.nth("dilations", k, 1)
	before, ok3 := c.nth("pads", k, 0)
	after, ok4 := c.nth("pads", len(x)-2+k, 0)
	more, ok5 := c.nth("output_padding", k, 0)
	if !ok || !ok2 || !ok3 || !ok4 || !ok5 {
		return c.unknown()
	}
	return c.sized(stride*(x[2+k].length()-1)+more+(size-1)*dilation+1-before-after, imagePlaces)
}

// nth is entry k of a list of numbers, or otherwise when there is no list.
func (c *call) nth(name string, k, otherwise int) (int, bool) {
	list, ok := c.node.Ints(name)
	switch {
	case !ok:
		return 0, false
	case list == nil:
		return otherwise, true
	case k >= len(list):
		return 0, false
	}
	return int(list[k]), true
}
