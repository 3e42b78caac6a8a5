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

// of returns the place in all rows; nil is nowhere.
func (p *place) of(rows compute.Matrix) compute.Matrix {
	if p == nil {
		return compute.Matrix{}
	}
	return rows.Columns(p.at, p.at+p.width)
}

// moments sets when each place is in use and returns all places. A pass has two
// moments: what it needs of a token only until it writes, in a backward pass the
// gradient that it takes further and the output that this belongs to, is in use at
// the first one.
func moments(passes []pass) (places []*place) {
	for t, p := range passes {
		for i, s := range []*place{p.dy, p.y, p.raw, p.x, p.skip, p.dx} {
			if s == nil {
				continue
			}
			if !slices.Contains(places, s) {
				places = append(places, s)
			}
			if i < 3 && (p.kind == backward || p.kind == through) {
				s.use(2*t + 1)
			} else {
				s.use(2*t + 2)
			}
		}
	}
	return places
}
