package tokenize

import (
	"bytes"
	"encoding/binary"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"rpg/fixtures"
	"rpg/onnxio"
)

// shared gives the path of a folder in shared/data, which stands beside the
// repository where the project is developed and is absent elsewhere.
func shared(t *testing.T, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		path := filepath.Join(dir, "shared", "data", filepath.FromSlash(name))
		if _, err := os.Stat(path); err == nil {
			return path
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Skipf("shared/data/%s is not beside the repository", name)
		}
		dir = parent
	}
}

// open opens the models of a folder, at most n of them, in order of name.
func open(t *testing.T, dir string, n int) []*onnxio.Model {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.onnx"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: no *.onnx, %v", dir, err)
	}
	var models []*onnxio.Model
	for _, path := range paths[:min(n, len(paths))] {
		m, err := onnxio.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		models = append(models, m)
	}
	return models
}

// embedded writes n models of the embedded zoo to a temporary folder.
func embedded(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range fixtures.ZooNames()[:n] {
		data, err := fs.ReadFile(fixtures.Zoo(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func read(t *testing.T, v onnxio.Values, i, n int) []float32 {
	t.Helper()
	values := make([]float32, n)
	if err := v.ReadValues(i, values, 0); err != nil {
		t.Fatal(err)
	}
	return values
}

// TestRealZoosComeBack is the promise of the package: every weight of every
// model comes back within 1e-6 of its tensor's standard deviation, or, where it
// lies more than 8 of them from the mean, within the spacing of float32 there.
func TestRealZoosComeBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		models int // of the zoo, to keep the test short
		D      int
		strict bool // no value needs the second clause
	}{
		{"cifar10-cnn-medium", 50, 256, true},
		{"cifar10-resnet20", 5, 1024, false},
		{"digits-mlp-seeds", 200, 100, true},
		{"acasxu", 45, 333, false},
		{"imagenet-squeezenet", 2, 4096, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			models := open(t, shared(t, "zoo/"+c.name), c.models)
			tok, err := Build(models, Options{c.D, StatsPooled, GranularityTensor})
			if err != nil {
				t.Fatal(err)
			}
			tokens := make([]float32, tok.Layout.Tokens()*c.D)
			worst, outliers := 0.0, 0
			for _, m := range models {
				if err := tok.Encode(m, tokens); err != nil {
					t.Fatal(err)
				}
				back := tok.Decode(tokens)
				for i, w := range tok.Layout.Weights {
					want := read(t, m, i, w.Elements)
					got := read(t, back, i, w.Elements)
					std := rawStd(models, tok, i)
					for e := range want {
						diff := abs(float64(got[e]) - float64(want[e]))
						spacing := float64(math.Nextafter32(float32(abs(float64(want[e]))), math.MaxFloat32)) - abs(float64(want[e]))
						switch {
						case diff == 0:
						case diff <= 1e-6*std:
							worst = max(worst, diff/std)
						case diff <= spacing && !c.strict:
							outliers++
						default:
							t.Fatalf("%s: %q: %s is %g, expected %g: %g standard deviations off",
								m.Path, w.Name, where(e, w.Shape), got[e], want[e], diff/std)
						}
					}
				}
			}
			t.Logf("%d weights, %d tokens of %d: worst %.2g standard deviations, %d values only within float32 spacing",
				len(tok.Layout.Weights), tok.Layout.Tokens(), c.D, worst, outliers)
		})
	}
}
