package generator

import (
	"context"

	"rpg/generator/compute"
)

// A Trial trains and samples without a run folder, for measurements: nothing is kept.
// In large tensors the same first values come again and again, as what a step costs
// does not depend on them.
type Trial struct {
	Config Config
	Zoo    *Zoo
	Room   int64 // as in Hooks
}

// Train trains from the first step until each, which receives every step, returns
// false.
func (t Trial) Train(ctx context.Context, dev compute.Device, each func(StepEvent) bool) error {
	tr := newTrainer(dev, t.Config, t.Zoo)
	tr.keepAside(t.Room)
	if err := dev.Sync(); err != nil { // no memory for it
		return err
	}
	t.fill(dev, &tr.net.ps)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := tr.next()
		if err != nil {
			return err
		}
		if !each(e) {
			return nil
		}
	}
}

// Sample samples o.Count models again and again, from the first values, until each,
// which receives the time of every turn, returns false.
func (t Trial) Sample(ctx context.Context, dev compute.Device, o SampleOptions, each func(Timing) bool) error {
	steps, err := newSchedule(t.Config).steps(o.Sampler, o.Steps, o.Eta, t.Config.prediction())
	if err != nil {
		return err
	}
	run := &Run{Config: t.Config, Tokenizer: t.Zoo.Tokenizer, Zoo: ZooInfo{Count: t.Zoo.Count}}
	layout := &t.Zoo.Tokenizer.Layout
	together := min(o.Count, max(1, valuesAtOnce/(layout.Tokens()*t.Config.TokenDim)))
	s := newSampler(dev, t.Config, layout, t.Zoo.Count, together, steps)
	if err := dev.Sync(); err != nil { // no memory for it
		return err
	}
	t.fill(dev, &s.net.ps)
	if err := s.start(); err != nil {
		return err
	}
	for {
		s.took = Timing{}
		for first := 0; first < o.Count; first += together {
			if _, err := run.sampleGroup(ctx, s, o, first, min(together, o.Count-first), nil); err != nil {
				return err
			}
		}
		if !each(s.took) {
			return nil
		}
	}
}

// trialBlock is the number of values that come again and again.
const trialBlock = 1 << 20

// fill gives the parameters their values.
func (t Trial) fill(dev compute.Device, ps *params) {
	buf := make([]float32, min(trialBlock, ps.largest()))
	for i, p := range ps.list {
		block := buf[:min(p.n, len(buf))]
		p.initial(block, t.Config.Seed, i)
		for at := 0; at < p.n; at += len(block) {
			end := min(p.n, at+len(block))
			dev.Upload(p.value.Slice(at, end), block[:end-at])
		}
	}
}
