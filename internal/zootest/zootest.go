// Package zootest reads the first checkpoints of the embedded zoo, for the tests of
// packages that learn from tokens.
package zootest

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"rpg/fixtures"
	"rpg/onnxio"
	"rpg/tokenize"
)

// Zoo is what a generator.Zoo is made of, and what writes the first checkpoint.
type Zoo struct {
	Tokenizer *tokenize.Tokenizer
	Tokens    []float32 // [checkpoints, L, D]
	Sources   []string
	Template  func(path string) error
}

// Read reads checkpoints, cut into tokens that are D wide.
func Read(t testing.TB, checkpoints, D int) Zoo {
	t.Helper()
	names, err := fs.Glob(fixtures.Zoo(), "*.onnx")
	if err != nil || len(names) < checkpoints {
		t.Fatalf("the embedded zoo has %d models (%v), want at least %d", len(names), err, checkpoints)
	}
	dir := t.TempDir()
	var models []*onnxio.Model
	for _, name := range names[:checkpoints] {
		b, err := fs.ReadFile(fixtures.Zoo(), name)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := onnxio.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		models = append(models, m)
	}
	tokenizer, err := tokenize.Build(models, tokenize.Options{TokenDim: D, Stats: "pooled", Granularity: "tensor"})
	if err != nil {
		t.Fatal(err)
	}
	size := tokenizer.Layout.Tokens() * D
	z := Zoo{Tokenizer: tokenizer, Tokens: make([]float32, checkpoints*size), Template: func(path string) error {
		return onnxio.Write(path, models[0], models[0], onnxio.WriteOptions{Force: true})
	}}
	for i, m := range models {
		if err := tokenizer.Encode(m, z.Tokens[i*size:(i+1)*size]); err != nil {
			t.Fatal(err)
		}
		z.Sources = append(z.Sources, m.Path)
	}
	return z
}
