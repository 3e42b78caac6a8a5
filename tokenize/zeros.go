package tokenize

import (
	"fmt"
	"math"
	"math/bits"

	"rpg/onnxio"
)

// Zeros marks the elements of a weight that are 0 in every model of the zoo, one
// bit an element, the lowest bit of a byte first. They are no part of its tokens
// and are 0 in everything that is decoded: a pruned network stays pruned.
type Zeros []byte

// has tells whether element e is marked.
func (z Zeros) has(e int) bool { return z[e/8]>>(e%8)&1 == 1 }

// count is the number of marked elements.
func (z Zeros) count() int {
	n := 0
	for _, b := range z {
		n += bits.OnesCount8(b)
	}
	return n
}

// check returns an error unless z marks some elements of so many, but not all.
func (z Zeros) check(elements int) error {
	if len(z) != ceilDiv(elements, 8) {
		return fmt.Errorf("zeros of %d bytes, expected %d for %d elements", len(z), ceilDiv(elements, 8), elements)
	}
	if rest := elements % 8; rest != 0 && z[len(z)-1]>>rest != 0 {
		return fmt.Errorf("zeros behind the last of %d elements", elements)
	}
	if n := z.count(); n == 0 || n == elements {
		return fmt.Errorf("zeros: %d of %d elements are marked, expected some and not all", n, elements)
	}
	return nil
}

// rankBytes is how many bytes of a bitmap one number of ranks stands for.
const rankBytes = 64

// ranks finds, among the elements of a weight that are not marked, which ones: the
// number of those before each rankBytes of its bitmap.
type ranks []int

func newRanks(z Zeros) ranks {
	var r ranks
	kept := 0
	for i, b := range z {
		if i%rankBytes == 0 {
			r = append(r, kept)
		}
		kept += 8 - bits.OnesCount8(b)
	}
	return r
}

// before counts the elements before element e that are not marked.
func (r ranks) before(z Zeros, e int) int {
	if e/8/rankBytes >= len(r) { // behind the last byte
		return 8*len(z) - z.count() - (8*len(z) - e)
	}
	block := e / 8 / rankBytes
	n := r[block]
	for i := block * rankBytes; i < e/8; i++ {
		n += 8 - bits.OnesCount8(z[i])
	}
	if rest := e % 8; rest != 0 {
		n += rest - bits.OnesCount8(z[e/8]&(1<<rest-1))
	}
	return n
}

// find gives the element that has k unmarked ones before it and is one itself.
func (r ranks) find(z Zeros, k int) int {
	lo, hi := 0, len(r) // the last block with at most k before it
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; r[mid] <= k {
			lo = mid
		} else {
			hi = mid
		}
	}
	k -= r[lo]
	for i := lo * rankBytes; ; i++ {
		if n := 8 - bits.OnesCount8(z[i]); k >= n {
			k -= n
			continue
		}
		for e := 8 * i; ; e++ {
			if z.has(e) {
				continue
			}
			if k == 0 {
				return e
			}
			k--
		}
	}
}

// without gives the moments of what a has seen but n values that were 0.
func (a moments) without(n float64) moments {
	left := a.n - n
	b := moments{n: left, mean: a.mean * a.n / left}
	b.m2 = max(0, a.m2+a.n*a.mean*a.mean-left*b.mean*b.mean)
	return b
}

// leaveOut marks the zeros of a weight in its layout, if there are any, and takes
// them out of its statistics.
func (c *collected) leaveOut(w *Weight, models int) {
	if c.nonzero == nil {
		return
	}
	z := make(Zeros, len(c.nonzero))
	for i, b := range c.nonzero {
		z[i] = ^b
	}
	if rest := w.Elements % 8; rest != 0 {
		z[len(z)-1] &= 1<<rest - 1
	}
	n := z.count()
	if n == 0 || n == w.Elements {
		return
	}
	left := c.all.without(float64(n) * float64(models))
	if !(left.std() > 1e-7*math.Abs(left.mean)) {
		return // the others are all alike: nothing to normalize by
	}
	c.all, w.Zeros = left, z
}

// rank makes the ranks of all weights that have Zeros.
func (l *Layout) rank() {
	for j := range l.Weights {
		if w := &l.Weights[j]; w.Zeros != nil {
			w.ranks = newRanks(w.Zeros)
		}
	}
}

// readKept fills dst with the values of weight j that are not left out, from the
// one with off of them before it on.
func (w *Weight) readKept(v onnxio.Values, j int, dst []float32, off int) error {
	if w.Zeros == nil {
		return v.ReadValues(j, dst, off)
	}
	buffer := make([]float32, min(blockValues, w.Elements))
	for e := w.ranks.find(w.Zeros, off); len(dst) > 0; {
		block := buffer[:min(len(buffer), w.Elements-e)]
		if err := v.ReadValues(j, block, e); err != nil {
			return err
		}
		for _, x := range block {
			if !w.Zeros.has(e) && len(dst) > 0 {
				dst[0], dst = x, dst[1:]
			}
			e++
		}
	}
	return nil
}

// spread puts the n first values of dst, those that are not left out of the
// elements from off on, in the places of these, and 0 in the others.
func (w *Weight) spread(dst []float32, off, n int) {
	for e := len(dst) - 1; e >= 0; e-- {
		if w.Zeros.has(off + e) {
			dst[e] = 0
		} else {
			n--
			dst[e] = dst[n]
		}
	}
}
