package safetensors

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// seeds are small files that the fuzzer starts from: right ones, and one for
// each kind of wrong.
func seeds(t testing.TB) map[string][]byte {
	return map[string][]byte{
		"right":       encode(t, example(), map[string]string{"step": "1"}),
		"no_tensors":  encode(t, nil, nil),
		"integers":    file(`{"a":{"dtype":"I32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"k":"v"}}`, 8),
		"bytes":       file(`{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"b":{"dtype":"F32","shape":[1],"data_offsets":[3,7]}}`, 7),
		"no_elements": file(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}} `, 0),
		"other_order": file(`{"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}`, 8),
		"gap":         file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8),
		"overflow":    file(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, 0),
		"cut":         file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 3),
	}
}

// TestSeedsAreCommitted holds the seeds in testdata/fuzz against the ones made
// here; run with UPDATE_SEEDS=1 to write them.
func TestSeedsAreCommitted(t *testing.T) {
	dir := filepath.Join("testdata", "fuzz", "FuzzRead")
	for name, data := range seeds(t) {
		path, want := filepath.Join(dir, name), fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", data)
		if os.Getenv("UPDATE_SEEDS") == "1" {
			if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(path, want, 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what this test makes: %v", path, err)
		}
	}
	if found, err := os.ReadDir(dir); err != nil || len(found) == 0 {
		t.Errorf("FuzzRead has no seeds: %v", err)
	}
}

// FuzzRead: whatever is read without an error is written back and read again
// as the same.
func FuzzRead(f *testing.F) {
	for _, data := range seeds(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := NewReader("fuzz", bytes.NewReader(data), int64(len(data))); err == nil {
			for i := range r.Entries {
				e := &r.Entries[i]
				switch n := min(e.Elements, 1<<16); e.DType {
				case F32:
					err = r.ReadF32(e, make([]float32, n), e.Elements-n)
				case I32:
					err = r.ReadI32(e, make([]int32, n), e.Elements-n)
				case U8:
					err = r.ReadU8(e, make([]byte, n), e.Elements-n)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		got, err := Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		raw := encode(t, got.Tensors, got.Metadata)
		again, err := Read(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(raw, encode(t, again.Tensors, again.Metadata)) {
			t.Fatal("a second round trip gave other bytes")
		}
	})
}
