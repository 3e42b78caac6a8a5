package evaluate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"rpg/onnxio"
)

// keptOptions evaluates two models against three originals, keeping scores in dir.
func keptOptions(t *testing.T, r *Runtime, dir string) Options {
	t.Helper()
	zoo := testZoo(t, 5)
	return Options{Runtime: r, Data: testImages(t, 200), Models: zoo[:2], Against: zoo[2:], Baselines: 2, Noise: []float64{0.1}, Seed: 3, Threads: 2, Keep: dir}
}

func mustEvaluate(t *testing.T, o Options) *Result {
	t.Helper()
	result, err := Evaluate(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// figures are a result without what may differ from one evaluation to the next.
func figures(r *Result) Result {
	cut := *r
	cut.ImagesPerS, cut.Kept = 0, 0
	return cut
}

func TestKeptScores(t *testing.T) {
	r := openTestRuntime(t)
	dir := filepath.Join(t.TempDir(), "results")
	o := keptOptions(t, r, dir)
	first := mustEvaluate(t, o)
	models := len(first.Models)
	if first.Kept != 0 || models < 10 {
		t.Fatalf("%d of %d scores were there before the first evaluation", first.Kept, models)
	}

	o.Progress = func(done, total int) { t.Errorf("the second evaluation computes: %d of %d", done, total) }
	second := mustEvaluate(t, o)
	if second.Kept != models || second.ImagesPerS != 0 || !reflect.DeepEqual(figures(second), figures(first)) {
		t.Errorf("second evaluation: %d of %d kept, %g images/s, equal figures: %v", second.Kept, models, second.ImagesPerS, reflect.DeepEqual(figures(second), figures(first)))
	}
	o.Progress = nil

	t.Run("what a score depends on", func(t *testing.T) {
		for _, c := range []struct {
			name   string
			change func(o *Options)
			kept   int
		}{
			{"other images", func(o *Options) { o.Data = testImages(t, 100) }, 0},
			{"other labels", func(o *Options) {
				d := *o.Data
				d.Labels = append([]uint16{9 - d.Labels[0]}, d.Labels[1:]...)
				o.Data = &d
			}, 0},
			{"another preprocessing", func(o *Options) { d := *o.Data; d.Preprocess += " other"; o.Data = &d }, 0},
			{"a shift", func(o *Options) { o.Data = shifted(t, o.Data, "blur") }, 0},
			{"another provider", func(o *Options) { r := *o.Runtime; r.Provider = "other"; o.Runtime = &r }, 0},
			{"another version of ONNX Runtime", func(o *Options) { r := *o.Runtime; r.Version = "0"; o.Runtime = &r }, 0},
			{"other seed: only baselines differ", func(o *Options) { o.Without = BaselineNames(); o.Seed = 9 }, 5},
			{"a model under another name", func(o *Options) {
				o.Against, o.Models = nil, []*onnxio.Model{parse(t, "renamed.onnx", zooBytes(t, 0))}
			}, 1},
			{"another model", func(o *Options) { o.Against, o.Models = nil, []*onnxio.Model{parse(t, "new.onnx", zooBytes(t, 9))} }, 0},
		} {
			t.Run(c.name, func(t *testing.T) {
				o := o
				o.Keep = t.TempDir()
				if err := os.CopyFS(o.Keep, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				c.change(&o)
				if got := mustEvaluate(t, o).Kept; got != c.kept {
					t.Errorf("%d scores taken, expected %d", got, c.kept)
				}
			})
		}
	})
	t.Run("spoilt files are computed again", func(t *testing.T) {
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for i, spoil := range []func(data []byte) []byte{
			func(data []byte) []byte { return nil },
			func(data []byte) []byte { return data[:len(data)/2] },
			func(data []byte) []byte { data[100] ^= 1; return data },
			func(data []byte) []byte { data[0] ^= 1; return data },
		} {
			name := filepath.Join(dir, files[i].Name())
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, spoil(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		third := mustEvaluate(t, o)
		if third.Kept != models-4 || !reflect.DeepEqual(figures(third), figures(first)) {
			t.Errorf("%d of %d taken, 4 are spoilt", third.Kept, models)
		}
		if again := mustEvaluate(t, o); again.Kept != models {
			t.Errorf("%d of %d taken after they were written anew", again.Kept, models)
		}
	})
}

func TestInterruptedEvaluationContinues(t *testing.T) {
	r := openTestRuntime(t)
	o := keptOptions(t, r, t.TempDir())
	o.Threads, o.Batch = 1, 20
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(done, total int) {
		if done >= 700 { // of 200 a model: three are done
			cancel()
		}
	}
	if _, err := Evaluate(ctx, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, expected context.Canceled", err)
	}
	o.Progress = nil
	result := mustEvaluate(t, o)
	if result.Kept != 3 {
		t.Errorf("%d scores taken, expected 3", result.Kept)
	}
	o.Keep = ""
	if fresh := mustEvaluate(t, o); fresh.Kept != 0 || !reflect.DeepEqual(figures(fresh), figures(result)) {
		t.Errorf("%d kept; figures differ from those of one evaluation", fresh.Kept)
	}
}

func TestKeepingFails(t *testing.T) {
	r := openTestRuntime(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	o := Options{Runtime: r, Data: testImages(t, 50), Models: testZoo(t, 1), Keep: filepath.Join(file, "below")}
	if result := mustEvaluate(t, o); len(result.Notes) != 1 || !strings.Contains(result.Notes[0], "Scores are not kept") {
		t.Errorf("notes %q", result.Notes)
	}
}

func TestPrune(t *testing.T) {
	k := &kept{dir: t.TempDir()}
	base := time.Now().Add(-time.Hour)
	var names []string
	for i := range 5 {
		name := strings.Repeat(fmt.Sprint(i), 64)
		path := filepath.Join(k.dir, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		when := base.Add(time.Duration((i*3)%5) * time.Minute) // oldest first: 0 2 4 1 3
		if err := os.Chtimes(path, when, when); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := os.WriteFile(filepath.Join(k.dir, "of someone else"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := k.prune(2); err != nil {
		t.Fatal(err)
	}
	var left []string
	files, err := os.ReadDir(k.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		left = append(left, f.Name())
	}
	if want := []string{names[1], names[3], "of someone else"}; !reflect.DeepEqual(left, want) {
		t.Errorf("left %q, expected %q", left, want)
	}
}
