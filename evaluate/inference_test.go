package evaluate

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"rpg/onnxio"
)

// TestOutOfMemory scores where ONNX Runtime refuses more than a few images at a
// time, as it does when memory is short.
func TestOutOfMemory(t *testing.T) {
	r := openTestRuntime(t)
	d := testImages(t, 150)
	zoo := testZoo(t, 2)
	models := []onnxio.Values{zoo[0], zoo[1]}
	want := score(t, r, d, ScorerOptions{Sessions: SessionsOwn}, zoo[0], models...)
	for _, c := range []struct {
		name    string
		fits    int // images
		failure string
		largest int // images in a run that succeeds
		say     string
	}{
		{"a third of a batch", 20, "Failed to allocate memory for requested buffer of size 5242880", 16, ""},
		{"one image", 1, "BFCArena::AllocateRawInternal Available memory of 0 is smaller than requested bytes of 256", 1, ""},
		{"CUDA", 33, "CUDA failure 2: out of memory ; GPU=0", 32, ""},
		{"none", 0, "std::bad_alloc", 0, "memory does not suffice for 1 images at a time"},
		{"another failure", 0, "Non-zero status code returned while running Conv node", 0, "while running Conv node"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := r.NewScorer(zoo[0], d, ScorerOptions{Threads: 2, Batch: 64, Sessions: SessionsOwn})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var mu sync.Mutex
			largest, refused := 0, 0
			s.invoke = func(session *ort.DynamicAdvancedSession, in, out []ort.Value) error {
				n := int(in[0].GetShape()[0])
				mu.Lock()
				if n <= c.fits {
					largest = max(largest, n)
				} else {
					refused++
				}
				mu.Unlock()
				if n > c.fits {
					return fmt.Errorf("error running network: %s", c.failure)
				}
				return session.Run(in, out)
			}
			got, err := s.Score(t.Context(), models, nil)
			if c.say != "" {
				if err == nil || !strings.Contains(err.Error(), c.say) || !strings.Contains(err.Error(), c.failure) {
					t.Errorf("error %v, expected %q and the cause", err, c.say)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(withoutConfidence(got), withoutConfidence(want)) {
				t.Error("other scores than with enough memory")
			}
			// Each of two workers can be refused at each of at most 6 halvings.
			if largest != c.largest || refused == 0 || refused > 12 {
				t.Errorf("largest run of %d images, expected %d; refused %d times", largest, c.largest, refused)
			}
		})
	}
}

func TestOutOfMemoryMessages(t *testing.T) {
	if outOfMemory(errors.New("Invalid rank for input: image")) {
		t.Error("a wrong shape is taken for a lack of memory")
	}
}

// Bound inputs and outputs, which CUDA takes, give the same scores.
func TestBound(t *testing.T) {
	r := openTestRuntime(t)
	d := testImages(t, 150)
	zoo := testZoo(t, 3)
	models := []onnxio.Values{zoo[0], zoo[1], zoo[2]}
	for _, sessions := range []Sessions{SessionsOwn, SessionsShared} {
		want := score(t, r, d, ScorerOptions{Sessions: sessions}, zoo[0], models...)
		s, err := r.NewScorer(zoo[0], d, ScorerOptions{Threads: 2, Batch: 64, Sessions: sessions})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.bind = true
		s.invoke = func(*ort.DynamicAdvancedSession, []ort.Value, []ort.Value) error {
			return errors.New("run without binding")
		}
		got, err := s.Score(t.Context(), models, nil)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(withoutConfidence(got), withoutConfidence(want)) {
			t.Errorf("sessions %v: other scores than without binding", sessions)
		}
	}
}
