package onnxio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"rpg/internal/atomicfile"
)

// shifted gives a model's own values plus 1000·(weight+1), so that every
// byte that should change does.
type shifted struct{ *Model }

func (s shifted) ReadValues(i int, dst []float32, off int) error {
	err := s.Model.ReadValues(i, dst, off)
	for k := range dst {
		dst[k] += 1000 * float32(i+1)
	}
	return err
}

// given is Values in memory.
type given [][]float32

func (g given) ReadValues(i int, dst []float32, off int) error {
	copy(dst, g[i][off:off+len(dst)])
	return nil
}

func written(t testing.TB, m *Model, v Values, metadata map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteTo(&b, m, v, metadata); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpacked is float_data with a key before every value.
func unpacked(values ...float32) []byte {
	var b []byte
	for _, v := range values {
		b = append(b, fix32(tensorFloatData, v)...)
	}
	return b
}

func packed(values ...float32) []byte {
	return appendBytes(nil, tensorFloatData, floatBytes(values...))
}

// TestPayloadForms writes new values in every form that float32 data can have
// in the file, and expects the very bytes that an exporter of that form writes.
func TestPayloadForms(t *testing.T) {
	note := str(99, "a field that nobody knows")
	dims := []int64{2, 3}
	for _, c := range []struct {
		name string
		data func(v []float32) []byte
	}{
		{"raw_data", func(v []float32) []byte { return appendBytes(nil, tensorRawData, floatBytes(v...)) }},
		{"packed", func(v []float32) []byte { return packed(v...) }},
		{"unpacked", func(v []float32) []byte { return unpacked(v...) }},
		{"packed in two parts", func(v []float32) []byte { return join(packed(v[:2]...), packed(v[2:]...)) }},
		{"packed in parts of one", func(v []float32) []byte {
			return join(packed(v[0]), packed(v[1]), packed(v[2]), packed(v[3]), packed(v[4]), packed(v[5]))
		}},
		{"unpacked, then packed", func(v []float32) []byte { return join(unpacked(v[:3]...), packed(v[3:]...)) }},
		{"packed, then unpacked", func(v []float32) []byte { return join(packed(v[:2]...), unpacked(v[2:]...)) }},
		{"with fields between", func(v []float32) []byte {
			return join(unpacked(v[0]), note, packed(v[1:3]...), note, unpacked(v[3:]...))
		}},
		{"an empty part", func(v []float32) []byte { return join(packed(), packed(v...), packed()) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := func(v []float32) []byte {
				return modelBytes(in("x", 1, 2), call("MatMul", "x w", "y"), note,
					sub(graphInitializer, tensorOf("w", Float32, dims, c.data(v), note)), out("y", 1, 3))
			}
			before, after := ramp(-2, 6), ramp(77, 6)
			m := open(t, file(before))
			if got := written(t, m, m, nil); !bytes.Equal(got, file(before)) {
				t.Errorf("written back unchanged:\n%x\nwant\n%x", got, file(before))
			}
			if got := written(t, m, given{after}, nil); !bytes.Equal(got, file(after)) {
				t.Errorf("written with new values:\n%x\nwant\n%x", got, file(after))
			}
			for off := 0; off <= 6; off++ {
				for n := 0; off+n <= 6; n++ {
					dst := make([]float32, n)
					if err := m.ReadValues(0, dst, off); err != nil {
						t.Fatal(err)
					}
					if fmt.Sprint(dst) != fmt.Sprint(before[off:off+n]) {
						t.Errorf("elements %d to %d are %v, want %v", off, off+n, dst, before[off:off+n])
					}
				}
			}
		})
	}
}

// TestChunks writes tensors whose sizes are around the pieces that are in
// memory at a time.
func TestChunks(t *testing.T) {
	for _, form := range []struct {
		name  string
		piece int // values read at once
		data  func(v []float32) []byte
	}{
		{"raw_data", chunkBytes / 4, func(v []float32) []byte { return appendBytes(nil, tensorRawData, floatBytes(v...)) }},
		{"unpacked", chunkBytes / 5, func(v []float32) []byte { return unpacked(v...) }},
	} {
		for _, n := range []int{2, form.piece - 1, form.piece, form.piece + 1, 2 * form.piece, 2*form.piece + 1} {
			t.Run(fmt.Sprintf("%s of %d", form.name, n), func(t *testing.T) {
				file := func(v []float32) []byte {
					return modelBytes(in("x", int64(n)), call("Add", "x w", "y"), sub(graphInitializer, tensorOf("w", Float32, []int64{int64(n)}, form.data(v))), out("y", int64(n)))
				}
				m := open(t, file(ramp(0, n)))
				if !bytes.Equal(written(t, m, shifted{m}, nil), file(ramp(1000, n))) {
					t.Error("new values come out wrong")
				}
			})
		}
	}
}

func TestMetadata(t *testing.T) {
	graph := []([]byte){in("x", 2), call("Add", "x w", "y"), weight("w", 0, 2), out("y", 2)}
	head := join(num(modelIRVersion, 8), metadata("rpg.seed", "1"), sub(modelGraph, graph...))
	tail := func(version string) []byte {
		return join(opset("", 17), metadata("author", "somebody"), metadata("rpg.version", version))
	}
	m := open(t, join(head, tail("old")))
	if got := m.Info().Metadata; len(got) != 3 || got["rpg.seed"] != "1" || got["author"] != "somebody" || got["rpg.version"] != "old" {
		t.Errorf("metadata %v", got)
	}
	long := strings.Repeat("n", 300)
	for _, c := range []struct {
		name string
		set  map[string]string
		want []byte
	}{
		{"nothing", nil, join(head, tail("old"))},
		{"the same value", map[string]string{"rpg.version": "old"}, join(head, tail("old"))},
		{"a value of the same length", map[string]string{"rpg.version": "new"}, join(head, tail("new"))},
		{"a longer value", map[string]string{"rpg.version": long}, join(head, tail(long))},
		{"an empty value", map[string]string{"rpg.version": ""}, join(head, tail(""))},
		{"a new entry", map[string]string{"rpg.run": "r"}, join(head, tail("old"), metadata("rpg.run", "r"))},
		{"new entries, in order", map[string]string{"b": "2", "a": "1", "c": "3", "rpg.version": "new"},
			join(head, tail("new"), metadata("a", "1"), metadata("b", "2"), metadata("c", "3"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := written(t, m, m, c.set); !bytes.Equal(got, c.want) {
				t.Errorf("%q\nwant\n%q", got, c.want)
			}
			want := fmt.Sprint(open(t, c.want).Info().Metadata)
			if got := fmt.Sprint(open(t, written(t, m, m, c.set)).Info().Metadata); got != want {
				t.Errorf("read again: %s, want %s", got, want)
			}
		})
	}
	t.Run("not text", func(t *testing.T) {
		err := WriteTo(io.Discard, m, m, map[string]string{"k": "\xff"})
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), `"k"`) {
			t.Errorf("error %v", err)
		}
	})
}

func TestNotFiniteIsRefused(t *testing.T) {
	data := modelBytes(in("x", 1, 2), call("MatMul", "x first", "a"), call("MatMul", "a second", "y"),
		weight("first", 0, 2, 2), weight("second", 0, 2, 70000), out("y", 1, 70000))
	m := open(t, data)
	for _, c := range []struct {
		name         string
		weight, at   int
		value        float32
		tensor, text string
	}{
		{"NaN", 0, 3, float32(math.NaN()), `tensor "first"`, "index 3: expected a finite number, found NaN"},
		{"infinity", 1, 0, float32(math.Inf(1)), `tensor "second"`, "index 0: expected a finite number, found +Inf"},
		{"minus infinity at the end", 1, 139999, float32(math.Inf(-1)), `tensor "second"`, "index 139999: expected a finite number, found -Inf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := given{make([]float32, 4), make([]float32, 140000)}
			v[c.weight][c.at] = c.value
			dir := t.TempDir()
			err := Write(filepath.Join(dir, "out.onnx"), m, v, WriteOptions{})
			if !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), c.tensor) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v", err)
			}
			leftNothing(t, dir)
		})
	}
	t.Run("the largest number is finite", func(t *testing.T) {
		v := given{make([]float32, 4), make([]float32, 140000)}
		v[0][0], v[0][1] = math.MaxFloat32, -math.SmallestNonzeroFloat32
		written(t, m, v, nil)
	})
}

func leftNothing(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left in the folder: %v %v", left, err)
	}
}

func TestWriteTargets(t *testing.T) {
	dir := t.TempDir()
	input := filepath.Join(dir, "in.onnx")
	data := modelBytes(in("x", 2), call("Add", "x w", "y"), weight("w", 0, 2), out("y", 2))
	if err := os.WriteFile(input, data, 0o644); err != nil {
		t.Fatal(err)
	}
	hard, soft, old := filepath.Join(dir, "hard.onnx"), filepath.Join(dir, "soft.onnx"), filepath.Join(dir, "old.onnx")
	if err := errors.Join(os.Link(input, hard), os.Symlink(input, soft), os.WriteFile(old, []byte("old"), 0o644)); err != nil {
		t.Fatal(err)
	}
	m, err := Open(input)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, c := range []struct {
		name, dst string
		force     bool
		is        error
		want      string
	}{
		{"the input", input, true, ErrSameFile, "the output is the input"},
		{"the input by another path", filepath.Join(dir, "..", filepath.Base(dir), "in.onnx"), true, ErrSameFile, "the output is the input"},
		{"a hard link to the input", hard, true, ErrSameFile, "the output is the input"},
		{"a symbolic link to the input", soft, true, ErrSameFile, "the output is the input"},
		{"an existing file", old, false, atomicfile.ErrExists, "old.onnx"},
		{"a folder that is not there", filepath.Join(dir, "none", "out.onnx"), false, os.ErrNotExist, "none"},
		{"an existing file, forced", old, true, nil, ""},
		{"a new file", filepath.Join(dir, "new.onnx"), false, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Write(c.dst, m, shifted{m}, WriteOptions{Force: c.force})
			if !errors.Is(err, c.is) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %v with %q", err, c.is, c.want)
			}
			if now, err := os.ReadFile(input); err != nil || !bytes.Equal(now, data) {
				t.Fatal("the input was touched")
			}
			if c.is != nil {
				return
			}
			got, err := os.ReadFile(c.dst)
			want := modelBytes(in("x", 2), call("Add", "x w", "y"), weight("w", 1000, 2), out("y", 2))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%v\n%x\nwant\n%x", err, got, want)
			}
		})
	}
}

func TestWriteAfterTheInputChanged(t *testing.T) {
	dir, out1 := t.TempDir(), t.TempDir()
	input := filepath.Join(dir, "in.onnx")
	data := modelBytes(in("x", 2), call("Add", "x w", "y"), weight("w", 0, 2), out("y", 2))
	if err := os.WriteFile(input, data, 0o644); err != nil {
		t.Fatal(err)
	}
	m, err := Open(input)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := errors.Join(os.WriteFile(input, data[:len(data)-30], 0o644), os.Chtimes(input, time.Time{}, time.Unix(1e9, 0))); err != nil {
		t.Fatal(err)
	}
	if err := Write(filepath.Join(out1, "out.onnx"), m, m, WriteOptions{}); !errors.Is(err, ErrChanged) {
		t.Errorf("error %v, want ErrChanged", err)
	}
	leftNothing(t, out1)
	if _, err := m.Dense(find(t, m, "w")); err != nil && !errors.Is(err, ErrChanged) {
		t.Errorf("reading a shortened file: %v", err)
	}
	m.Close()
	if err := m.ReadValues(0, make([]float32, 2), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("reading after Close: %v", err)
	}
}

// TestValuesThatFail checks that an error of the values reaches the caller and
// that nothing is left.
func TestValuesThatFail(t *testing.T) {
	m := open(t, modelBytes(in("x", 2), call("Add", "x w", "y"), weight("w", 0, 2), out("y", 2)))
	boom := errors.New("boom")
	dir := t.TempDir()
	err := Write(filepath.Join(dir, "out.onnx"), m, failing{boom}, WriteOptions{})
	if !errors.Is(err, boom) || !strings.Contains(err.Error(), `tensor "w"`) {
		t.Errorf("error %v", err)
	}
	leftNothing(t, dir)
}

type failing struct{ err error }

func (f failing) ReadValues(int, []float32, int) error { return f.err }

// bigFile is a model with one weight of 64 MB, whose payload is all zeros
// and never in memory; it counts what is read.
type bigFile struct {
	head, tail []byte
	size       int64
	read       int64
}

const bigWeight = 64 << 20

func newBigFile() *bigFile {
	tail := str(tensorName, "w")
	body := join(dimsOf(bigWeight/4), num(tensorDType, int64(Float32)))
	body = append(binary.AppendUvarint(body, tensorRawData<<3|wireBytes), binary.AppendUvarint(nil, bigWeight)...)
	init := append(binary.AppendUvarint(nil, graphInitializer<<3|wireBytes), binary.AppendUvarint(nil, uint64(len(body)+bigWeight+len(tail)))...)
	graph := join(in("x", bigWeight/4), call("Add", "x w", "y"), out("y", bigWeight/4), init, body)
	head := join(num(modelIRVersion, 8), opset("", 17), binary.AppendUvarint(nil, modelGraph<<3|wireBytes), binary.AppendUvarint(nil, uint64(len(graph)+bigWeight+len(tail))), graph)
	return &bigFile{head: head, tail: tail, size: int64(len(head) + bigWeight + len(tail))}
}

func (f *bigFile) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), f.size-off))
	clear(p[:n])
	if off < int64(len(f.head)) {
		copy(p[:n], f.head[off:])
	}
	if start := f.size - int64(len(f.tail)) - off; start < int64(n) {
		copy(p[max(start, 0):n], f.tail[max(-start, 0):])
	}
	f.read += int64(n)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// TestBigFile checks that opening steps over payloads, and that writing holds
// only pieces of them.
func TestBigFile(t *testing.T) {
	f := newBigFile()
	m, err := Parse("big.onnx", f, f.size)
	if err != nil {
		t.Fatal(err)
	}
	if weightNames(m) != "w" || m.Weights()[0].Elements != bigWeight/4 {
		t.Fatalf("weights %q", weightNames(m))
	}
	m.Signature()
	if f.read > 4*windowSize {
		t.Errorf("opening and signing read %d bytes of a file whose structure has %d", f.read, len(f.head)+len(f.tail))
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var count counter
	if err := WriteTo(&count, m, m, nil); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if int64(count) != f.size {
		t.Errorf("%d bytes written, want %d", count, f.size)
	}
	// What is allocated in all, not at a time: so also a bound on the peak. Under
	// the race detector, buffers are not always used again.
	if grown := after.TotalAlloc - before.TotalAlloc; grown > bigWeight/2 {
		t.Errorf("writing allocated %d bytes for a weight of %d", grown, bigWeight)
	}
}

type counter int64

func (c *counter) Write(p []byte) (int, error) { *c += counter(len(p)); return len(p), nil }
