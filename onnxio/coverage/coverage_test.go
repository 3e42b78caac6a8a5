package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"rpg/evaluate/fetch"
	"rpg/onnxio"
	"rpg/onnxio/secondreader"
)

// hard is the folder of what models.py makes; SHA256SUMS lists it.
const hard = "testdata/hard"

func TestFixturesAreWhole(t *testing.T) {
	list, err := os.ReadFile("testdata/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(list)), "\n")
	for _, line := range lines {
		want, name, _ := strings.Cut(line, "  ")
		data, err := os.ReadFile(filepath.Join(hard, name))
		if sum := sha256.Sum256(data); err != nil || hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s is not the file that SHA256SUMS lists: %v", name, err)
		}
	}
	if found, err := os.ReadDir(hard); err != nil || len(found) != len(lines) {
		t.Errorf("%d files, %d are listed: %v", len(found), len(lines), err)
	}
}

// TestHardModels reads and writes models that have weights in every place and
// type. With RPG_TEST_PYTHON, the onnx package reads them too.
func TestHardModels(t *testing.T) {
	python := os.Getenv("RPG_TEST_PYTHON")
	var out bytes.Buffer
	ok, err := run(&out, []string{hard}, python, t.TempDir())
	if err != nil || !ok {
		t.Errorf("not all is equal: %v", err)
	}
	rows := []string{
		"| files | 33 |", "| refused by onnxio, with the reason below | 0 |", "| written back with their own values: the same bytes | 33 |",
		"| tensors stored in the files that are read | 83 |", "| of them weights, which are generated | 58 |",
	}
	if python != "" {
		rows = append(rows, "| tensors whose type, shape and values both read alike | 83 |", "| of them read by the onnx package with exactly the expected new values | 58 |")
	} else {
		t.Log("without RPG_TEST_PYTHON nothing is compared with the onnx package")
	}
	for _, row := range rows {
		if !strings.Contains(out.String(), row) {
			t.Errorf("no row %q", row)
		}
	}
	if t.Failed() {
		t.Log(out.String())
	}
}

func TestNoModels(t *testing.T) {
	if _, err := run(&bytes.Buffer{}, []string{t.TempDir()}, "", ""); err == nil || !strings.Contains(err.Error(), "no .onnx file") {
		t.Errorf("an empty folder: %v", err)
	}
}

// TestDisagreementFails has one file on which readers agree, and then all that
// must end the program with status 1.
func TestDisagreementFails(t *testing.T) {
	fine := file{Path: "a.onnx", second: secondreader.Agrees, Changed: "b.onnx", Inputs: "c.onnx", Moved: "d.onnx"}
	read := result{Path: "a.onnx", Loads: "yes", Changed: "yes", Moved: "equal", Inputs: "equal"}
	for _, c := range []struct {
		name string
		set  func(f *file, r *result)
		want string // "" when nothing is wrong
	}{
		{"agreement", func(f *file, r *result) {}, ""},
		{"refused", func(f *file, r *result) { f.Refused = "cut" }, ""},
		{"not covered by onnx-go", func(f *file, r *result) { f.second, f.reason = secondreader.NotCovered, "Loop" }, ""},
		{"never loaded", func(f *file, r *result) { *r = result{Loads: "InvalidGraph"} }, ""},
		{"not rewritten identically", func(f *file, r *result) { f.Same = "other bytes" }, "other bytes"},
		{"a panic", func(f *file, r *result) { f.Refused, f.panicked = "onnxio panics", "index out of range" }, "index out of range"},
		{"onnx-go differs", func(f *file, r *result) { f.second, f.reason = secondreader.Differs, "tensor w" }, "onnx-go reads it otherwise: tensor w"},
		{"a tensor is unequal", func(f *file, r *result) { r.Unequal = "'w' 1 [3]" }, "'w' 1 [3]"},
		{"the onnx package refuses it", func(f *file, r *result) { r.Read = "DecodeError" }, "DecodeError"},
		{"changed, it no longer loads", func(f *file, r *result) { r.Changed = "bad file" }, "with changed weights: bad file"},
		{"side file", func(f *file, r *result) { r.Moved = "does not load" }, "with a side file: does not load"},
		{"weights as inputs", func(f *file, r *result) { r.Inputs = "outputs differ" }, "with weights as inputs: outputs differ"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, r := fine, read
			c.set(&f, &r)
			var out bytes.Buffer
			ok := report(&out, []string{"x"}, []*file{&f}, []*result{&r})
			if ok != (c.want == "") || !strings.Contains(out.String(), c.want) || !strings.Contains(out.String(), "| files | 1 |") {
				t.Errorf("ok is %v, expected %q in\n%s", ok, c.want, out.String())
			}
		})
	}
}

// TestInputsGiveTheSameOutputs runs each model with its own and with other
// weights in ONNX Runtime: as a file, and as a graph that has them as inputs.
func TestInputsGiveTheSameOutputs(t *testing.T) {
	lib, _, _, err := fetch.FindRuntime()
	if err != nil {
		t.Skip("no libonnxruntime on this machine; `rpg fetch onnxruntime` gets it")
	}
	ort.SetSharedLibraryPath(lib)
	if err := ort.InitializeEnvironment(ort.WithLogLevelFatal()); err != nil {
		t.Fatal(err)
	}
	defer ort.DestroyEnvironment()
	skipped := []string{"strings.onnx"} // ONNX Runtime's Go binding has no strings
	paths, err := list(hard)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		name := filepath.Base(path)
		if slices.Contains(skipped, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			m, err := onnxio.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			model, names, err := m.WithWeightsAsInputs()
			if err != nil {
				t.Fatal(err)
			}
			lifted := newRunner(t, m, model, names)
			for _, v := range []onnxio.Values{m, scaled{m}} {
				var file bytes.Buffer
				if err := onnxio.WriteTo(&file, m, v, nil); err != nil {
					t.Fatal(err)
				}
				want := newRunner(t, m, file.Bytes(), nil).run(t, nil)
				if got := lifted.run(t, v); got != want {
					t.Errorf("outputs %s, want %s", got, want)
				}
			}
		})
	}
}

// runner is a session with the names of its inputs: the model's, then weights.
type runner struct {
	m       *onnxio.Model
	session *ort.DynamicAdvancedSession
	outputs int
}

func newRunner(t *testing.T, m *onnxio.Model, model []byte, weights []string) *runner {
	t.Helper()
	o, err := ort.NewSessionOptions()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Destroy()
	// Kernels round otherwise when a weight is a constant that they may lay out.
	if err := errors.Join(o.SetGraphOptimizationLevel(ort.GraphOptimizationLevelDisableAll), o.AddSessionConfigEntry("session.disable_prepacking", "1")); err != nil {
		t.Fatal(err)
	}
	var inputs, outputs []string
	for _, in := range m.Info().Inputs {
		inputs = append(inputs, in.Name)
	}
	for _, out := range m.Info().Outputs {
		outputs = append(outputs, out.Name)
	}
	s, err := ort.NewDynamicAdvancedSessionWithONNXData(model, append(inputs, weights...), outputs, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Destroy() })
	return &runner{m, s, len(outputs)}
}

// run gives the outputs as text that is equal when they are bit for bit: float32
// is printed with all its digits. v has the weights of a model that takes them.
func (r *runner) run(t *testing.T, v onnxio.Values) string {
	t.Helper()
	var inputs []ort.Value
	add := func(value ort.Value, err error) {
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { value.Destroy() })
		inputs = append(inputs, value)
	}
	for _, in := range r.m.Info().Inputs {
		if in.Name == "c" {
			add(ort.NewCustomDataTensor(ort.NewShape(1), []byte{1}, ort.TensorElementDataTypeBool))
			continue
		}
		data := make([]float32, 8)
		for i := range data {
			data[i] = float32(i)/3 - 1
		}
		add(ort.NewTensor(ort.NewShape(2, 4), data))
	}
	if v != nil {
		for i, w := range r.m.Weights() {
			data, shape := make([]float32, w.Elements), make([]int64, len(w.Shape))
			if err := v.ReadValues(i, data, 0); err != nil {
				t.Fatal(err)
			}
			for k, n := range w.Shape {
				shape[k] = int64(n)
			}
			add(ort.NewTensor(ort.NewShape(shape...), data))
		}
	}
	outputs := make([]ort.Value, r.outputs)
	if err := r.session.Run(inputs, outputs); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, out := range outputs {
		y, ok := out.(*ort.Tensor[float32])
		if !ok {
			t.Fatalf("output of type %T", out)
		}
		fmt.Fprintln(&text, y.GetShape(), y.GetData())
		out.Destroy()
	}
	return text.String()
}
