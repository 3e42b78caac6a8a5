package onnxio

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rpg/internal/shareddata"
)

// TestRealModels opens every real model that the project has: it is read,
// signed and written back byte for byte, or refused for a reason that is known.
func TestRealModels(t *testing.T) {
	refused := map[string]string{ // the end of the path: a part of the error
		"tests/models/ext_weights.onnx":         `the file "ext_weights.data"`,
		"bad_graph_with_dup_value_info.onnx":    "input 1 has no name of its own",
		"bad_graph_with_no_import_domains.onnx": "names no operator set",
		"tests/models/weightless.conv.onnx":     "expected 4096 bytes for float32 [4,16,4,4], found 0",
		"weightless.matmul.bf16.onnx":           "expected 256 bytes for bfloat16 [16,8], found 0",
		"weightless.matmul.fp16.onnx":           "expected 256 bytes for float16 [16,8], found 0",
		"weightless.qdq_conv.onnx":              "raw_data does not match the shape",
		"weightless.sparse.conv.onnx":           "raw_data does not match the shape",
		"weightless.sparse.matmul.onnx":         "raw_data does not match the shape",
		"weightless.transpose_matmul.onnx":      "raw_data does not match the shape",
	}
	met := map[string]bool{}
	for _, path := range shareddata.Models(t, "") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Open(path)
		if err != nil {
			known := ""
			for end, want := range refused {
				if strings.HasSuffix(path, end) && strings.Contains(err.Error(), want) {
					known = end
				}
			}
			if known == "" {
				t.Errorf("refused: %v", err)
			}
			met[known] = true
			continue
		}
		checkModel(t, m, data)
		m.Close()
	}
	for end := range refused {
		if !met[end] {
			t.Errorf("%s was not met, or was read", end)
		}
	}
}

// TestZoos checks what is known of each zoo: one graph, and how many weights.
func TestZoos(t *testing.T) {
	for _, c := range []struct {
		name                    string
		models, weights, values int
		first, last             string // first and last weight
		copied                  int
		roles                   map[Role]int
	}{
		{"cifar10-cnn-medium", 50, 10, 10853, "module.0.weight", "head.2.bias", 0, map[Role]int{RoleWeight: 5, RoleBias: 5}},
		{"cifar10-resnet20", 50, 97, 271098, "conv1.weight", "linear.bias", 38, map[Role]int{RoleWeight: 20, RoleBias: 20, RoleScale: 19, RoleMean: 19, RoleVariance: 19}},
		{"digits-mlp-seeds", 200, 6, 3466, "0.weight", "4.bias", 0, map[Role]int{RoleWeight: 3, RoleBias: 3}},
		// 13,305 and the five numbers that are taken from the input, the same in every network.
		{"acasxu", 45, 15, 13310, "input_AvgImg", "linear_7_Add_B", 0, map[Role]int{RoleWeight: 7, RoleBias: 8}},
		{"imagenet-squeezenet", 16, 52, 1248424, "conv1.weight", "conv10.bias", 0, map[Role]int{RoleWeight: 26, RoleBias: 26}},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := shareddata.Models(t, filepath.Join("zoo", c.name))
			if len(files) != c.models {
				t.Fatalf("%d models, want %d", len(files), c.models)
			}
			var first *Model
			for _, path := range files {
				m, err := Open(path)
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				if first == nil {
					first = m
				}
				if d := first.Difference(m); d != "" || m.Signature() != first.Signature() {
					t.Fatalf("%s differs: %s", path, d)
				}
			}
			values, roles := 0, map[Role]int{}
			for _, w := range first.Weights() {
				values += w.Elements
				roles[w.Role]++
			}
			names := strings.Fields(weightNames(first))
			if len(names) != c.weights || values != c.values || names[0] != c.first || names[len(names)-1] != c.last {
				t.Errorf("%d weights with %d values, from %s to %s", len(names), values, names[0], names[len(names)-1])
			}
			if fmt.Sprint(roles) != fmt.Sprint(c.roles) {
				t.Errorf("roles %v, want %v", roles, c.roles)
			}
			if got := len(first.Tensors()) - len(first.Weights()); got != c.copied {
				t.Errorf("%d tensors are copied, want %d", got, c.copied)
			}
		})
	}
}

// TestOnlyPayloadsChange writes a real model with other weights and metadata,
// and holds each byte against where the weights are, found by searching for
// their old values and not by our index.
func TestOnlyPayloadsChange(t *testing.T) {
	for _, file := range []string{"models/cifar10", "zoo/imagenet-squeezenet", "zoo/acasxu"} {
		path := shareddata.Models(t, file)[0]
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			m, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			dst := filepath.Join(t.TempDir(), "out.onnx")
			set := map[string]string{"rpg.version": "0", "rpg.seed": "7"}
			if err := Write(dst, m, shifted{m}, WriteOptions{Metadata: set}); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(dst)
			if err != nil {
				t.Fatal(err)
			}
			want := bytes.Clone(data)
			for i, w := range m.Weights() {
				old, next := make([]float32, w.Elements), make([]float32, w.Elements)
				if err := errors.Join(m.ReadValues(i, old, 0), shifted{m}.ReadValues(i, next, 0)); err != nil {
					t.Fatal(err)
				}
				named := append(floatBytes(old...), byte(tensorName<<3|wireBytes))
				if k := bytes.Index(want, named); k >= 0 && bytes.Count(want, named) == 1 {
					copy(want[k:], floatBytes(next...))
				} else if k := bytes.Index(want, floatBytes(old...)); k >= 0 && bytes.Count(data, floatBytes(old...)) == 1 {
					copy(want[k:], floatBytes(next...))
				} else {
					t.Fatalf("the values of %q cannot be found in the file", w.Name)
				}
			}
			want = append(append(want, metadata("rpg.seed", "7")...), metadata("rpg.version", "0")...)
			if !bytes.Equal(got, want) {
				t.Error("more than the weights and the metadata has changed, or less")
			}
			n, err := Open(dst)
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			if d := m.Difference(n); d != "" {
				t.Errorf("the written model differs: %s", d)
			}
		})
	}
}
