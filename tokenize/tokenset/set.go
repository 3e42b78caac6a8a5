package tokenset

import (
	"encoding/json"
	"fmt"
	"slices"

	"rpg/internal/safetensors"
	"rpg/onnxio"
	"rpg/tokenize"
)

// Set is an opened file of tokens. Several goroutines may read it.
type Set struct {
	Path      string
	Tokenizer *tokenize.Tokenizer
	Count     int      // rows: models
	Sources   []string // a name for each row, nil when the file does not say

	file   *safetensors.Reader
	tokens *safetensors.Entry
}

// Open checks everything about a file but the values of its tokens, which are
// read later. Each thing that can be wrong has an error of its own.
func Open(path string) (*Set, error) {
	file, err := safetensors.OpenReader(path)
	if err != nil {
		return nil, err
	}
	s := &Set{Path: path, file: file}
	if err := s.check(); err != nil {
		file.Close()
		return nil, fmt.Errorf("tokenset: %s: %w", path, err)
	}
	return s, nil
}

// Close closes the file.
func (s *Set) Close() error { return s.file.Close() }

func (s *Set) check() error {
	format, ok := s.file.Metadata[metaFormat]
	if !ok {
		return fmt.Errorf("metadata: no %s, expected %q", metaFormat, Format)
	}
	if format != Format {
		return fmt.Errorf("metadata: %s is %q, expected %q", metaFormat, format, Format)
	}
	layout, ok := s.file.Metadata[metaLayout]
	if !ok {
		return fmt.Errorf("metadata: no %s, expected layout and statistics", metaLayout)
	}
	var err error
	if s.Tokenizer, err = tokenize.Parse([]byte(layout)); err != nil {
		return fmt.Errorf("metadata: %s: %w", metaLayout, err)
	}
	if err := s.checkTokens(); err != nil {
		return err
	}
	if err := s.checkValid(); err != nil {
		return err
	}
	return s.readSources()
}

func (s *Set) checkTokens() error {
	L, D := s.Tokenizer.Layout.Tokens(), s.Tokenizer.Layout.TokenDim
	e := s.file.Entry(tensorTokens)
	switch {
	case e == nil:
		return fmt.Errorf("no tensor %q, expected one of shape [count,%d,%d]", tensorTokens, L, D)
	case e.DType != safetensors.F32:
		return fmt.Errorf("tensor %q has dtype %s, expected F32", tensorTokens, e.DType)
	case len(e.Shape) != 3 || e.Shape[1] != L || e.Shape[2] != D:
		return fmt.Errorf("tensor %q has shape %v, expected [count,%d,%d] by the layout", tensorTokens, e.Shape, L, D)
	case e.Shape[0] == 0:
		return fmt.Errorf("tensor %q has no rows", tensorTokens)
	}
	s.tokens, s.Count = e, e.Shape[0]
	return nil
}

// checkValid holds the valid lengths, if they are there, against the layout.
func (s *Set) checkValid() error {
	e := s.file.Entry(tensorValid)
	L := s.Tokenizer.Layout.Tokens()
	switch {
	case e == nil:
		return nil
	case e.DType != safetensors.I32:
		return fmt.Errorf("tensor %q has dtype %s, expected I32", tensorValid, e.DType)
	case !slices.Equal(e.Shape, []int{L}):
		return fmt.Errorf("tensor %q has shape %v, expected [%d] by the layout", tensorValid, e.Shape, L)
	}
	got := make([]int32, L)
	if err := s.file.ReadI32(e, got, 0); err != nil {
		return err
	}
	for i, want := range s.Tokenizer.Layout.Valid() {
		if got[i] != want {
			return fmt.Errorf("tensor %q says %d of token %d, expected %d by the layout", tensorValid, got[i], i, want)
		}
	}
	return nil
}

func (s *Set) readSources() error {
	text, ok := s.file.Metadata[metaSources]
	if !ok {
		return nil
	}
	var names []string
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		return fmt.Errorf("metadata: %s: expected a JSON list of names: %w", metaSources, err)
	}
	// The names may be those of the set that a generator learned from.
	if len(names) == s.Count {
		s.Sources = names
	}
	return nil
}

// Values gives the weights of row k, read from the file when they are asked
// for. Reading returns an error for a token that stands for no finite weight.
func (s *Set) Values(k int) onnxio.Values {
	if k < 0 || k >= s.Count {
		panic("tokenset: no such row")
	}
	base := k * (s.tokens.Elements / s.Count)
	return s.Tokenizer.DecodeFrom(func(dst []float32, off int) error {
		return s.file.ReadF32(s.tokens, dst, base+off)
	})
}
