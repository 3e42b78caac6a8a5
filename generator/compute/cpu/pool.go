package cpu

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// pool shares items of work among workers: the calling goroutine, which is
// worker 0, and threads-1 goroutines that live as long as the device. Nothing
// is allocated for a call.
type pool struct {
	threads int
	watches bool        // workers look for work before they sleep
	memory  [][]float32 // by worker
	common  []float32   // see device.common

	// The call in progress. Workers read it after they have claimed an item of
	// it, which holds off the next call until the item is done.
	f     part
	arg   any
	n     int // 0..n-1 in items of step
	step  int
	items int64

	_       [64]byte     // what workers write is apart from what they only read,
	left    atomic.Int64 // items that nobody has claimed
	_       [56]byte     // and each counter has a cache line of its own
	undone  atomic.Int64
	_       [56]byte
	asleep  atomic.Int64 // workers that need a wake-up
	waiting atomic.Bool  // worker 0 sleeps until undone is 0
	_       [48]byte
	wake    chan struct{}
	done    chan struct{}
}

// part is a piece of work of which arg says what it is about: lo..hi-1 of the
// numbers that are shared out. A part is a function without captured variables,
// and arg a pointer, see keep: so a call needs no memory.
type part func(arg any, worker, lo, hi int)

// patience is how long a worker looks for the next call before it sleeps: about
// as long as a wake-up takes. So a busy machine loses little, and steps of many
// short calls do not wait for wake-ups. With more threads than processors
// nobody looks: that would take a processor from those who work.
const patience = 50 * time.Microsecond

func newPool(threads int) *pool {
	p := &pool{
		threads: threads,
		watches: threads <= runtime.GOMAXPROCS(0),
		wake:    make(chan struct{}, threads-1),
		done:    make(chan struct{}, 1),
		memory:  make([][]float32, threads),
	}
	for w := 1; w < threads; w++ {
		go p.serve(w)
	}
	return p
}

// close ends the workers, which must have nothing to do.
func (p *pool) close() { close(p.wake) }

// serve is a worker's life.
func (p *pool) serve(worker int) {
	for {
		p.work(worker)
		if p.watch(func() bool { return p.left.Load() > 0 }) {
			continue
		}
		p.asleep.Add(1)
		// A call that does not see this worker asleep is seen here.
		if p.left.Load() > 0 {
			p.asleep.Add(-1)
			continue
		}
		_, open := <-p.wake
		p.asleep.Add(-1)
		if !open {
			return
		}
	}
}

// watch looks for a short while whether ready.
func (p *pool) watch(ready func() bool) bool {
	if !p.watches {
		return ready()
	}
	for start := time.Now(); ; {
		for range 16 {
			if ready() {
				return true
			}
			pause()
		}
		if time.Since(start) > patience {
			return false
		}
	}
}

// work does items until none is left.
func (p *pool) work(worker int) {
	for {
		left := p.left.Load()
		if left == 0 {
			return
		}
		if !p.left.CompareAndSwap(left, left-1) {
			continue
		}
		lo := int(p.items-left) * p.step
		p.f(p.arg, worker, lo, min(p.n, lo+p.step))
		if p.undone.Add(-1) == 0 && p.waiting.CompareAndSwap(true, false) {
			p.done <- struct{}{}
		}
	}
}

// wait returns when all items are done.
func (p *pool) wait() {
	if p.watch(func() bool { return p.undone.Load() == 0 }) {
		return
	}
	for {
		p.waiting.Store(true)
		if p.undone.Load() == 0 {
			if !p.waiting.CompareAndSwap(true, false) {
				<-p.done
			}
			return
		}
		<-p.done
		// The signal may be that of a worker who was held up since it did the last
		// item of the call before.
		if p.undone.Load() == 0 {
			return
		}
	}
}

// split calls f(arg, worker, lo, hi) for pieces lo..hi-1, of step numbers each,
// of 0..n-1, on all workers, and returns when all calls have ended. Pieces with
// the same worker run one after the other, in rising order. f must not call split.
//
// So that results do not depend on the number of threads, step and what a piece
// does must follow from the shapes alone, and a piece must not add to memory
// that another piece adds to.
func (d *device) split(n, step int, arg any, f part) {
	p := d.pool
	if p.threads == 1 || n <= step {
		for lo := 0; lo < n; lo += step {
			f(arg, 0, lo, min(n, lo+step))
		}
		return
	}
	items := (n + step - 1) / step
	p.f, p.arg, p.n, p.step, p.items = f, arg, n, step, int64(items)
	p.undone.Store(p.items)
	p.left.Store(p.items)
	for range min(int64(items-1), p.asleep.Load()) {
		// A full channel means that a worker is about to wake up anyway. A worker
		// that comes too late finds no item left; nobody waits for it.
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	p.work(0)
	p.wait()
	p.f, p.arg = nil, nil // so that it can be collected
}

// parallel is split into single numbers: lo is the number, hi is lo+1.
func (d *device) parallel(n int, arg any, f part) { d.split(n, 1, arg, f) }

// span is the number of values that one item of an element-wise operation
// takes: large enough to hide the cost of handing it out, small enough for the
// inner caches.
const span = 16 << 10

// spans is split into pieces of span values.
func (d *device) spans(n int, arg any, f part) { d.split(n, span, arg, f) }

// rows is split into groups of rows of cols values each, about span values a
// group.
func (d *device) rows(rows, cols int, arg any, f part) { d.split(rows, rowGroup(cols), arg, f) }

func rowGroup(cols int) int { return max(1, span/max(1, cols)) }

// keep returns the device's T for the arguments of an operation: the same one at
// every call, so that only the first call takes memory. It ends as drop leaves it.
func keep[T any](d *device) *T {
	for _, k := range d.kept {
		if t, ok := k.(*T); ok {
			return t
		}
	}
	t := new(T)
	d.kept = append(d.kept, t)
	return t
}

// drop empties what keep returned: the device must not hold on to the buffers of
// an operation that is over.
func drop[T any](t *T) {
	var zero T
	*t = zero
}

// scratch returns n values of working memory of a worker, with whatever was left
// in them. Asking again gives the same memory: ask once for all that an item needs.
func (d *device) scratch(worker, n int) []float32 {
	m := &d.pool.memory[worker]
	enlarge(m, n)
	return (*m)[:n:n]
}

// common returns n values of working memory that all workers share, with
// whatever was left in them, for what one parallel part of an operation hands to
// the next. Asking again gives the same memory.
func (d *device) common(n int) []float32 {
	enlarge(&d.pool.common, n)
	return d.pool.common[:n:n]
}

// enlarge makes working memory large enough for n values. A few operations into a
// training it stays as it is, and nothing else is allocated: without some help, the
// garbage collector would not come for what it was before.
func enlarge(memory *[]float32, n int) {
	const worthIt = 64 << 10
	if len(*memory) >= n {
		return
	}
	large := len(*memory) >= worthIt
	if *memory = nil; large {
		debug.FreeOSMemory()
	}
	*memory = allocate(n)
}

// partials returns n values of working memory for sums.
func (d *device) partials(n int) []float64 {
	if len(d.sums) < n {
		d.sums = make([]float64, n)
	}
	return d.sums[:n]
}
