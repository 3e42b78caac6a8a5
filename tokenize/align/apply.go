package align

import "rpg/onnxio"

// Apply gives v with its channels permuted by p: a view, computed when it is
// read, of the same rounding-free values in other places. Any number of
// goroutines may read it if they may read v.
func (s *Symmetry) Apply(p Permutation, v onnxio.Values) onnxio.Values {
	s.check(p)
	out := &permuted{v: v, weights: make([]movedWeight, len(s.weights))}
	for i, w := range s.weights {
		out.weights[i] = s.moved(w, p)
	}
	return out
}

// Permute writes the values src of weight i, permuted by p, to dst. They may be
// in any unit that is the same for the whole weight, as tokens are.
func (s *Symmetry) Permute(i int, p Permutation, dst, src []float32) {
	w := s.moved(s.weights[i], p)
	if w.maps == nil {
		copy(dst, src)
		return
	}
	w.gather(dst, src, 0, len(w.shape))
}

// movedWeight is the shape of a weight and where the places of its axes come
// from; maps is nil when nothing moves, as is the entry of an axis that stays.
type movedWeight struct {
	shape []int
	maps  [][]int32
}

func (s *Symmetry) moved(w weightAxes, p Permutation) movedWeight {
	m := movedWeight{shape: w.shape}
	for k, a := range w.axes {
		if places := s.places(a, p); places != nil {
			if m.maps == nil {
				m.maps = make([][]int32, len(w.shape))
			}
			m.maps[k] = places
		}
	}
	return m
}

// gather fills dst, the tensor of the axes from k to the last but end, from src
// of the same axes.
func (w *movedWeight) gather(dst, src []float32, k, end int) {
	moves := false
	for j := k; j < end; j++ {
		moves = moves || w.maps[j] != nil
	}
	if !moves {
		copy(dst, src)
		return
	}
	inner := len(src) / w.shape[k]
	if inner == 1 {
		for i, from := range w.maps[k] {
			dst[i] = src[from]
		}
		return
	}
	for i := range w.shape[k] {
		from := i
		if w.maps[k] != nil {
			from = int(w.maps[k][i])
		}
		w.gather(dst[i*inner:(i+1)*inner], src[from*inner:(from+1)*inner], k+1, end)
	}
}

// permuted is the Values that Apply gives.
type permuted struct {
	v       onnxio.Values
	weights []movedWeight
}

// slabElements is how many values of a weight ReadValues reads at a time, if one
// row of its last axis is not longer.
const slabElements = 1 << 14

// ReadValues implements onnxio.Values. It cuts the weight into slabs, the inner
// axes that have at most slabElements values together: a slab of the result is
// made of one slab of v.
func (p *permuted) ReadValues(i int, dst []float32, off int) error {
	if i < 0 || i >= len(p.weights) || p.weights[i].maps == nil {
		return p.v.ReadValues(i, dst, off)
	}
	w := p.weights[i]
	first, slab := len(w.shape)-1, w.shape[len(w.shape)-1]
	for first > 0 && slab*w.shape[first-1] <= slabElements {
		first--
		slab *= w.shape[first]
	}
	from, to := make([]float32, slab), make([]float32, slab)
	for len(dst) > 0 {
		number, skip := off/slab, off%slab
		if err := p.v.ReadValues(i, from, w.source(number, first)*slab); err != nil {
			return err
		}
		w.gather(to, from, first, len(w.shape))
		n := copy(dst, to[skip:])
		dst, off = dst[n:], off+n
	}
	return nil
}

// source is the number of the slab that slab number comes from; slabs are counted
// by the axes before first.
func (w *movedWeight) source(number, first int) int {
	out, scale := 0, 1
	for k := first - 1; k >= 0; k-- {
		at := number % w.shape[k]
		number /= w.shape[k]
		if w.maps[k] != nil {
			at = int(w.maps[k][at])
		}
		out += at * scale
		scale *= w.shape[k]
	}
	return out
}
