package tokenset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rpg/fixtures"
	"rpg/internal/atomicfile"
	"rpg/internal/safetensors"
	"rpg/onnxio"
	"rpg/tokenize"
)

// zoo opens the first n embedded models.
func zoo(t testing.TB, n int) (models []*onnxio.Model, names []string) {
	t.Helper()
	for _, name := range fixtures.ZooNames()[:n] {
		data, err := fs.ReadFile(fixtures.Zoo(), name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := onnxio.Parse(name, bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		models, names = append(models, m), append(names, name)
	}
	return models, names
}

func build(t testing.TB, models []*onnxio.Model, D int, stats string) *tokenize.Tokenizer {
	t.Helper()
	tok, err := tokenize.Build(models, tokenize.Options{TokenDim: D, Stats: stats, Granularity: tokenize.GranularityTensor})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestRoundTrip(t *testing.T) {
	models, names := zoo(t, 4)
	for _, c := range []struct {
		D     int
		stats string
	}{{1, tokenize.StatsPooled}, {64, tokenize.StatsPooled}, {256, tokenize.StatsPaper}, {1 << 14, tokenize.StatsPooled}} {
		t.Run(fmt.Sprintf("%d %s", c.D, c.stats), func(t *testing.T) {
			tok := build(t, models, c.D, c.stats)
			path := filepath.Join(t.TempDir(), "set.safetensors")
			steps := 0
			if err := Write(context.Background(), path, tok, models, names, false, func(done, total int) { steps++ }); err != nil {
				t.Fatal(err)
			}
			if steps != len(models) {
				t.Errorf("%d calls of progress, expected %d", steps, len(models))
			}
			s, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if s.Count != len(models) || fmt.Sprint(s.Sources) != fmt.Sprint(names) {
				t.Errorf("%d rows from %v", s.Count, s.Sources)
			}
			for k, m := range models {
				for j, w := range m.Weights() {
					want, got := make([]float32, w.Elements), make([]float32, w.Elements)
					if err := errors.Join(m.ReadValues(j, want, 0), s.Values(k).ReadValues(j, got, 0)); err != nil {
						t.Fatal(err)
					}
					tolerance := 1e-6 * max(deviation(want), tok.Stats.Weights[j].Std)
					for e := range want {
						if !(math.Abs(float64(got[e])-float64(want[e])) <= tolerance+math.Abs(float64(want[e]))*0x1p-23) {
							t.Fatalf("row %d weight %q element %d is %g, expected %g within %g", k, w.Name, e, got[e], want[e], tolerance)
						}
					}
				}
			}
		})
	}
}

func deviation(x []float32) float64 {
	var sum, squares float64
	for _, v := range x {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(len(x))
	return math.Sqrt(max(0, squares/n-sum/n*sum/n))
}

func TestWriteRefuses(t *testing.T) {
	models, names := zoo(t, 2)
	tok := build(t, models, 64, tokenize.StatsPooled)
	path := filepath.Join(t.TempDir(), "set.safetensors")
	if err := os.WriteFile(path, []byte("precious"), 0o666); err != nil {
		t.Fatal(err)
	}
	err := Write(context.Background(), path, tok, models, names, false, nil)
	if !errors.Is(err, atomicfile.ErrExists) {
		t.Errorf("error %v, expected that the file exists", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := Write(ctx, path, tok, models, names, true, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, expected that of the context", err)
	}
	if err := models[1].Select(onnxio.Selection{Exclude: []string{"head.*"}}); err != nil {
		t.Fatal(err)
	}
	if err := Write(context.Background(), path, tok, models, names, true, nil); err == nil || !strings.Contains(err.Error(), "another graph") {
		t.Errorf("error %v, expected one about the graph", err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "precious" {
		t.Errorf("the file was touched: %q, %v", data, err)
	}
}

// TestOpenRefuses has one case for each thing that can be wrong with a set that
// is a good safetensors file.
func TestOpenRefuses(t *testing.T) {
	models, _ := zoo(t, 2)
	tok := build(t, models, 1024, tokenize.StatsPooled)
	L, D := tok.Layout.Tokens(), 1024
	layout, err := tok.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	good := func() map[string]string {
		return map[string]string{metaFormat: Format, metaLayout: string(layout)}
	}
	with := func(key, value string) map[string]string {
		m := good()
		if m[key] = value; value == "" {
			delete(m, key)
		}
		return m
	}
	tokens := safetensors.NewEntry(tensorTokens, safetensors.F32, 2, L, D)
	valid := safetensors.NewEntry(tensorValid, safetensors.I32, L)
	wrong := tok.Layout.Valid()
	wrong[L-1]++
	for _, c := range []struct {
		name     string
		entries  []safetensors.Entry
		valid    []int32
		metadata map[string]string
		says     string
	}{
		{"without valid and sources", []safetensors.Entry{tokens}, nil, good(), ""},
		{"an extra tensor", []safetensors.Entry{tokens, safetensors.NewEntry("labels", safetensors.I32, 3)}, []int32{1, 2, 3}, good(), ""},
		{"names of another set", []safetensors.Entry{tokens}, nil, with(metaSources, `["a","b","c"]`), ""},

		{"no format", []safetensors.Entry{tokens}, nil, with(metaFormat, ""), "no rpg.format"},
		{"a later format", []safetensors.Entry{tokens}, nil, with(metaFormat, "rpg.tokens/2"), `rpg.format is "rpg.tokens/2", expected "rpg.tokens/1"`},
		{"no layout", []safetensors.Entry{tokens}, nil, with(metaLayout, ""), "no rpg.layout"},
		{"a broken layout", []safetensors.Entry{tokens}, nil, with(metaLayout, "{"), "rpg.layout: tokenize: layout"},
		{"a layout of no tokens", []safetensors.Entry{tokens}, nil, with(metaLayout, `{"layout":{"version":1},"stats":null}`), "rpg.layout: tokenize: layout"},
		{"no tokens", []safetensors.Entry{safetensors.NewEntry("x", safetensors.F32, 2, L, D)}, nil, good(), `no tensor "tokens"`},
		{"tokens of integers", []safetensors.Entry{safetensors.NewEntry(tensorTokens, safetensors.I32, 0, L, D)}, nil, good(), "dtype I32, expected F32"},
		{"two dimensions", []safetensors.Entry{safetensors.NewEntry(tensorTokens, safetensors.F32, L, D)}, nil, good(), "expected [count,"},
		{"another L", []safetensors.Entry{safetensors.NewEntry(tensorTokens, safetensors.F32, 2, L+1, D)}, nil, good(), "expected [count,"},
		{"another D", []safetensors.Entry{safetensors.NewEntry(tensorTokens, safetensors.F32, 2, L, D-1)}, nil, good(), "expected [count,"},
		{"no rows", []safetensors.Entry{safetensors.NewEntry(tensorTokens, safetensors.F32, 0, L, D)}, nil, good(), "has no rows"},
		{"valid of floats", []safetensors.Entry{tokens, safetensors.NewEntry(tensorValid, safetensors.F32, L)}, nil, good(), "dtype F32, expected I32"},
		{"valid of another length", []safetensors.Entry{tokens, safetensors.NewEntry(tensorValid, safetensors.I32, L-1)}, wrong[:L-1], good(), "has shape"},
		{"other valid lengths", []safetensors.Entry{tokens, valid}, wrong, good(), "of token"},
		{"sources no list", []safetensors.Entry{tokens}, nil, with(metaSources, `{"a":1}`), "rpg.sources: expected a JSON list"},
		{"not a set at all", nil, nil, nil, "no rpg.format"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "set.safetensors")
			writeSet(t, path, c.entries, c.valid, c.metadata)
			s, err := Open(path)
			if err == nil {
				s.Close()
			}
			if c.says == "" {
				if err != nil || s.Count != 2 || s.Sources != nil {
					t.Fatalf("error %v, set %+v", err, s)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, expected one with %q and the path", err, c.says)
			}
		})
	}
	cut := filepath.Join(t.TempDir(), "cut.safetensors")
	writeSet(t, cut, []safetensors.Entry{tokens}, nil, good())
	if err := os.Truncate(cut, 20000); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(cut); err == nil || !strings.Contains(err.Error(), "lies at") {
		t.Errorf("error %v, expected one about the place of the tokens", err)
	}
}

// writeSet writes a set of zero tokens, with ints as the values of all I32
// tensors.
func writeSet(t *testing.T, path string, entries []safetensors.Entry, ints []int32, metadata map[string]string) {
	t.Helper()
	var out bytes.Buffer
	w, err := safetensors.NewWriter(&out, entries, metadata)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.DType == safetensors.I32 {
			err = w.WriteI32(ints[:e.Elements])
		} else {
			err = w.WriteF32(make([]float32, e.Elements))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestTokensThatAreNoWeights: a generator's NaN is found when it is read.
func TestTokensThatAreNoWeights(t *testing.T) {
	models, _ := zoo(t, 2)
	tok := build(t, models, 256, tokenize.StatsPooled)
	layout, err := tok.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	L, D := tok.Layout.Tokens(), 256
	values := make([]float32, 3*L*D)
	values[2*L*D+1] = float32(math.NaN())
	var out bytes.Buffer
	w, err := safetensors.NewWriter(&out, []safetensors.Entry{safetensors.NewEntry(tensorTokens, safetensors.F32, 3, L, D)},
		map[string]string{metaFormat: Format, metaLayout: string(layout)})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.WriteF32(values), w.Close()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "set.safetensors")
	if err := os.WriteFile(path, out.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dst := make([]float32, 2)
	if err := s.Values(1).ReadValues(0, dst, 0); err != nil {
		t.Error(err)
	}
	if err := s.Values(2).ReadValues(0, dst, 0); err == nil || !strings.Contains(err.Error(), "token value NaN") {
		t.Errorf("error %v, expected one about the NaN", err)
	}
}
