package atomicfile

import (
	"os"
	"sync/atomic"
)

const (
	// bufferSize is the size of a buffer between fill and the file.
	bufferSize = 1 << 20
	// buffers is how many there are once fill has written more than one: one
	// that it fills, one that is being written, one that waits.
	buffers = 3
	// writebackEvery is how many bytes are asked on their way to the disk at once,
	// so that the sync at the end has little left to wait for.
	writebackEvery = 8 << 20
)

// stream writes to f in the background: fill computes the next buffer while
// the system copies the last one and the disk takes those before it. What fits
// in one buffer is written by flush alone.
type stream struct {
	f      *os.File
	buf    []byte      // being filled
	made   int         // buffers
	full   chan []byte // to the background, nil when there is none
	free   chan []byte // and back
	done   chan struct{}
	broken atomic.Bool
	err    error // the background's first one, set before broken
}

func newStream(f *os.File) *stream {
	return &stream{f: f, buf: make([]byte, 0, bufferSize), made: 1}
}

// Write implements io.Writer. After a failure it fails for ever.
func (s *stream) Write(b []byte) (int, error) {
	n := 0
	for len(b) > 0 {
		if len(s.buf) == cap(s.buf) {
			if err := s.hand(); err != nil {
				return n, err
			}
		}
		k := copy(s.buf[len(s.buf):cap(s.buf)], b)
		s.buf = s.buf[:len(s.buf)+k]
		n, b = n+k, b[k:]
	}
	return n, nil
}

// hand gives the full buffer to the background and takes an empty one.
func (s *stream) hand() error {
	if s.broken.Load() {
		return s.stop()
	}
	if s.full == nil {
		s.full, s.free, s.done = make(chan []byte, buffers), make(chan []byte, buffers), make(chan struct{})
		go s.drain()
	}
	s.full <- s.buf
	if s.made < buffers {
		s.made++
		s.buf = make([]byte, 0, bufferSize)
	} else {
		s.buf = <-s.free
	}
	return nil
}

// drain writes the buffers that come. After a failure it only gives them back.
func (s *stream) drain() {
	defer close(s.done)
	at, asked := int64(0), int64(0)
	for b := range s.full {
		if s.err == nil {
			n, err := s.f.Write(b)
			if at += int64(n); err != nil {
				s.err = err
				s.broken.Store(true)
			}
		}
		if s.err == nil && at-asked >= writebackEvery {
			startWriteback(s.f, asked, at-asked)
			asked = at
		}
		s.free <- b[:0]
	}
}

// flush writes what is left and waits for all of it.
func (s *stream) flush() error {
	if err := s.stop(); err != nil {
		return err
	}
	_, err := s.f.Write(s.buf)
	return err
}

// stop ends the background and gives its error. It may be called again.
func (s *stream) stop() error {
	if s.full != nil {
		close(s.full)
		<-s.done
		s.full = nil
	}
	return s.err
}
