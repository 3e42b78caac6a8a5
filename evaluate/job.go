package evaluate

import (
	"sync"
	"sync/atomic"

	"rpg/evaluate/dataset"
)

// windowBytes is how much memory decoded pictures may take: 1,700 of 224x224.
const windowBytes = 256 << 20

// A job is one call of Score: every batch of every model, taken one at a time by
// whichever worker is free, model by model. Where the pictures of all batches do
// not fit into memory they are cut into chunks, and the models are gone through
// for each chunk, so that every picture is decoded once.
type job struct {
	*Scorer
	tasks  []*task
	reader *dataset.Reader
	window int // pictures in memory
	chunk  int // batches that one model scores before the next one's turn
	images int // batches of all images
	next   atomic.Int64

	total    int
	progress func(done, total int)
	mu       sync.Mutex
	done     int
}

func (s *Scorer) newJob(models int, progress func(done, total int)) *job {
	j := &job{Scorer: s, total: models * s.data.Count, progress: progress}
	j.images = (s.data.Count + s.batch - 1) / s.batch
	j.chunk = j.images
	if s.data.Resident() {
		return j
	}
	// A worker waits for pictures that another is yet to use up only while the
	// window is as long as what all workers are at, and some batches ahead.
	ahead := 4 * s.threads * s.batch
	j.window = s.data.Window(s.windowBytes, 2*ahead)
	if models == 1 {
		j.window = min(j.window, 2*ahead)
	} else if j.window < s.data.Count {
		j.chunk = max(1, (j.window-ahead)/s.batch)
	}
	return j
}

// units is how many batches of models there are.
func (j *job) units() int { return len(j.tasks) * j.images }

// A unit is one batch for one model.
type unit struct {
	t        *task
	first, n int // images
	chunk    int
	batches  int // of t in this chunk
}

// unit gives piece of work i.
func (j *job) unit(i int) unit {
	full := j.chunk * len(j.tasks)
	u := unit{chunk: i / full}
	u.batches = min(j.chunk, j.images-u.chunk*j.chunk)
	within := i % full
	u.t = j.tasks[within/u.batches]
	u.first = (u.chunk*j.chunk + within%u.batches) * j.batch
	u.n = min(j.batch, j.data.Count-u.first)
	return u
}

// enter makes sure that the model is loaded.
func (j *job) enter(u unit) error {
	t := u.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left[u.chunk] == 0 {
		if len(t.left) == 0 {
			t.left, t.loadErr = map[int]int{}, j.load(t)
		}
		t.left[u.chunk] = u.batches
	}
	return t.loadErr
}

// leave says that a batch is done, and frees what the model holds after the last
// one of the chunks that were begun.
func (j *job) leave(u unit) error {
	t := u.t
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.batches++; t.batches == j.images && j.finished != nil {
		j.mu.Lock()
		j.finished(t.index, &t.score)
		j.mu.Unlock()
	}
	if t.left[u.chunk]--; t.left[u.chunk] > 0 {
		return nil
	}
	if delete(t.left, u.chunk); len(t.left) > 0 {
		return nil
	}
	return t.free()
}

func (j *job) report(n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done += n
	if j.progress != nil {
		j.progress(j.done, j.total)
	}
}
