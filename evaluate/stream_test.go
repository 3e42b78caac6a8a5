package evaluate

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"weak"

	"rpg/onnxio"
)

// inMemory are a model's values under its name, and nothing else of it.
type inMemory struct{ m *onnxio.Model }

func (v inMemory) ReadValues(i int, dst []float32, off int) error { return v.m.ReadValues(i, dst, off) }
func (v inMemory) Name() string                                   { return v.m.Path }

// streamed evaluates models as a Stream, in groups of so many.
func streamed(t *testing.T, o Options, template *onnxio.Model, models []*onnxio.Model, together int) *Result {
	t.Helper()
	s, err := NewStream(t.Context(), o, template, len(models))
	if err != nil {
		t.Fatal(err)
	}
	for first := 0; first < len(models); first += together {
		var group []onnxio.Values
		for _, m := range models[first:min(first+together, len(models))] {
			group = append(group, inMemory{m})
		}
		if err := s.Add(t.Context(), group); err != nil {
			t.Fatal(err)
		}
	}
	result, err := s.Finish(t.Context())
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	return result
}

// TestStream: a Stream gives what Evaluate gives, however the models come, with
// originals and without, with sessions of their own and with one for all.
func TestStream(t *testing.T) {
	r := openTestRuntime(t)
	zoo := testZoo(t, 9)
	for _, images := range []int{ownFrom - 24, 100} {
		for _, against := range [][]*onnxio.Model{nil, zoo[6:]} {
			for _, count := range []int{1, 4} {
				o := Options{Runtime: r, Data: testImages(t, images), Against: against, Noise: []float64{0.05}, Seed: 3, Threads: 2}
				whole := o
				whole.Models = zoo[:count]
				want, err := Evaluate(t.Context(), whole)
				if err != nil {
					t.Fatal(err)
				}
				for _, together := range []int{1, 3} {
					got := streamed(t, o, zoo[4], zoo[:count], together)
					if !(got.ImagesPerS > 0) {
						t.Errorf("%g images/s", got.ImagesPerS)
					}
					got.ImagesPerS = want.ImagesPerS
					if !reflect.DeepEqual(got, want) {
						t.Errorf("%d images, %d originals, %d models in groups of %d: %+v\nwant %+v", images, len(against), count, together, got, want)
					}
				}
			}
		}
	}
}

// TestStreamKeeps: scores are kept for other evaluations and taken from them, and
// a Stream that is stopped keeps those of the models that were finished.
func TestStreamKeeps(t *testing.T) {
	r := openTestRuntime(t)
	zoo := testZoo(t, 4)
	var done, total int
	o := Options{Runtime: r, Data: testImages(t, 100), Keep: filepath.Join(t.TempDir(), "scores"), Threads: 1,
		Progress: func(n, of int) { done, total = n, of }}
	s, err := NewStream(t.Context(), o, zoo[0], 4)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Add(t.Context(), []onnxio.Values{inMemory{zoo[0]}}); err != nil || done != 100 || total != 400 {
		t.Errorf("%d of %d images, want 100 of 400: %v", done, total, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Add(ctx, []onnxio.Values{inMemory{zoo[1]}}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	if _, err := s.Finish(t.Context()); err == nil || !strings.Contains(err.Error(), "expected 4, found 1") {
		t.Errorf("unfinished: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if got := streamed(t, o, zoo[0], zoo, 2); got.Kept != 1 {
		t.Errorf("%d scores were kept, want that of the first model", got.Kept)
	}
	if done != 400 || total != 400 {
		t.Errorf("%d of %d images, want 400", done, total)
	}
	o.Models = zoo
	if got, err := Evaluate(t.Context(), o); err != nil || got.Kept != 4 {
		t.Errorf("%d scores are kept, want 4: %v", got.Kept, err)
	}
}

// heavy are values that a test wants to see go.
type heavy struct{ inMemory }

// TestStreamMemory: of a model that was added no weights are kept.
func TestStreamMemory(t *testing.T) {
	r := openTestRuntime(t)
	zoo := testZoo(t, 3)
	s, err := NewStream(t.Context(), Options{Runtime: r, Data: testImages(t, 64), Against: zoo[1:], Keep: t.TempDir()}, zoo[0], 4)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		var gone []weak.Pointer[heavy]
		func() {
			group := []*heavy{{inMemory{zoo[0]}}, {inMemory{zoo[1]}}}
			for _, v := range group {
				gone = append(gone, weak.Make(v))
			}
			if err := s.Add(t.Context(), []onnxio.Values{group[0], group[1]}); err != nil {
				t.Fatal(err)
			}
		}()
		runtime.GC()
		for i, p := range gone {
			if p.Value() != nil {
				t.Errorf("the values of model %d are still in memory", i)
			}
		}
	}
}

// TestStreamRefuses: what is wrong is said before a model is made, and what a
// model's weights cannot be when it comes.
func TestStreamRefuses(t *testing.T) {
	r := openTestRuntime(t)
	zoo := testZoo(t, 2)
	d := testImages(t, 20)
	for _, c := range []struct {
		name  string
		o     Options
		count int
		want  string
	}{
		{"no models", Options{Runtime: r, Data: d}, 0, "expected at least one, found none"},
		{"noise", Options{Runtime: r, Data: d, Noise: []float64{-1}}, 1, "expected a number above 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := NewStream(t.Context(), c.o, zoo[0], c.count); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	s, err := NewStream(t.Context(), Options{Runtime: r, Data: d}, zoo[0], 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	broken := errors.New("token 3 is not finite")
	if err := s.Add(t.Context(), []onnxio.Values{failing{broken}}); !errors.Is(err, broken) || !strings.Contains(fmt.Sprint(err), "model 0") {
		t.Errorf("weights that cannot be read: %v", err)
	}
}

// failing are values that cannot be read.
type failing struct{ err error }

func (f failing) ReadValues(int, []float32, int) error { return f.err }
