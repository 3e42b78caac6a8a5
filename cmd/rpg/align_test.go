package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"rpg/onnxio"
	"rpg/tokenize/align"
)

// Checkpoints of one run, each with its channels permuted at random, come back
// into the order of the first: every weight is again what it was.
func TestAlignFindsPlantedOrder(t *testing.T) {
	dir := t.TempDir()
	zoo, mixed, out := filepath.Join(dir, "zoo"), filepath.Join(dir, "mixed"), filepath.Join(dir, "out")
	const models = 4
	if err := writeZoo(zoo, models); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(mixed, 0o755); err != nil {
		t.Fatal(err)
	}
	names := []string{"0.onnx", "1.onnx", "2.onnx", "3.onnx"}
	open := func(folder, name string) *onnxio.Model {
		m, err := onnxio.Open(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		return m
	}
	for k, name := range names {
		m := open(zoo, name)
		s := align.Find(m)
		p := s.Identity()
		if k > 0 {
			p = s.Random(rand.New(rand.NewPCG(3, uint64(k))))
		}
		if err := onnxio.Write(filepath.Join(mixed, name), m, s.Apply(p, m), onnxio.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		words []string
		first int // of the models that are aligned
	}{
		{"to the mean", []string{mixed, "-o", out}, 0},
		{"to a reference", []string{filepath.Join(mixed, "2.onnx"), filepath.Join(mixed, "3.onnx"), "--reference", filepath.Join(zoo, "0.onnx"), "-o", filepath.Join(out, "r")}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			words := append([]string{"rpg", "align", "--json"}, c.words...)
			if code := run(words, &stdout, &stderr); code != exitDone {
				t.Fatalf("%v ended with %d: %s", words, code, stderr.String())
			}
			var a aligning
			if err := json.Unmarshal(stdout.Bytes(), &a); err != nil {
				t.Fatal(err)
			}
			if len(a.Groups) != 4 || len(a.Models) != models-c.first {
				t.Fatalf("%d groups and %d models: %s", len(a.Groups), len(a.Models), stdout.String())
			}
			for k, row := range a.Models {
				name := names[c.first+k]
				if moves := c.first+k > 0; (row.Moved > 50) != moves || row.Distance.After > 5 || (row.Distance.Before > 50) != (moves || c.first == 0) {
					t.Errorf("%s: %+v", name, row)
				}
				was, is := open(zoo, name), open(filepath.Dir(row.Path), name)
				for i, w := range was.Weights() {
					a, b := make([]float32, w.Elements), make([]float32, w.Elements)
					if err := was.ReadValues(i, a, 0); err != nil {
						t.Fatal(err)
					}
					if err := is.ReadValues(i, b, 0); err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(a, b) {
						t.Errorf("%s: %s is not what it was", name, w.Name)
					}
				}
			}
		})
	}
}
