package evaluate

import (
	"context"

	"rpg/onnxio"
	"rpg/tokenize/align"
)

// alignment is an order of channels for the originals and whatever is compared
// with them: two networks that differ by the order of their channels alone are one
// network.
type alignment struct {
	matcher *align.Matcher
	frame   *align.Frame
	space   *space // of the aligned originals
	moved   int    // originals that were in another order than the first one
	seed    uint64
}

// newAlignment aligns the originals; nil when the graph allows no order but one.
func newAlignment(ctx context.Context, template *onnxio.Model, sp *space, seed uint64, threads int) (*alignment, error) {
	symmetry := align.Find(template)
	if len(symmetry.Groups) == 0 {
		return nil, nil
	}
	matcher, err := align.NewMatcher(symmetry, &sp.tokenizer.Layout)
	if err != nil {
		return nil, err
	}
	a := &alignment{matcher: matcher, seed: seed}
	a.frame, err = matcher.Frame(ctx, sp.places, align.FrameOptions{Rounds: align.DefaultRounds, Seed: seed, Threads: threads})
	if err != nil {
		return nil, err
	}
	places := make([][]float32, len(sp.places))
	for i, p := range a.frame.Permutations {
		if p.Moved() == 0 {
			places[i] = sp.places[i]
			continue
		}
		a.moved++
		places[i] = matcher.Permute(p, sp.places[i])
	}
	a.space = sp.in(places)
	return a, nil
}

// place puts the channels of a model in the order in which it comes closest to an
// original, of the orders found by three ways: its own; that of the original it
// is nearest to as it is, number near; and matching to the frame. The last step is
// to match it to that original itself, so that a copy is known in any order.
func (a *alignment) place(ctx context.Context, place []float32, near int) ([]float32, neighbour, error) {
	symmetry := a.matcher.Symmetry
	matched, err := a.matcher.Match(ctx, a.frame.Mean, place, a.seed)
	if err != nil {
		return nil, neighbour{}, err
	}
	bestPlace, best, order := place, a.space.nearest(place, -1), symmetry.Identity()
	try := func(p align.Permutation) {
		moved := a.matcher.Permute(p, place)
		if n := a.space.nearest(moved, -1); n.l2 < best.l2 {
			bestPlace, best, order = moved, n, p
		}
	}
	try(a.frame.Permutations[near])
	try(matched)
	closest, err := a.matcher.Refine(ctx, a.space.places[best.index], place, order, a.seed)
	if err != nil {
		return nil, neighbour{}, err
	}
	try(closest)
	return bestPlace, best, nil
}

// original gives original i with its channels in the order of the frame.
func (a *alignment) original(i int, v onnxio.Values) onnxio.Values {
	return a.matcher.Symmetry.Apply(a.frame.Permutations[i], v)
}
