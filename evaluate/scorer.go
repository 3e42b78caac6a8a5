package evaluate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	ort "github.com/yalue/onnxruntime_go"

	"rpg/onnxio"
)

// ScorerOptions are how a Scorer works; the zero value is good.
type ScorerOptions struct {
	Threads  int // goroutines that score; 0 is one for each core available
	Batch    int // images in one run; 0 is 64 of CIFAR-10's size and fewer of larger ones
	Sessions Sessions
}

// A Scorer scores any number of variants of one graph on one data set. Its
// methods may not be called at the same time.
type Scorer struct {
	template *onnxio.Model
	data     *Dataset
	ports    ports
	threads  int
	batch    int
	sessions Sessions
	options  *ort.SessionOptions
	shared   *ort.DynamicAdvancedSession // nil until it is first needed
	names    []string                    // of its weight inputs
	bind     bool                        // see bound

	// finished, if not nil, is told of each model that has seen all images, by one
	// goroutine at a time.
	finished func(i int, s *Score)

	most        atomic.Int64 // images in one run: the batch, until memory turns out to be too small for it
	invoke      func(s *ort.DynamicAdvancedSession, in, out []ort.Value) error
	windowBytes int       // that decoded pictures may take
	ready       []float32 // all images as network input, nil where each batch is made when its turn comes
}

// batchValues is about how many values of input one run takes, so that what a
// network computes of them stays in the cache: measured best are 64 images for
// CIFAR-10 networks of 3,072 values and 1 for SqueezeNet with 154,587.
const batchValues = 64 * 3072

// Score is what one model did on a data set.
type Score struct {
	N           int      // images scored: all but those that are skipped as unreadable
	Correct     int      // images whose highest logit is the label's
	Top5        int      // images whose label is among the five highest logits
	Ties        int      // images whose highest logit several classes have
	Wrong       Bitset   // the images that Correct does not count
	NaN         Bitset   // the images with a NaN among their logits, which count as wrong; nil for none
	Predictions []uint16 // [N], the class of the highest logit; 0 for those in NaN
	Calibration Calibration
}

// Named is met by Values that have a name for messages.
type Named interface{ Name() string }

// NewScorer makes a Scorer for models of template's graph. It checks that the
// graph takes the images of d and gives a logit for each class. The template
// must stay open as long as the Scorer; Close frees what it holds.
func (r *Runtime) NewScorer(template *onnxio.Model, d *Dataset, o ScorerOptions) (*Scorer, error) {
	p, err := checkPorts(template, d)
	if err != nil {
		return nil, err
	}
	s := &Scorer{template: template, data: d, ports: p, threads: o.Threads, batch: o.Batch, sessions: o.Sessions,
		bind: r.Provider == providerCUDA, invoke: runSession, windowBytes: windowBytes}
	if s.threads <= 0 {
		s.threads = runtime.GOMAXPROCS(0)
	}
	if s.batch <= 0 {
		s.batch = min(max(batchValues/d.Pixels(), 1), 64)
	}
	if p.batch > 0 {
		s.batch = p.batch
	}
	s.batch = min(s.batch, max(d.Count, p.batch))
	s.most.Store(int64(s.batch))
	if s.options, err = r.newSessionOptions(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close frees the sessions.
func (s *Scorer) Close() error {
	var err error
	if s.shared != nil {
		err = s.shared.Destroy()
		s.shared = nil
	}
	return errors.Join(err, s.options.Destroy())
}

// Score scores each of models on every image. Logits that tie count for the
// lowest index. progress, if not nil, is told after each batch how many images
// of how many are done, by one goroutine at a time.
//
// Images whose logits are not numbers count as wrong, and Score.NaN has them. A
// model of another graph than the template's is an error that names it. Once ctx
// is done Score returns its error within one batch.
func (s *Scorer) Score(ctx context.Context, models []onnxio.Values, progress func(done, total int)) ([]Score, error) {
	own := s.sessions == SessionsOwn ||
		s.sessions == SessionsAuto && (s.data.Count >= ownFrom || len(models) == 1)
	if !own && s.shared == nil && len(models) > 0 {
		session, names, err := openShared(s.template, s.ports, s.options)
		switch {
		case errors.Is(err, onnxio.ErrUnsupported):
			own = true // weights in local functions and sparse ones cannot be inputs
		case err != nil:
			return nil, err
		default:
			s.shared, s.names = session, names
		}
	}
	if err := s.prepare(len(models)); err != nil {
		return nil, err
	}
	job := s.newJob(len(models), progress)
	for i, v := range models {
		t := &task{index: i, values: v, own: own, ports: s.ports, name: nameOf(v, i)}
		if m, ok := v.(*onnxio.Model); ok {
			if diff := s.template.Difference(m); diff != "" {
				return nil, fmt.Errorf("evaluate: %s: not the graph of %s: %s", m.Path, s.template.Path, diff)
			}
			// Models of one graph may name their ports differently.
			p, err := checkPorts(m, s.data)
			if err != nil {
				return nil, err
			}
			if own && onDisk(m) {
				t.ports = p
			}
		}
		t.score = Score{N: s.data.Count, Wrong: NewBitset(s.data.Count), Predictions: make([]uint16, s.data.Count)}
		job.tasks = append(job.tasks, t)
	}
	return job.run(ctx)
}

// prepare makes the network input of all images once for all models, where the
// images are in memory and their input does not take more than decoded pictures
// may: made anew for each model it takes 6 % of the time of a CNN(m).
func (s *Scorer) prepare(models int) error {
	padded := (s.data.Count + s.batch - 1) / s.batch * s.batch // a model may take whole batches only
	values := padded * s.data.Pixels()
	if models < 2 || s.ready != nil || !s.data.Resident() || values > s.windowBytes/4 {
		return nil
	}
	ready := make([]float32, values)
	if err := s.data.Fill(ready, 0, s.data.Count); err != nil {
		return err
	}
	s.ready = ready
	return nil
}

func nameOf(v onnxio.Values, i int) string {
	switch v := v.(type) {
	case *onnxio.Model:
		return v.Path
	case Named:
		return v.Name()
	}
	return fmt.Sprintf("model %d", i)
}

// A task is one model within a job. Its session and weights are loaded by the
// worker that comes first to a chunk of the images and freed by the one that is
// last, so that only the models being worked on are in memory.
type task struct {
	index   int
	values  onnxio.Values
	name    string
	own     bool
	ports   ports
	session *ort.DynamicAdvancedSession
	weights []ort.Value
	bound   *bound // nil without binding

	mu      sync.Mutex
	left    map[int]int // batches yet to be done of each chunk that was begun; empty when not loaded
	loadErr error
	batches int // that are done
	score   Score
}

func (j *job) run(ctx context.Context) ([]Score, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	j.reader = j.data.Read(ctx, len(j.tasks), j.window, 0)
	defer j.reader.Close()
	var wg sync.WaitGroup
	for range min(j.threads, j.units()) {
		wg.Go(func() {
			if err := j.work(ctx); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	var closing error
	scores := make([]Score, len(j.tasks))
	for i, t := range j.tasks {
		closing = errors.Join(closing, t.free()) // nothing to do unless the job was cut short
		scores[i] = t.score
	}
	if err := errors.Join(context.Cause(ctx), closing); err != nil {
		return nil, err
	}
	if n := len(j.data.Bad()); n == j.data.Count {
		return nil, fmt.Errorf("evaluate: %s: expected pictures that can be read, found none among %d, the first: %s", j.data.Source, n, j.data.Bad()[0].What)
	}
	return scores, nil
}

// work scores batches until none is left or ctx is done.
func (j *job) work(ctx context.Context) error {
	in, out := make([]float32, j.batch*j.data.Pixels()), make([]float32, j.batch*j.data.Classes)
	for ctx.Err() == nil {
		i := int(j.next.Add(1)) - 1
		if i >= j.units() {
			return nil
		}
		u := j.unit(i)
		if err := j.enter(u); err != nil {
			return err
		}
		if err := j.batchOf(u.t, in, out, u.first, u.n); err != nil {
			return err
		}
		if err := j.leave(u); err != nil {
			return err
		}
		j.report(u.n)
	}
	return nil
}

// load readies a model: its own session, or its weights as inputs.
func (j *job) load(t *task) (err error) {
	if t.own {
		t.session, err = openOwn(j.template, t.values, t.name, t.ports, j.options)
		if err == nil && j.bind {
			t.bound, err = newBound(t.session, nil, nil)
		}
		return err
	}
	for i, w := range j.template.Weights() {
		values := make([]float32, w.Elements)
		if err := t.values.ReadValues(i, values, 0); err != nil {
			return fmt.Errorf("evaluate: %s: %w", t.name, err)
		}
		shape := make(ort.Shape, len(w.Shape))
		for d, n := range w.Shape {
			shape[d] = int64(n)
		}
		value, err := ort.NewTensor(shape, values)
		if err != nil {
			return fmt.Errorf("evaluate: %s: weight %q: %w", t.name, w.Name, err)
		}
		t.weights = append(t.weights, value)
	}
	if j.bind {
		t.bound, err = newBound(j.shared, j.names, t.weights)
	}
	return err
}

// free gives back what load took; it may be called again.
func (t *task) free() (err error) {
	if t.bound != nil {
		err = t.bound.binding.Destroy()
		t.bound = nil
	}
	if t.session != nil {
		err = errors.Join(err, t.session.Destroy())
		t.session = nil
	}
	for _, w := range t.weights {
		err = errors.Join(err, w.Destroy())
	}
	t.weights = nil
	return err
}

// batchOf scores images first .. first+n-1. in and out are the worker's own
// memory, for a whole batch.
func (j *job) batchOf(t *task, in, out []float32, first, n int) error {
	if j.ready != nil {
		in = j.ready[first*j.data.Pixels():]
	} else if err := j.reader.Fill(in, first, n); err != nil {
		return err
	}
	if err := j.infer(t, in, out, first, n); err != nil {
		return fmt.Errorf("evaluate: %s: images %d to %d: %w", t.name, first, first+n-1, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range n {
		if j.data.Skipped(first + i) {
			t.score.N--
			continue
		}
		logits := out[i*j.data.Classes : (i+1)*j.data.Classes]
		label := int(j.data.Labels[first+i])
		best, rank, tied, ok := rankOf(logits, label)
		if !ok {
			if t.score.NaN == nil {
				t.score.NaN = NewBitset(j.data.Count)
			}
			t.score.NaN.Set(first + i)
			t.score.Wrong.Set(first + i)
			continue
		}
		t.score.Predictions[first+i] = uint16(best)
		if tied {
			t.score.Ties++
		}
		t.score.Calibration.add(confidence(logits, best), rank == 0)
		if rank == 0 {
			t.score.Correct++
		} else {
			t.score.Wrong.Set(first + i)
		}
		if rank < 5 {
			t.score.Top5++
		}
	}
	return nil
}

// rankOf gives the class of the highest logit and how many classes stand before
// label when the classes are sorted by falling logit, equal ones by rising
// index. tied tells whether another class has the highest logit too; the lowest of
// them is best. ok is false if any logit is NaN.
func rankOf(logits []float32, label int) (best, rank int, tied, ok bool) {
	mine := logits[label]
	for c, v := range logits {
		if math.IsNaN(float64(v)) {
			return 0, 0, false, false
		}
		if v > logits[best] {
			best, tied = c, false
		} else if v == logits[best] && c > best {
			tied = true
		}
		if v > mine || v == mine && c < label {
			rank++
		}
	}
	return best, rank, tied, true
}
