package safetensors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func example() []Tensor {
	return []Tensor{
		{"b", []int{2, 3}, []float32{1, -2, 3.5, float32(math.Inf(1)), 0, 1e-38}},
		{"scalar", nil, []float32{7}},
		{"empty", []int{0, 4}, nil},
		{`a "quoted" name`, []int{1}, []float32{-1}},
	}
}

func encode(t testing.TB, tensors []Tensor, meta map[string]string) []byte {
	var b bytes.Buffer
	if err := Write(&b, tensors, meta); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	meta := map[string]string{"step": "12", "format": "x"}
	raw := encode(t, example(), meta)
	if again := encode(t, example(), meta); !bytes.Equal(raw, again) {
		t.Error("the same input gave other bytes")
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := os.WriteFile(path, raw, 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(f.Metadata) != fmt.Sprint(meta) {
		t.Errorf("metadata is %v, want %v", f.Metadata, meta)
	}
	for _, want := range example() {
		got := f.Tensor(want.Name)
		if got == nil || fmt.Sprint(got.Values) != fmt.Sprint(want.Values) || fmt.Sprint(got.Shape) != fmt.Sprint(append([]int{}, want.Shape...)) {
			t.Errorf("tensor %q is %+v, want %+v", want.Name, got, want)
		}
	}
	if f.Tensor("none") != nil {
		t.Error("a tensor that is not there was found")
	}
}

// file builds a file from a header and n bytes of payload.
func file(head string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	return append(append(b, head...), make([]byte, n)...)
}

// TestRefused has one case for each rule of the format.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, says string
		data       []byte
	}{
		{"empty file", "at least the 8", nil},
		{"seven bytes", "at least the 8", make([]byte, 7)},
		{"header longer than the file", "header of 100 bytes", binary.LittleEndian.AppendUint64(nil, 100)},
		{"header of 2^63 bytes", "expected at most", binary.LittleEndian.AppendUint64(nil, 1<<63)},
		{"header is empty", "does not start with {", file("", 0)},
		{"header is a list", "does not start with {", file("[]", 0)},
		{"header is cut", `tensor "a"`, file(`{"a":`, 0)},
		{"name twice", "twice", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4)},
		{"other dtype", `dtype "F64"`, file(`{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}`, 8)},
		{"negative dimension", "negative", file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4)},
		{"product overflows", "too large", file(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, 0)},
		{"size is not the shape's", "expected 8 bytes", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4)},
		{"beyond the end", "of 4 bytes", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 4)},
		{"negative offset", "expected 4 bytes", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`, 4)},
		{"gap", "leave a gap", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8)},
		{"overlap", "overlap", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4)},
		{"bytes after the last tensor", "the file has 5", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 5)},
		{"metadata with numbers", "__metadata__", file(`{"__metadata__":{"a":1}}`, 0)},
		{"tensor is a number", `tensor "a"`, file(`{"a":1}`, 0)},
	} {
		_, err := Read(bytes.NewReader(c.data), int64(len(c.data)))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want an error that says %q", c.name, err, c.says)
		}
	}
}

// FuzzRead: whatever is read without an error is written back and read again
// as the same.
func FuzzRead(f *testing.F) {
	f.Add(encode(f, example(), map[string]string{"step": "1"}))
	f.Add(encode(f, nil, nil))
	f.Add(file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4))
	f.Add(file(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}} `, 0))
	f.Fuzz(func(t *testing.T, data []byte) {
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
