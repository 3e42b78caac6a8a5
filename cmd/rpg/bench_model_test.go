package main

import (
	"math"
	"testing"

	"rpg/onnxio"
)

// TestMatmulModel holds the model that is nowhere against its values, read
// through onnxio in odd pieces, at both of its matrix sizes.
func TestMatmulModel(t *testing.T) {
	v := newBlockValues()
	for _, c := range []struct {
		name   string
		bytes  int64
		count  int
		n      int
		onDisk bool
	}{
		{"one weight", 1, 1, 512, true},
		{"5 MB", 5e6, 4, 512, true},
		{"1.9 GB", 1.9e9, 113, 2048, false},
		{"6 GB, more than a file may have", 6e9, 357, 2048, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := matmulModel(c.bytes, v)
			if err != nil {
				t.Fatal(err)
			}
			weights := m.Weights()
			if len(weights) != c.count || weights[0].Elements != c.n*c.n || weights[0].Op != "MatMul" {
				t.Fatalf("%d weights of %d elements at %s", len(weights), weights[0].Elements, weights[0].Op)
			}
			last := c.count - 1
			got, want := make([]float32, 1001), make([]float32, 1001)
			for _, off := range []int{0, 1, 7777, c.n*c.n - 1001} {
				if err := m.ReadValues(last, got, off); err != nil {
					t.Fatal(err)
				}
				if err := v.ReadValues(last, want, off); err != nil {
					t.Fatal(err)
				}
				for i := range got {
					if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
						t.Fatalf("element %d is %v, want %v", off+i, got[i], want[i])
					}
				}
			}
			if !c.onDisk {
				return
			}
			path := t.TempDir() + "/m.onnx"
			if err := onnxio.Write(path, m, m, onnxio.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
			w, err := onnxio.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			if w.Signature() != m.Signature() {
				t.Error("the file is another model")
			}
		})
	}
}
