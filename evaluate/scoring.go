package evaluate

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"rpg/onnxio"
)

// score fills in the scores, one graph after the other. Those that are kept from
// earlier evaluations are not computed. note says why a score could not be kept,
// which is no reason to stop.
func (o *Options) score(ctx context.Context, candidates []*candidate) (note string, err error) {
	k, err := o.newKept()
	if err != nil {
		k, note = nil, keepingFailed(err)
	}
	var scorings []*scoring
	total := 0
	candidates = slices.DeleteFunc(slices.Clone(candidates), func(c *candidate) bool { return c.scored })
	for len(candidates) > 0 {
		template, ok := candidates[0].values.(*onnxio.Model)
		if !ok {
			panic("evaluate: a baseline without an original before it")
		}
		same := &scoring{Options: o, template: template, kept: k}
		var others []*candidate
		for _, c := range candidates {
			m, ok := c.values.(*onnxio.Model)
			if !ok || m == template || template.Difference(m) == "" {
				same.list = append(same.list, c)
			} else {
				others = append(others, c)
			}
		}
		if k != nil {
			if same.list, err = k.find(ctx, o, template, same.list); err != nil {
				return "", err
			}
		}
		if len(same.list) > 0 {
			scorings = append(scorings, same)
		}
		total += len(same.list) * o.Data.Count
		candidates = others
	}
	// What opening many models left behind would stay in memory to the end: scoring
	// allocates next to nothing in Go, so the collector hardly runs again.
	debug.FreeOSMemory()
	done := 0
	for _, s := range scorings {
		var progress func(n, of int)
		if o.Progress != nil {
			progress = func(n, _ int) { o.Progress(done+n, total) }
		}
		if err := s.run(ctx, progress); err != nil {
			return "", err
		}
		done += len(s.list) * o.Data.Count
		if s.failed != nil && note == "" {
			note = keepingFailed(s.failed)
		}
	}
	if k != nil && len(scorings) > 0 {
		if err := k.prune(mostKept); err != nil && note == "" {
			note = keepingFailed(err)
		}
	}
	return note, nil
}

func keepingFailed(err error) string {
	return fmt.Sprintf("Scores are not kept for the next evaluation: %v.", err)
}

// A scoring is the candidates of one graph.
type scoring struct {
	*Options
	template *onnxio.Model
	list     []*candidate
	kept     *kept
	failed   error // why a score could not be kept
}

func (s *scoring) run(ctx context.Context, progress func(done, total int)) (err error) {
	scorer, err := s.Runtime.NewScorer(s.template, s.Data, ScorerOptions{Threads: s.Threads, Batch: s.Batch, Sessions: s.Sessions})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, scorer.Close()) }()
	return s.with(ctx, scorer, progress)
}

// with is run with a scorer of the caller's.
func (s *scoring) with(ctx context.Context, scorer *Scorer, progress func(done, total int)) error {
	if s.kept != nil {
		scorer.finished = s.keep
	}
	values := make([]onnxio.Values, len(s.list))
	for i, c := range s.list {
		values[i] = c.values
	}
	scores, err := scorer.Score(ctx, values, progress)
	if err != nil {
		return err
	}
	for i, c := range s.list {
		c.score, c.scored = scores[i], true
	}
	return nil
}

// keep keeps the score of candidate i. One that lacks pictures, saw damaged ones,
// or has NaN logits is computed anew each time, so that they are named each time.
func (s *scoring) keep(i int, score *Score) {
	if c := s.list[i]; c.key != "" && score.NaN == nil && len(s.Data.Bad()) == 0 && len(s.Data.Damaged()) == 0 {
		if err := s.kept.save(c.key, score); err != nil {
			s.failed = err
		}
	}
}
