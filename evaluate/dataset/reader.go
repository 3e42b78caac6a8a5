package dataset

import (
	"context"
	"sync"
)

// A Reader gives the images of a Set in order, each the same number of times.
// Pictures are decoded once, ahead of their use, and at most a window of them is
// in memory. Any number of goroutines may call Fill.
type Reader struct {
	set  *Set
	uses int // how often each image is read
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	mu    sync.Mutex
	moved *sync.Cond // an image was decoded or its place became free
	next  int        // the first image that nobody decodes yet
	slots []slot     // image i is in slot i mod their number
}

// A slot holds one image at a time.
type slot struct {
	image  int // which one it holds or may take next
	ready  bool
	left   int    // how often it is still to be read
	pixels []byte // nil for a picture that is skipped
	err    error
	memory []byte
}

// Window gives how many images take up at most bytes, and at least least.
func (s *Set) Window(bytes, least int) int {
	return min(max(bytes/max(s.Pixels(), 1), least), s.Count)
}

// Resident tells whether all images are in memory anyway.
func (s *Set) Resident() bool { return s.images.resident() }

// Read starts reading: each image uses times, at most window images in memory.
// Callers must take images in an order in which, at any time, all images that
// are yet to be taken or taken again lie within a window; then no call of Fill
// waits for ever. decoders goroutines decode ahead; with 0 it is only those that
// call Fill and find that the image is not there. Close ends it.
func (s *Set) Read(ctx context.Context, uses, window, decoders int) *Reader {
	r := &Reader{set: s, uses: uses}
	r.ctx, r.stop = context.WithCancel(ctx)
	r.moved = sync.NewCond(&r.mu)
	if s.Resident() {
		return r
	}
	r.slots = make([]slot, max(1, min(window, s.Count)))
	for i := range r.slots {
		r.slots[i].image = i
	}
	context.AfterFunc(r.ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.moved.Broadcast()
	})
	for range decoders {
		r.wg.Go(func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			for r.ctx.Err() == nil && r.next < s.Count {
				if !r.decodeNext() {
					r.moved.Wait()
				}
			}
		})
	}
	return r
}

// decodeNext decodes the next image if there is room for it. r.mu is held but
// while it decodes.
func (r *Reader) decodeNext() bool {
	if r.next >= r.set.Count {
		return false
	}
	i := r.next
	place := &r.slots[i%len(r.slots)]
	if place.image != i {
		return false // it still holds an image of a window ago
	}
	r.next++
	if place.memory == nil {
		place.memory = make([]byte, r.set.Pixels())
	}
	r.mu.Unlock()
	pixels, err := r.set.read(i, place.memory)
	r.mu.Lock()
	place.pixels, place.err, place.ready, place.left = pixels, err, true, r.uses
	r.moved.Broadcast()
	return true
}

// Fill writes images first .. first+n-1 as Set.Fill does.
func (r *Reader) Fill(dst []float32, first, n int) error {
	if r.set.Resident() {
		return r.set.Fill(dst, first, n)
	}
	size := r.set.Pixels()
	for i := first; i < first+n; i++ {
		place, err := r.wait(i)
		if err != nil {
			return err
		}
		r.set.scale(dst[(i-first)*size:(i-first+1)*size], place.pixels, i)
		r.mu.Lock()
		if place.left--; place.left == 0 {
			place.image += len(r.slots)
			place.ready = false
			r.moved.Broadcast()
		}
		r.mu.Unlock()
	}
	return nil
}

// wait gives the slot of image i once it is decoded, and helps meanwhile.
func (r *Reader) wait(i int) (*slot, error) {
	place := &r.slots[i%len(r.slots)]
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		switch {
		case r.ctx.Err() != nil:
			return nil, context.Cause(r.ctx)
		case place.image > i:
			panic("dataset: an image was read more often than Read was told")
		case place.image == i && place.ready:
			return place, place.err
		case r.next > i || !r.decodeNext():
			r.moved.Wait()
		}
	}
}

// Close ends the decoding and waits for it.
func (r *Reader) Close() {
	r.stop()
	r.wg.Wait()
}
