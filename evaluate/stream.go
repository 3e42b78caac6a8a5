package evaluate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"rpg/onnxio"
)

// A Stream is Evaluate for models that come one group after the other, as they
// are made, and have no file: Add scores a group and, where there are originals,
// finds where its models lie; Finish gives what Evaluate would give for all of
// them. Of a model that was added its score is kept, a few bytes an image, and not
// its weights: the memory needed does not grow with the models' number. Pictures
// for which memory does not suffice are decoded anew for each group.
//
// Its methods may not be called at the same time.
type Stream struct {
	o      Options
	count  int
	frame  *frame // nil without originals
	scorer *Scorer
	kept   *kept // nil keeps nothing
	list   []*candidate
	images int // scored so far, of all models
	spent  time.Duration
	note   string // why a score could not be kept
}

// NewStream prepares the evaluation of count models of template's graph, which
// must stay open as long as the Stream. o.Models must be empty. o.Progress is told
// of the images of these models and then, from 0 again, of those of originals and
// baselines. Close frees what the Stream holds.
func NewStream(ctx context.Context, o Options, template *onnxio.Model, count int) (*Stream, error) {
	if len(o.Models) > 0 {
		panic("evaluate: a Stream of models that are there already")
	}
	if err := o.check(count); err != nil {
		return nil, err
	}
	o.graph = template
	if len(o.Against) > 0 {
		if diff := o.Against[0].Difference(template); diff != "" {
			return nil, fmt.Errorf("evaluate: %s: expected the graph of %s, found a difference: %s", template.Path, o.Against[0].Path, diff)
		}
	}
	s := &Stream{o: o, count: count}
	var err error
	if s.frame, err = s.o.newFrame(ctx); err != nil {
		return nil, err
	}
	if s.kept, err = s.o.newKept(); err != nil {
		s.kept, s.note = nil, keepingFailed(err)
	}
	sessions := o.Sessions
	if sessions == SessionsAuto { // the choice that Evaluate makes: a group may be one model
		sessions = SessionsShared
		if o.Data.Count >= ownFrom || count+len(o.Against) == 1 {
			sessions = SessionsOwn
		}
	}
	s.scorer, err = o.Runtime.NewScorer(template, o.Data, ScorerOptions{Threads: o.Threads, Batch: o.Batch, Sessions: sessions})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Add scores a group of models, which have a name if they are Named. They are not
// used any more once Add returns. The scores of models that were finished are kept
// even if it returns an error.
func (s *Stream) Add(ctx context.Context, group []onnxio.Values) error {
	if len(s.list)+len(group) > s.count {
		panic("evaluate: more models in a Stream than were announced")
	}
	start := time.Now()
	var added []*candidate
	for i, v := range group {
		c := &candidate{name: nameOf(v, len(s.list)+i), group: s.o.group()}
		c.values = named{s.o.graph.AsStored(v), c.name}
		added = append(added, c)
	}
	same := &scoring{Options: &s.o, template: s.o.graph, list: added, kept: s.kept}
	if s.kept != nil {
		var err error
		if same.list, err = s.kept.find(ctx, &s.o, s.o.graph, added); err != nil {
			return err
		}
	}
	known := s.images + (len(added)-len(same.list))*s.o.Data.Count
	if len(same.list) > 0 {
		if err := same.with(ctx, s.scorer, s.progress(known)); err != nil {
			return err
		}
	}
	if same.failed != nil && s.note == "" {
		s.note = keepingFailed(same.failed)
	}
	s.images += len(added) * s.o.Data.Count
	s.spent += time.Since(start)
	if s.frame != nil {
		err := parallel(ctx, s.o.Threads, len(added), func(i int) error { return s.frame.lie(ctx, added[i], -1) })
		if err != nil {
			return err
		}
	}
	for _, c := range added {
		c.values = nil
	}
	s.list = append(s.list, added...)
	return nil
}

// progress is that of a group, before which so many images are done.
func (s *Stream) progress(before int) func(done, total int) {
	if s.o.Progress == nil {
		return nil
	}
	return func(done, _ int) { s.o.Progress(before+done, s.count*s.o.Data.Count) }
}

// Finish scores originals and baselines, if there are any, and gives the result.
func (s *Stream) Finish(ctx context.Context) (*Result, error) {
	if len(s.list) != s.count {
		return nil, fmt.Errorf("evaluate: models: expected %d, found %d", s.count, len(s.list))
	}
	result, err := s.o.finish(ctx, s.frame, s.list, s.spent)
	if err == nil && s.note != "" && !slices.Contains(result.Notes, s.note) {
		result.Notes = append(result.Notes, s.note)
	}
	return result, err
}

// Close frees the sessions; the template and the originals remain open.
func (s *Stream) Close() error {
	return s.scorer.Close()
}
