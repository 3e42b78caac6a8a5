package secondreader

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rpg/internal/shareddata"
	"rpg/onnxio"
)

func compareFile(t *testing.T, path string) (status, reason string) {
	t.Helper()
	m, err := onnxio.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	return Compare(t.Context(), m)
}

// TestZoosAgree compares whole models with the second reader, every tensor of them.
func TestZoosAgree(t *testing.T) {
	for _, c := range []struct{ folder, reason string }{
		{"zoo/cifar10-cnn-medium", "10 of 10 stored tensors and 13 operators compared"},
		{"zoo/digits-mlp-seeds", "6 of 6 stored tensors and 5 operators compared"},
		{"zoo/cifar10-resnet20", "133 of 133 stored tensors and 134 operators compared"},
		{"zoo/acasxu", "15 of 15 stored tensors and 22 operators compared"},
		{"zoo/imagenet-squeezenet", "52 of 52 stored tensors and 64 operators compared"},
	} {
		t.Run(filepath.Base(c.folder), func(t *testing.T) {
			for _, path := range shareddata.Models(t, c.folder)[:3] {
				if status, reason := compareFile(t, path); status != Agrees || reason != c.reason {
					t.Errorf("%s: %s, %s", filepath.Base(path), status, reason)
				}
			}
		})
	}
}

// TestOddModels asks for a second opinion on every odd model that onnxio
// reads: nothing may panic, and nothing may differ.
func TestOddModels(t *testing.T) {
	count := map[string]int{}
	for _, path := range append(shareddata.Models(t, "hard-onnx"), shareddata.Models(t, "models")...) {
		m, err := onnxio.Open(path)
		if err != nil {
			continue // refused by onnxio, which has its own tests
		}
		status, reason := Compare(t.Context(), m)
		m.Close()
		count[status]++
		if status == Differs || reason == "" {
			t.Errorf("%s: %s, %s", path, status, reason)
		}
	}
	if count[Agrees] == 0 || count[NotCovered] == 0 {
		t.Errorf("answers %v, want some of each of the two", count)
	}
}

// TestNotCovered has models that onnx-go cannot read.
func TestNotCovered(t *testing.T) {
	root := "hard-onnx/polygraphy/Polygraphy/tests/models"
	for _, c := range []struct{ name, want string }{
		{"matmul.bf16.onnx", "onnx-go decodes none of the 1 stored tensors"},
		{"loop.onnx", "onnx-go: onnx: operator"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, path := range shareddata.Models(t, root) {
				if filepath.Base(path) != c.name {
					continue
				}
				if status, reason := compareFile(t, path); status != NotCovered || !strings.HasPrefix(reason, c.want) || len(reason) > 300 {
					t.Errorf("%s, %s", status, reason)
				}
				return
			}
			t.Fatal("not in the shared data any more")
		})
	}
}

// TestDiffers gives the second reader other bytes than ours.
func TestDiffers(t *testing.T) {
	zoo, seeds := shareddata.Models(t, "zoo/cifar10-cnn-medium"), shareddata.Models(t, "zoo/digits-mlp-seeds")
	m, err := onnxio.Open(zoo[0])
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	own, err := io.ReadAll(m.Reader())
	if err != nil {
		t.Fatal(err)
	}
	read := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	// The same model with one bit turned in the last value before the name of
	// the first initializer, whose values stand right before it.
	turned := bytes.Clone(own)
	values := make([]float32, m.Weights()[0].Elements)
	if err := m.ReadValues(0, values, 0); err != nil {
		t.Fatal(err)
	}
	last := binary.LittleEndian.AppendUint32(nil, math.Float32bits(values[len(values)-1]))
	turned[bytes.Index(own, last)] ^= 1
	for _, c := range []struct {
		name, status, want string
		data               []byte
	}{
		{"the same", Agrees, "10 of 10", own},
		{"one bit", Differs, `tensor "module.0.weight": element 431 is`, turned},
		{"another checkpoint", Differs, `tensor "module.0.weight": element 0 is`, read(zoo[1])},
		{"another network", Differs, "operator 0 is Gemm for onnx-go and Conv for onnxio", read(seeds[0])},
		{"not a model", NotCovered, "cannot be taken apart: ", []byte("not a model")},
		{"nothing", NotCovered, "onnx-go: ", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, reason := compareWith(t.Context(), m, inMemory(c.data)); status != c.status || !strings.Contains(reason, c.want) {
				t.Errorf("%s, %s; want %s with %q", status, reason, c.status, c.want)
			}
		})
	}
}

// TestDeclaredSizes checks that a small file which declares a huge value does
// not make onnx-go allocate it.
func TestDeclaredSizes(t *testing.T) {
	// ir_version 8; a graph with input x, float32 [2^20, 2^20], and Relu(x) -> y; operator set 17.
	shape := "\x0a\x04\x08\x80\x80\x40\x0a\x04\x08\x80\x80\x40"
	typ := "\x0a\x10\x08\x01\x12\x0c" + shape
	input := "\x0a\x01x\x12\x12" + typ
	node := "\x0a\x01x\x12\x01y\x22\x04Relu"
	graph := "\x0a\x0c" + node + "\x5a\x17" + input + "\x62\x03\x0a\x01y"
	data := "\x08\x08\x3a" + string(rune(len(graph))) + graph + "\x42\x02\x10\x11"
	m, err := onnxio.Parse("huge.onnx", strings.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if status, reason := Compare(t.Context(), m); status != Agrees || reason != "0 of 0 stored tensors and 1 operators compared" {
		t.Errorf("%s, %s", status, reason)
	}
}

func inMemory(data []byte) *file {
	return &file{src: bytes.NewReader(data), size: int64(len(data)), window: make([]byte, 0, 4<<10)}
}
