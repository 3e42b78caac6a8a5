package cpu

import (
	"sync"
	"sync/atomic"
)

// pool shares items of work among workers: the calling goroutine, which is
// worker 0, and threads-1 goroutines that live as long as the device.
type pool struct {
	threads int
	current atomic.Pointer[job]
	wake    chan struct{}
	memory  [][]float32 // by worker
	common  []float32   // see device.common
}

// job is one call of parallel.
type job struct {
	f     func(worker, i int)
	n     int64
	next  atomic.Int64
	items sync.WaitGroup // items not yet done
}

func newPool(threads int) *pool {
	p := &pool{
		threads: threads,
		wake:    make(chan struct{}, threads-1),
		memory:  make([][]float32, threads),
	}
	for w := 1; w < threads; w++ {
		go func() {
			for range p.wake {
				if j := p.current.Load(); j != nil {
					j.work(w)
				}
			}
		}()
	}
	return p
}

func (p *pool) close() { close(p.wake) }

// work does items until none is left.
func (j *job) work(worker int) {
	for {
		i := j.next.Add(1) - 1
		if i >= j.n {
			return
		}
		j.f(worker, int(i))
		j.items.Done()
	}
}

// parallel calls f(worker, i) once for each i of 0..n-1, on all workers, and
// returns when all calls have ended. Items with the same worker run one after
// the other, in rising order. f must not call parallel.
//
// So that results do not depend on the number of threads, n and what an item
// does must follow from the shapes alone, and an item must not add to memory
// that another item adds to.
func (d *device) parallel(n int, f func(worker, i int)) {
	p := d.pool
	if p.threads == 1 || n <= 1 {
		for i := range n {
			f(0, i)
		}
		return
	}
	j := &job{f: f, n: int64(n)}
	j.items.Add(n)
	p.current.Store(j)
	for range min(p.threads, n) - 1 {
		// A full channel means that a worker is about to wake up anyway. A worker
		// that comes too late finds no item left; nobody waits for it.
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
	j.work(0)
	j.items.Wait()
	p.current.Store(nil) // so that what f holds can be collected
}

// scratch returns n values of working memory of a worker, with whatever was left
// in them. Asking again gives the same memory: ask once for all that an item needs.
func (d *device) scratch(worker, n int) []float32 {
	m := d.pool.memory[worker]
	if len(m) < n {
		m = allocate(n + n/4)
		d.pool.memory[worker] = m
	}
	return m[:n:n]
}

// common returns n values of working memory that all workers share, with
// whatever was left in them, for what one parallel part of an operation hands to
// the next. Asking again gives the same memory.
func (d *device) common(n int) []float32 {
	if len(d.pool.common) < n {
		d.pool.common = allocate(n + n/4)
	}
	return d.pool.common[:n:n]
}

// span is the number of values that one item of an element-wise operation
// takes: large enough to hide the cost of handing it out, small enough for the
// inner caches.
const span = 16 << 10

// spans calls f(lo, hi) in parallel for pieces lo..hi-1 of 0..n-1.
func (d *device) spans(n int, f func(lo, hi int)) {
	if n <= span {
		if n > 0 {
			f(0, n)
		}
		return
	}
	d.parallel((n+span-1)/span, func(_, i int) { f(i*span, min(n, (i+1)*span)) })
}

// rows calls f(lo, hi) in parallel for groups of rows of cols values each,
// about span values a group.
func (d *device) rows(rows, cols int, f func(lo, hi int)) {
	step := rowGroup(cols)
	if rows <= step {
		if rows > 0 {
			f(0, rows)
		}
		return
	}
	d.parallel((rows+step-1)/step, func(_, i int) { f(i*step, min(rows, (i+1)*step)) })
}

// sumRows is rows for an f that returns its share of a sum. The shares are
// added in the order of the rows.
func (d *device) sumRows(rows, cols int, f func(lo, hi int) float64) float64 {
	step := rowGroup(cols)
	n := (rows + step - 1) / step
	if len(d.sums) < n {
		d.sums = make([]float64, n)
	}
	d.parallel(n, func(_, i int) { d.sums[i] = f(i*step, min(rows, (i+1)*step)) })
	var total float64
	for _, s := range d.sums[:n] {
		total += s
	}
	return total
}

func rowGroup(cols int) int { return max(1, span/max(1, cols)) }
