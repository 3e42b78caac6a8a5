package evaluate

import (
	"context"
	"math"
	"slices"
)

// The kinds of generated model that are no news. See docs/metrics.md.
const (
	KindCopy    = "copy"         // practically one of the originals
	KindNoise   = "noise-like"   // an original with changes that have nothing to do with the others
	KindAverage = "average-like" // nearer to the mean of the originals than to any of them
	KindOther   = "other"        // none of these
)

// copyRatio is the part of the originals' usual distance from each other below
// which a model is a copy.
const copyRatio = 0.05

// novelty is where a candidate lies among the originals.
type novelty struct {
	near    neighbour // by distance
	aligned neighbour // by distance after alignment; index -1 without one
	toMean  float64   // distance to the originals' mean, after alignment if there is one
	cosine  float64   // between the ways from the nearest original to the candidate and to the mean
	alike   neighbour // by IoU of wrong predictions, which is in l2
	differs float64   // the part of the images to which it and the nearest give different classes
	pairs   float64   // mean IoU with all originals
	p       float64   // McNemar's test against the nearest original
}

// nearest is the original that a candidate is compared with.
func (n *novelty) nearest() neighbour {
	if n.aligned.index >= 0 {
		return n.aligned
	}
	return n.near
}

// A frame is what models are compared in: the originals' space, and their
// alignment, which may be nil.
type frame struct {
	*space
	aligned *alignment
}

// newFrame is nil without originals.
func (o *Options) newFrame(ctx context.Context) (*frame, error) {
	if len(o.Against) == 0 {
		return nil, nil
	}
	sp, err := newSpace(ctx, o.Against, o.Threads)
	if err != nil {
		return nil, err
	}
	f := &frame{space: sp}
	if !slices.Contains(o.Without, BaselineAligned) {
		f.aligned, err = newAlignment(ctx, o.Against[0], sp, o.Seed, o.Threads)
	}
	return f, err
}

// compare finds where each candidate lies. The originals come first among
// candidates. One model's tokens are in memory for each thread, and the originals'.
func (o *Options) compare(ctx context.Context, f *frame, candidates []*candidate) error {
	originals := candidates[:len(o.Against)]
	return parallel(ctx, o.Threads, len(candidates), func(i int) error {
		c, self := candidates[i], -1
		if i < len(originals) {
			self = i
		}
		if !c.placed {
			if err := f.lie(ctx, c, self); err != nil {
				return err
			}
		}
		c.alike = neighbour{index: -1}
		if c.nearest().index < 0 {
			return nil // the only original
		}
		near := originals[c.nearest().index].score
		c.differs, c.p = disagreement(c.score, near), McNemar(c.score.Wrong, near.Wrong)
		for k, other := range originals {
			if k == self {
				continue
			}
			u := IoU(c.score.Wrong, other.score.Wrong)
			if c.alike.index < 0 || u > c.alike.l2 {
				c.alike = neighbour{k, u}
			}
			c.pairs += u
		}
		c.pairs /= float64(len(originals) - min(1, self+1))
		return nil
	})
}

// lie finds where a candidate's weights lie, which is original number self, or
// none of them if that is -1.
func (f *frame) lie(ctx context.Context, c *candidate, self int) error {
	var place []float32
	var err error
	if self >= 0 {
		place = f.places[self]
	} else if place, err = f.place(c.values); err != nil {
		return err
	}
	c.near, c.aligned = f.nearest(place, self), neighbour{index: -1}
	within := f.space
	if a := f.aligned; a != nil {
		within = a.space
		if self >= 0 {
			place = within.places[self]
		}
		if self >= 0 || c.framed {
			c.aligned = within.nearest(place, self)
		} else if place, c.aligned, err = a.place(ctx, place, c.near.index); err != nil {
			return err
		}
	}
	c.toMean = distance(place, within.mean)
	if k := c.nearest().index; k >= 0 {
		c.cosine = cosine(place, within.places[k], within.mean)
	}
	c.placed = true
	return nil
}

// cosine is the cosine of the angle at from between the ways to a and to b; 0
// where there is no way.
func cosine(a, from, b []float32) float64 {
	var ab, aa, bb float64
	for i, f := range from {
		x, y := float64(a[i])-float64(f), float64(b[i])-float64(f)
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

// disagreement is the part of the images to which two models give different
// classes, or one of them gives NaN.
func disagreement(a, b Score) float64 {
	n := 0
	for i, class := range a.Predictions {
		if class != b.Predictions[i] || a.NaN.Has(i) || b.NaN.Has(i) {
			n++
		}
	}
	return float64(n) / float64(a.N)
}

// kind says what a model is that lies so, in a zoo whose originals' median
// nearest neighbour is at usual, of so many values.
func (n *novelty) kind(usual float64, values int) string {
	near := n.nearest().l2
	// The cosine of a fixed direction with white noise in so many dimensions has
	// the standard deviation 1/sqrt(values).
	white := max(0.05, 5/math.Sqrt(float64(values)))
	switch {
	case near <= copyRatio*usual:
		return KindCopy
	case n.toMean < near:
		return KindAverage
	case math.Abs(n.cosine) <= white:
		return KindNoise
	}
	return KindOther
}

// novelRatios are the multiples of the originals' own distance at which the share
// of novel and good models is counted.
func novelRatios() []float64 { return []float64{1, 2, 3, 4, 6} }

// vote is the accuracy of the majority of the models, and how much more it is
// than their mean. A tie goes to the lowest class, and a model that gives NaN has no
// vote. Nil for fewer than three models.
func vote(models []*candidate, right func(image int, class uint16) bool) *VoteResult {
	models = models[:min(len(models), averaged)]
	if len(models) < 3 {
		return nil
	}
	v := &VoteResult{Models: len(models)}
	mean, correct := 0.0, 0
	for _, c := range models {
		mean += float64(c.score.Correct) / float64(c.score.N) / float64(len(models))
	}
	n := models[0].score.N
	for i := range n {
		counts := map[uint16]int{}
		for _, c := range models {
			if !c.score.NaN.Has(i) {
				counts[c.score.Predictions[i]]++
			}
		}
		best, most := uint16(0), 0
		for class, k := range counts {
			if k > most || k == most && class < best {
				best, most = class, k
			}
		}
		if most > 0 && right(i, best) {
			correct++
		}
	}
	v.Top1 = float64(correct) / float64(n)
	v.Gain = v.Top1 - mean
	return v
}

// within is the mean IoU of wrong predictions over the pairs of a group, nil for one.
func within(models []*candidate) *float64 {
	if len(models) < 2 {
		return nil
	}
	sum, pairs := 0.0, 0
	for i, a := range models {
		for _, b := range models[i+1:] {
			sum += IoU(a.score.Wrong, b.score.Wrong)
			pairs++
		}
	}
	sum /= float64(pairs)
	return &sum
}
