package safetensors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
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

// manyTensors is a header of n tensors without elements.
func manyTensors(n int) string {
	var head strings.Builder
	for i := range n {
		fmt.Fprintf(&head, `%c"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`, "{,"[min(i, 1)], i)
	}
	return head.String() + "}"
}

// TestManyTensors has as many as there may be.
func TestManyTensors(t *testing.T) {
	data := file(manyTensors(MaxEntries), 0)
	if r, err := NewReader("x", bytes.NewReader(data), int64(len(data))); err != nil || len(r.Entries) != MaxEntries {
		t.Errorf("%v", err)
	}
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
		{"no dtype", "has no dtype", file(`{"a":{"shape":[1],"data_offsets":[0,4]}}`, 4)},
		{"no shape", "has no shape", file(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4)},
		{"shape is null", "has no shape", file(`{"a":{"dtype":"F32","shape":null,"data_offsets":[0,4]}}`, 4)},
		{"no offsets", "0 data_offsets, expected 2", file(`{"a":{"dtype":"F32","shape":[0]}}`, 0)},
		{"three offsets", "3 data_offsets, expected 2", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}`, 4)},
		{"integers where floats are expected", `dtype "I32", expected F32`, file(`{"a":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}`, 4)},
		{"bytes where floats are expected", `dtype "U8", expected F32`, file(`{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}}`, 3)},
		{"bytes of another size", "expected 4 bytes", file(`{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,16]}}`, 16)},
		{"offsets that overflow", "expected 4 bytes", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[9223372036854775807,-9223372036854775805]}}`, 4)},
		{"offsets the wrong way round", "expected 4 bytes", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4)},
		{"a dimension with a fraction", `tensor "a"`, file(`{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}`, 4)},
		{"not UTF-8", "not UTF-8", file("{\"\xff\":{}}", 0)},
		{"text behind the header", "not JSON", file(`{} {}`, 0)},
		{"negative dimension", "negative", file(`{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 4)},
		{"product overflows", "too large", file(`{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}`, 0)},
		{"size is not the shape's", "expected 8 bytes", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4)},
		{"beyond the end", "of 4 bytes", file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 4)},
		{"negative offset", "expected 4 bytes", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`, 4)},
		{"gap", "leave a gap", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8)},
		{"overlap", "overlap", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4)},
		{"bytes after the last tensor", "the file has 5", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 5)},
		{"metadata with numbers", "__metadata__", file(`{"__metadata__":{"a":1}}`, 0)},
		{"a comma at the end", "not JSON", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},}`, 4)},
		{"header without its end", "not JSON", file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`, 4)},
		{"too many tensors", "at most 65536 tensors", file(manyTensors(MaxEntries+1), 0)},
		{"tensor is a number", `tensor "a"`, file(`{"a":1}`, 0)},
	} {
		_, err := Read(bytes.NewReader(c.data), int64(len(c.data)))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want an error that says %q", c.name, err, c.says)
		}
	}
}

// TestReaderRefused: a Reader refuses what Read refuses, but knows I32 and U8.
func TestReaderRefused(t *testing.T) {
	data := file(`{"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}`, 8)
	_, err := NewReader("x", bytes.NewReader(data), int64(len(data)))
	if err == nil || !strings.Contains(err.Error(), `safetensors: x: tensor "a" has dtype "F64", expected F32, I32 or U8`) {
		t.Errorf("%v, want an error about the type", err)
	}
	if _, err := OpenReader(t.TempDir()); err == nil || !strings.Contains(err.Error(), "expected a regular file") {
		t.Errorf("%v, want an error about the folder", err)
	}
	if _, err := OpenReader(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Errorf("%v, want that there is no such file", err)
	}
}

// TestStream writes and reads in pieces of all sizes around the buffer's.
func TestStream(t *testing.T) {
	const n = bufferBytes/elementBytes + 3
	floats, integers, codes := make([]float32, 2*n), make([]int32, n), make([]byte, 2*bufferBytes+1)
	for i := range floats {
		floats[i] = float32(i) / 8
	}
	for i := range integers {
		integers[i] = int32(i) - 7
	}
	for i := range codes {
		codes[i] = byte(i * 7 / 3)
	}
	var out bytes.Buffer
	entries := []Entry{NewEntry("none", I32, 0), NewEntry("f", F32, 2, n), NewEntry("none too", F32, 3, 0), NewEntry("i", I32, n),
		NewEntry("c", U8, len(codes)), NewEntry("end", F32, 0)}
	w, err := NewWriter(&out, entries, map[string]string{"k": "v"})
	if err != nil {
		t.Fatal(err)
	}
	for _, cut := range [][2]int{{0, 0}, {0, 1}, {1, n}, {n, 2 * n}} {
		if err := w.WriteF32(floats[cut[0]:cut[1]]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteI32(integers); err != nil {
		t.Fatal(err)
	}
	for _, cut := range [][2]int{{0, 1}, {1, 1}, {1, len(codes)}} {
		if err := w.WriteU8(codes[cut[0]:cut[1]]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := NewReader("x", bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if r.Metadata["k"] != "v" || len(r.Entries) != len(entries) || r.Entry("none too") == nil || r.Entry("g") != nil {
		t.Errorf("metadata %v, entries %+v", r.Metadata, r.Entries)
	}
	for _, cut := range [][2]int{{0, 0}, {0, 1}, {5, n + 9}, {0, 2 * n}, {2*n - 1, 2 * n}, {2 * n, 2 * n}} {
		got := make([]float32, cut[1]-cut[0])
		if err := r.ReadF32(r.Entry("f"), got, cut[0]); err != nil {
			t.Fatal(err)
		}
		for i, v := range got {
			if v != floats[cut[0]+i] {
				t.Fatalf("element %d is %v, want %v", cut[0]+i, v, floats[cut[0]+i])
			}
		}
	}
	got := make([]int32, n)
	if err := r.ReadI32(r.Entry("i"), got, 0); err != nil || fmt.Sprint(got) != fmt.Sprint(integers) {
		t.Errorf("%v, the integers are not what was written", err)
	}
	for _, cut := range [][2]int{{0, 0}, {0, len(codes)}, {3, 1000}, {len(codes) - 1, len(codes)}} {
		got := make([]byte, cut[1]-cut[0])
		if err := r.ReadU8(r.Entry("c"), got, cut[0]); err != nil || !bytes.Equal(got, codes[cut[0]:cut[1]]) {
			t.Errorf("%v, the bytes %d to %d are not what was written", err, cut[0], cut[1])
		}
	}
	for name, misuse := range map[string]func(){
		"other type":     func() { _ = r.ReadI32(r.Entry("f"), got, 0) },
		"other type too": func() { _ = r.ReadU8(r.Entry("i"), nil, 0) },
		"bytes behind":   func() { _ = r.ReadU8(r.Entry("c"), codes[:2], len(codes)-1) },
		"behind":         func() { _ = r.ReadF32(r.Entry("f"), make([]float32, 2), 2*n-1) },
		"too many":       func() { _ = w.WriteF32(floats[:1]) },
		"missing":        func() { w, _ := NewWriter(&out, entries, nil); _ = w.Close() },
		"not its turn":   func() { w, _ := NewWriter(&out, entries, nil); _ = w.WriteI32(integers[:1]) },
		"negative size":  func() { NewEntry("x", F32, -1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			misuse()
		}()
	}
}

// TestShrunkFile: a file that becomes shorter after it was opened.
func TestShrunkFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := os.WriteFile(path, encode(t, example(), nil), 0o666); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	if err := r.ReadF32(r.Entry("b"), make([]float32, 6), 0); err == nil || !strings.Contains(err.Error(), "shorter than when it was opened") {
		t.Errorf("%v, want an error about the shorter file", err)
	}
}

// TestHeaderTooLarge: what could not be read again is not written.
func TestHeaderTooLarge(t *testing.T) {
	_, err := NewWriter(io.Discard, nil, map[string]string{"k": strings.Repeat("x", MaxHeader)})
	if err == nil || !strings.Contains(err.Error(), "expected at most 100000000") {
		t.Errorf("%v, want an error about the header's size", err)
	}
}
