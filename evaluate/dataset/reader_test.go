package dataset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// pictureSet gives n embedded images as pictures of a folder.
func pictureSet(t *testing.T, n int, change func(files map[string][]byte)) *Set {
	t.Helper()
	files := map[string][]byte{}
	for i := range n {
		files[fmt.Sprintf("all/%03d.png", i)] = pngFile(t, i)
	}
	if change != nil {
		change(files)
	}
	s, err := Open(t.Context(), Options{Path: tree(t, files), Preprocess: exact(), Shape: []int{3, 32, 32}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestReader reads every image as often as promised, in batches, by several
// goroutines, and holds it against the image read alone.
func TestReader(t *testing.T) {
	const n = 23
	pictures := pictureSet(t, n, nil)
	want := make([]float32, n*pictures.Pixels())
	if err := pictures.Fill(want, 0, n); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name                                 string
		s                                    *Set
		uses, window, batch, chunk, decoders int
		workers                              int
	}{
		{"one goroutine, one place", pictures, 1, 1, 1, n, 0, 1},
		{"batches in a window of two", pictures, 1, 8, 4, n, 0, 2},
		{"decoders ahead", pictures, 1, 8, 4, n, 3, 2},
		{"a window for all", pictures, 3, 100, 4, n, 0, 3},
		{"chunks for several models", pictures, 3, 12, 4, 8, 2, 2},
		{"chunks without decoders", pictures, 5, 12, 2, 8, 0, 3},
		{"images in memory", testImages(t, n), 2, 1, 4, n, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var units [][2]int
			for from := 0; from < n; from += c.chunk {
				for range c.uses {
					for first := from; first < min(from+c.chunk, n); first += c.batch {
						units = append(units, [2]int{first, min(c.batch, min(from+c.chunk, n)-first)})
					}
				}
			}
			expected := want
			if c.s != pictures {
				expected = make([]float32, len(want))
				if err := c.s.Fill(expected, 0, n); err != nil {
					t.Fatal(err)
				}
			}
			r := c.s.Read(t.Context(), c.uses, c.window, c.decoders)
			defer r.Close()
			var next atomic.Int64
			var wg sync.WaitGroup
			for range c.workers {
				wg.Go(func() {
					size := c.s.Pixels()
					out := make([]float32, c.batch*size)
					for {
						i := int(next.Add(1)) - 1
						if i >= len(units) {
							return
						}
						first, count := units[i][0], units[i][1]
						if err := r.Fill(out, first, count); err != nil {
							t.Error(err)
							return
						}
						if !slices.Equal(out[:count*size], expected[first*size:(first+count)*size]) {
							t.Errorf("images %d to %d differ", first, first+count-1)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestReaderStops(t *testing.T) {
	t.Run("at a bad picture", func(t *testing.T) {
		s := pictureSet(t, 5, func(files map[string][]byte) { files["all/003.png"] = []byte("no picture") })
		r := s.Read(t.Context(), 1, 2, 1)
		defer r.Close()
		out := make([]float32, s.Pixels())
		for i := range 3 {
			if err := r.Fill(out, i, 1); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.Fill(out, 3, 1); err == nil || !strings.Contains(err.Error(), "003.png") {
			t.Errorf("error %v, expected one that names the picture", err)
		}
	})
	t.Run("when cancelled", func(t *testing.T) {
		s := pictureSet(t, 5, nil)
		ctx, cancel := context.WithCancel(t.Context())
		r := s.Read(ctx, 1, 1, 1)
		defer r.Close()
		// Image 4 has no place as long as image 0 was not read.
		time.AfterFunc(10*time.Millisecond, cancel)
		if err := r.Fill(make([]float32, s.Pixels()), 4, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}
