package dataset

import (
	"fmt"
	"slices"
	"sync"
)

// A Set is labelled images that become network input one by one. It is not
// changed after it was made, but for the list of pictures that turned out to be
// unreadable, so any number of goroutines may use it.
type Set struct {
	Name       string  // "cifar10"
	Source     string  // file or folder, for messages
	Count      int     // images
	Classes    int     // labels are 0 .. Classes-1
	Shape      []int   // of one image as network input: [3 32 32], or [64]
	SHA256     string  // of the file, or of all pictures and labels, in hexadecimal
	Preprocess string  // how an image becomes network input, in words
	Shift      string  // what was done to the images before, "" for nothing
	CropPct    float64 // the part of the resized picture that is input, 1 for all; 0 for what are no pictures
	// Interpolation is how pictures are resized, "" for not at all.
	Interpolation string
	Labels        []uint16 // [Count]
	Notes         []string // what a reader of the figures should know, one sentence each

	images       source
	scaling      scaling
	skip         bool // unreadable pictures are left out instead of being an error
	bad, damaged *badList
}

// A source gives the images of a Set, one byte a value in the order of
// Set.Shape. Any number of goroutines may use it.
type source interface {
	// pixels gives image i, and what is wrong with it though it could be read. The
	// result is the source's own memory or lies in buffer, which has room for one
	// image.
	pixels(i int, buffer []byte) (pixels []byte, damage string, err error)
	// name says which image i is, in messages.
	name(i int) string
	// resident tells whether pixels costs nothing, because all is in memory.
	resident() bool
	// pick gives the source that has only the images of list.
	pick(list []int) source
}

// Pixels is the number of values of one image as network input.
func (s *Set) Pixels() int {
	n := 1
	for _, d := range s.Shape {
		n *= d
	}
	return n
}

// ImageName says which file or row image i is.
func (s *Set) ImageName(i int) string { return s.images.name(i) }

// First gives the same data set cut to its first n images; n of 0, or of Count
// or more, gives s itself. SHA256 remains that of the whole.
func (s *Set) First(n int) *Set {
	if n <= 0 || n >= s.Count {
		return s
	}
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return s.pick(list)
}

func (s *Set) pick(list []int) *Set {
	cut := *s
	cut.Count, cut.Labels, cut.images = len(list), make([]uint16, len(list)), s.images.pick(list)
	for i, from := range list {
		cut.Labels[i] = s.Labels[from]
	}
	cut.bad, cut.damaged = &badList{}, &badList{}
	return &cut
}

// Fill writes images first .. first+n-1 as network input, [n, Shape...] float32,
// to the start of dst. An image that cannot be read is an error that names it,
// or zeros where such are to be skipped.
func (s *Set) Fill(dst []float32, first, n int) error {
	size := s.Pixels()
	var buffer []byte
	if !s.images.resident() {
		buffer = make([]byte, size)
	}
	for i := first; i < first+n; i++ {
		out := dst[(i-first)*size : (i-first+1)*size]
		pixels, err := s.read(i, buffer)
		if err != nil {
			return err
		}
		s.scale(out, pixels, i)
	}
	return nil
}

// scale writes image i, whose bytes are pixels, as network input to out.
func (s *Set) scale(out []float32, pixels []byte, i int) {
	if f, ok := s.images.(*floats); ok {
		copy(out, f.values[f.index[i]*len(out):])
	} else if pixels == nil {
		clear(out)
	} else {
		s.scaling.apply(out, pixels)
	}
}

// read gives the bytes of image i, nil where it cannot be read and such are
// skipped.
func (s *Set) read(i int, buffer []byte) ([]byte, error) {
	pixels, damage, err := s.images.pixels(i, buffer)
	switch {
	case err != nil:
		err = fmt.Errorf("evaluate: %s: %w", s.ImageName(i), err)
		if !s.skip {
			return nil, &unreadable{err}
		}
		s.bad.add(Bad{i, s.ImageName(i), err.Error()})
		return nil, nil
	case damage != "":
		s.damaged.add(Bad{i, s.ImageName(i), damage})
	}
	return pixels, nil
}

// unreadable is the error of an image that cannot be read and may not be skipped.
type unreadable struct{ err error }

func (u *unreadable) Error() string { return u.err.Error() }
func (u *unreadable) Unwrap() error { return u.err }

// Hint says what to do.
func (u *unreadable) Hint() string {
	return "--on-bad-image skip leaves such pictures out and says how many there are"
}

// Bad is an image that could not be read, or only in part.
type Bad struct {
	Index int    `json:"index"`
	Name  string `json:"name"`
	What  string `json:"what"`
}

// Bad gives the images that were found unreadable so far and skipped, by rising
// index. It is complete once all images were read.
func (s *Set) Bad() []Bad { return s.bad.list() }

// Damaged gives the images whose file is damaged but could be decoded, as the
// reference libraries do with a warning at most.
func (s *Set) Damaged() []Bad { return s.damaged.list() }

// Skipped tells whether image i was found unreadable and is to be left out.
func (s *Set) Skipped(i int) bool { return s.bad.has(i) }

type badList struct {
	mu    sync.Mutex
	items []Bad // sorted by Index
}

func (b *badList) find(i int) (at int, found bool) {
	return slices.BinarySearchFunc(b.items, i, func(x Bad, i int) int { return x.Index - i })
}

func (b *badList) add(x Bad) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at, found := b.find(x.Index); !found {
		b.items = slices.Insert(b.items, at, x)
	}
}

func (b *badList) has(i int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, found := b.find(i)
	return found
}

func (b *badList) list() []Bad {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.items)
}
