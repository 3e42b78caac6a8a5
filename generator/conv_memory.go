package generator

import (
	"cmp"
	"slices"

	"rpg/generator/compute"
)

// The signals of the published denoiser are nearly all the memory of a training.
// Each token has a row of them, in which a signal has its place, [channels·D];
// the places of signals that are not needed at the same time may overlap.

// A place is a run of width values, from at on, of a token's row. It is in use
// from one moment to another, both included.
type place struct {
	width, at int
	from, to  int
}

// use says that the place is in use at moment t too.
func (p *place) use(t int) {
	if p.to == 0 {
		p.from = t
	}
	p.to = t
}

// arrange puts the places as near to the beginning of the row as those in use at
// the same time allow, and returns the length of the row. Those that are needed
// longest come first: what is left between them is for the short ones.
func arrange(places []*place) (length int) {
	slices.SortStableFunc(places, func(a, b *place) int { return cmp.Or(b.to-a.to, b.width-a.width) })
	for i, p := range places {
		overlaps := func(q *place) bool {
			return p.from <= q.to && q.from <= p.to && p.at < q.at+q.width && q.at < p.at+p.width
		}
		for moved := true; moved; {
			moved = false
			for _, q := range places[:i] {
				if overlaps(q) {
					p.at, moved = q.at+q.width, true
				}
			}
		}
		length = max(length, p.at+p.width)
	}
	return length
}

// A view is the values lo..hi-1 of a place; without a place there are none.
type view struct {
	*place
	lo, hi int
}

func (v view) of(rows compute.Matrix) compute.Matrix {
	if v.place == nil {
		return compute.Matrix{}
	}
	return rows.Columns(v.at+v.lo, v.at+v.hi)
}

// part is the channels of c, of width d.
func (v view) part(c channels, d int) view {
	return view{v.place, v.lo + c.lo*d, v.lo + c.hi*d}
}

// moments sets when each place is in use. A pass has two moments: at the first it
// reads the gradient that it takes further and the output that belongs to it, at
// the second it has done so. It returns the places.
func moments(passes []pass) (places []*place) {
	for t, p := range passes {
		for i, v := range []view{p.dy, p.y, p.raw, p.x, p.skip, p.dx} {
			if v.place == nil {
				continue
			}
			if !slices.Contains(places, v.place) {
				places = append(places, v.place)
			}
			if early := p.kind == backward && i < 3; early {
				v.use(2*t + 1)
			} else {
				v.use(2*t + 2)
			}
		}
	}
	return places
}
