package align

import (
	"slices"
	"strings"
)

const (
	kernelPlaces = "it is a kernel's places, not channels"
	imagePlaces  = "it is an image's places, not channels"
)

// conv: X [N,g·i,...], W [g·o,i,...], B [g·o] to [N,g·o,...] for g groups. The
// groups may be permuted, and the channels within them alike in every group. With
// one group that is any permutation, with a group for each channel (depthwise)
// one that takes the channel's outputs along.
func (c *call) conv() bool {
	w, ok := c.ranked(1)
	groups, ok2 := c.node.Int("group", 1)
	if !ok || !ok2 || len(w) < 3 {
		return false
	}
	x, ranked := c.ranked(0)
	if ranked && len(x) != len(w) {
		return false
	}
	pinAll(kernelPlaces, w[2:]...)
	g, _, ok := w[0].divide(int(groups))
	if !ok {
		return false
	}
	if ranked {
		unify(x[1], productOf(g, w[1]), c.why)
		pinAll(imagePlaces, x[2:]...)
	} else { // what comes in is not known to be permuted, so it is not
		pinAll(c.why+" takes a value of unknown shape", g, w[1])
	}
	out := []*axis{c.unknown(), w[0]}
	if ranked {
		out[0] = x[0]
	}
	for k := range w[2:] {
		out = append(out, c.window(x, k, w[2+k].length(), false))
	}
	if !c.vector(2, w[0]) {
		return false
	}
	if v := c.given(3); v != nil { // FusedConv adds it
		if !v.ranked || len(v.axes) != len(out) {
			return false
		}
		unify(v.axes[1], w[0], c.why)
	}
	c.set(0, out...)
	return true
}

// convTranspose: X [N,g·i,...], W [g·i,o,...], B [g·o] to [N,g·o,...].
func (c *call) convTranspose() bool {
	w, ok := c.ranked(1)
	x, ok2 := c.ranked(0)
	groups, ok3 := c.node.Int("group", 1)
	if !ok || !ok2 || !ok3 || len(w) < 3 || len(x) != len(w) {
		return false
	}
	pinAll(kernelPlaces, w[2:]...)
	pinAll(imagePlaces, x[2:]...)
	g, _, ok := w[0].divide(int(groups))
	if !ok {
		return false
	}
	unify(x[1], w[0], c.why)
	channels := productOf(g, w[1])
	if !c.vector(2, channels) {
		return false
	}
	out := []*axis{x[0], channels}
	for k := range w[2:] {
		out = append(out, c.windowTransposed(x, k, w[2+k].length()))
	}
	c.set(0, out...)
	return true
}

// gemm: A [M,K] or [K,M], B [K,N] or [N,K], C broadcast to [M,N].
func (c *call) gemm() bool {
	b, ok := c.ranked(1)
	transA, ok2 := c.node.Int("transA", 0)
	transB, ok3 := c.node.Int("transB", 0)
	if !ok || !ok2 || !ok3 || len(b) != 2 {
		return false
	}
	k, n := b[0], b[1]
	if transB != 0 {
		k, n = n, k
	}
	rows := c.unknown()
	if a, ok := c.ranked(0); !ok {
		k.pin(c.why + " takes a value of unknown shape")
	} else if len(a) != 2 {
		return false
	} else if transA != 0 {
		unify(a[0], k, c.why)
		rows = a[1]
	} else {
		unify(a[1], k, c.why)
		rows = a[0]
	}
	out := []*axis{rows, n}
	if c.given(2) != nil {
		added, ok := c.ranked(2)
		if !ok || len(added) > 2 {
			return false
		}
		out = c.lineUp(out, added)
	}
	c.set(0, out...)
	return true
}

// matMul: A [...,M,K], B [...,K,N] to [...,M,N]; a vector has no M, or no N.
func (c *call) matMul() bool {
	a, ok := c.ranked(0)
	b, ok2 := c.ranked(1)
	transA, ok3 := c.node.Int("transA", 0)
	transB, ok4 := c.node.Int("transB", 0)
	batchA, ok5 := c.node.Int("transBatchA", 0)
	batchB, ok6 := c.node.Int("transBatchB", 0)
	if !ok || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || len(a) == 0 || len(b) == 0 || batchA != 0 || batchB != 0 {
		return false
	}
	a, b = slices.Clone(a), slices.Clone(b)
	if transA != 0 && len(a) > 1 {
		a[len(a)-2], a[len(a)-1] = a[len(a)-1], a[len(a)-2]
	}
	if transB != 0 && len(b) > 1 {
		b[len(b)-2], b[len(b)-1] = b[len(b)-1], b[len(b)-2]
	}
	unify(a[len(a)-1], b[max(0, len(b)-2)], c.why)
	out := c.lineUp(a[:max(0, len(a)-2)], b[:max(0, len(b)-2)])
	if len(a) > 1 {
		out = append(out, a[len(a)-2])
	}
	if len(b) > 1 {
		out = append(out, b[len(b)-1])
	}
	c.set(0, out...)
	return true
}

// einsum: axes of one letter are one axis.
func (c *call) einsum() bool {
	text, ok := c.node.Text("equation", "")
	left, right, arrow := strings.Cut(strings.ReplaceAll(text, " ", ""), "->")
	terms := strings.Split(left, ",")
	if !ok || !arrow || strings.Contains(text, ".") || len(terms) != len(c.in) {
		return false
	}
	letters := map[rune]*axis{}
	for k, term := range terms {
		x, ok := c.ranked(k)
		if !ok || len(x) != len(term) {
			return false
		}
		for i, letter := range term {
			if a := letters[letter]; a != nil {
				letters[letter] = c.joint(a, x[i])
			} else {
				letters[letter] = x[i]
			}
		}
	}
	var out []*axis
	for _, letter := range right {
		if letters[letter] == nil {
			return false
		}
		out = append(out, letters[letter])
	}
	c.set(0, out...)
	return true
}
