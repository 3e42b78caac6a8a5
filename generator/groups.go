package generator

import (
	"context"
	"fmt"
	"time"

	"rpg/generator/compute"
)

// valuesAtOnce bounds the tokens of the models that are sampled together, in
// values; one model is always allowed.
const valuesAtOnce = 1 << 24

// Sample generates models from the run's averaged weights and gives them to each
// in groups, in order, soon after they are made. While each works on a group the
// next one is sampled: each is called by the goroutine of the caller, progress by
// another. A group is one model, or as many as have valuesAtOnce values; the
// tokens of two groups are in memory at most, unless each keeps them. Beyond these
// and, with a transformer, the keys and values of one model, the memory needed
// depends neither on the models' number nor on their size. progress, which may be
// nil, receives how much of the denoising is done, 0 to 1.
//
// The first error, of the sampling or of each, ends both. When ctx is done the
// sampling ends within a step, and each is not called again.
func (r *Run) Sample(ctx context.Context, dev compute.Device, o SampleOptions, progress func(float64), each func(group []Sample) error) (Timing, error) {
	return r.sampleGroups(ctx, dev, o, valuesAtOnce, progress, each)
}

// sampleGroups is Sample with groups of so many values of tokens at most.
func (r *Run) sampleGroups(ctx context.Context, dev compute.Device, o SampleOptions, atOnce int, progress func(float64), each func([]Sample) error) (Timing, error) {
	if o.Count < 1 {
		return Timing{}, fmt.Errorf("generator: number of models is %d, expected at least 1", o.Count)
	}
	steps, err := newSchedule(r.Config).steps(o.Sampler, o.Steps, o.Eta, r.Config.prediction())
	if err != nil {
		return Timing{}, err
	}
	if _, err := r.pickState(o.State, o.Seed); err != nil {
		return Timing{}, err
	}
	begin := time.Now()
	size := r.Tokenizer.Layout.Tokens() * r.Config.TokenDim
	together := min(o.Count, max(1, atOnce/size))
	s := newSampler(dev, r.Config, &r.Tokenizer.Layout, r.Zoo.Count, together, steps)
	if err := s.load(r); err != nil {
		return Timing{}, err
	}
	s.took.Load = time.Since(begin)
	err = overlap(ctx, func(ctx context.Context, give func([]Sample) error) error {
		for first := 0; first < o.Count; first += together {
			group, err := r.sampleGroup(ctx, s, o, first, min(together, o.Count-first), progress)
			if err != nil {
				return err
			}
			if err := give(group); err != nil {
				return err
			}
		}
		return nil
	}, each)
	return s.took, err
}

// sampleGroup samples models first to first+n-1 of o.
func (r *Run) sampleGroup(ctx context.Context, s *sampler, o SampleOptions, first, n int, progress func(float64)) ([]Sample, error) {
	group := make([]sampleJob, n)
	for i := range group {
		g := &group[i]
		g.Seed = o.Seed + uint64(first+i)
		var err error
		if g.state, err = r.pickState(o.State, g.Seed); err != nil {
			return nil, err
		}
		g.State, g.Tokens = "mean", make([]float32, s.l*s.d)
		if g.state != meanState {
			g.State = itoa(g.state)
		}
	}
	err := s.sample(ctx, group, func(tokens float64) {
		if progress != nil {
			progress((float64(first) + tokens/float64(s.l)) / float64(o.Count))
		}
	})
	if err != nil {
		return nil, err
	}
	made := make([]Sample, n)
	for i, g := range group {
		made[i] = g.Sample
	}
	return made, nil
}

// overlap makes groups of samples and uses them at the same time: while use works
// on a group, on the goroutine of the caller, the next one is made on another. A
// group is handed over when use is done with the one before, and only then is a
// third begun, so that no more than two are in memory. produce gives each group
// away as it is made, and ends when its context does or give returns an error.
//
// The first error of either side, or that of outer, ends both and is returned. A
// group that was handed over is used all the same when the next one cannot be
// made, but not once outer is done.
func overlap(outer context.Context, produce func(ctx context.Context, give func([]Sample) error) error, use func([]Sample) error) error {
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	groups := make(chan []Sample) // holds none: see above
	give := func(group []Sample) error {
		select {
		case groups <- group:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	go func() {
		defer close(groups)
		if err := produce(ctx, give); err != nil {
			cancel(err)
		}
	}()
	var failed error
	for group := range groups {
		if failed != nil || outer.Err() != nil {
			continue // handed over before produce knew
		}
		if failed = use(group); failed != nil {
			cancel(failed)
		}
	}
	return context.Cause(ctx)
}
