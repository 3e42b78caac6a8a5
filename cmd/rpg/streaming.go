package main

import (
	"fmt"
	"sync"

	"rpg/evaluate"
	"rpg/onnxio"
)

// streamScoring scores models while others are made, and shows how far both are.
type streamScoring struct {
	stream    *evaluate.Stream
	runtime   *evaluate.Runtime
	originals []*onnxio.Model
	keeps     bool // scores, for the next evaluation

	mu          sync.Mutex // sampling and scoring tell of themselves at the same time
	p           *progress
	done, total int // images
}

// openStream opens what count models of template's graph are scored with.
func (s *session) openStream(job evaluateJob, template *onnxio.Model, count int) (*streamScoring, error) {
	w := &streamScoring{p: s.progress("generating and scoring", "images")}
	ready := false
	defer func() {
		if !ready {
			w.close()
		}
	}()
	var err error
	if w.originals, _, err = s.openModels(job.against); err != nil {
		return nil, err
	}
	o, err := s.openScoring(job, template)
	if err != nil {
		return nil, err
	}
	w.runtime, w.keeps, w.total = o.Runtime, o.Keep != "", count*o.Data.Count
	o.Against, o.Progress = w.originals, w.scored
	if w.stream, err = evaluate.NewStream(s.ctx, o, template, count); err != nil {
		return nil, explain(err)
	}
	ready = true
	return w, nil
}

// sampled is told how much of all models is sampled, 0 to 1.
func (w *streamScoring) sampled(part float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.p.note = fmt.Sprintf("%.0f %% sampled", 100*part)
	w.p.at(w.done, w.total)
}

// scored is told how many images of how many are done.
func (w *streamScoring) scored(done, total int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done, w.total = done, total
	w.p.at(done, total)
}

// finish scores originals and baselines and gives the result.
func (w *streamScoring) finish(s *session) (*evaluate.Result, error) {
	w.p.close()
	w.p = s.progress("scoring originals and baselines", "images")
	result, err := w.stream.Finish(s.ctx)
	w.p.close()
	if err != nil {
		return nil, explain(err)
	}
	s.tellPictures(result)
	return result, nil
}

func (w *streamScoring) close() {
	w.p.close()
	if w.stream != nil {
		w.stream.Close()
	}
	if w.runtime != nil {
		w.runtime.Close()
	}
	for _, m := range w.originals {
		m.Close()
	}
}
