package onnxio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// seeds are small models with one of everything that the fuzzer should start from.
func seeds() map[string][]byte {
	half := func(name string, d DType) []byte {
		return sub(graphInitializer, tensorOf(name, d, []int64{2}, num(tensorInt32Data, 0x3c00), num(tensorInt32Data, 0x4000)))
	}
	fn := sub(modelFunctions, str(functionName, "F"), str(functionDomain, "d"), str(functionInput, "a"), str(functionInput, "k"), str(functionOutput, "b"),
		sub(functionNode, str(nodeOutput, "c"), str(nodeOpType, "Constant"), attr("value", kindTensor, sub(attrTensor, tensorOf("", Float64, []int64{2}, appendBytes(nil, tensorDoubleData, make([]byte, 16)))))),
		sub(functionNode, str(nodeInput, "a"), str(nodeInput, "k"), str(nodeOutput, "e"), str(nodeOpType, "Add")),
		sub(functionNode, str(nodeInput, "e"), str(nodeInput, "c"), str(nodeOutput, "b"), str(nodeOpType, "Mul")))
	models := map[string][]byte{
		"raw": modelBytes(in("x", 1, 2), call("Gemm", "x w b", "y", attr("transB", kindInt, num(attrInt, 1))), weight("w", 0, 2, 2), weight("b", 0, 2), out("y", 1, 2)),
		"float_data": modelBytes(in("x", 1, 2), call("MatMul", "x w", "h"), call("Add", "h b", "y"), sub(graphInitializer, tensorOf("w", Float32, []int64{2, 2}, unpacked(1, 2, 3, 4))),
			sub(graphInitializer, tensorOf("b", Float32, []int64{2}, packed(1), packed(2))), out("y", 1, 2)),
		"int32_data": modelBytes(in("x"), half("h", Float16), half("b", BFloat16), call("Add", "x h", "a"), call("Mul", "a b", "y"), out("y")),
		"constants":  modelBytes(in("x"), constant("w", 0, 2), ints("s", 1, -1), call("Add", "x w", "h"), call("Reshape", "h s", "y"), out("y")),
		"lists": modelBytes(in("x"), call("Constant", "", "w", attr("value_floats", kindFloats, fix32(attrFloats, 1), appendBytes(nil, attrFloats, floatBytes(2, 3)))),
			call("Constant", "", "i", attr("value_int", kindInt, num(attrInt, 7))), call("Constant", "", "t", attr("value_strings", kindStrings, str(attrStrings, "a"))),
			call("Add", "x w", "h"), call("Gather", "h i", "y"), out("y"), out("t")),
		"branch":   modelBytes(in("x"), in("c"), weight("w", 0, 2), call("If", "c", "y", branch("then_branch", weight("v", 0, 2), call("Add", "x w", "a"), call("Mul", "a v", "r"), out("r")), branch("else_branch", call("Relu", "x", "r"), out("r"))), out("y")),
		"function": join(modelBytes(in("x"), weight("w", 0, 2), call("F", "x w", "y", str(nodeDomain, "d")), out("y")), metadata("k", "v"), fn),
		"sparse": modelBytes(in("x"), out("y"), call("MatMul", "x s", "y"), sub(graphSparse, sub(sparseValues, tensorOf("s", Float16, []int64{2}, num(tensorInt32Data, 1), num(tensorInt32Data, 2))),
			sub(sparseIndices, tensorOf("", Int64, []int64{2}, num(tensorInt64Data, 2), num(tensorInt64Data, 3))), num(sparseDims, 2), num(sparseDims, 2))),
	}
	maps.Copy(models, deepSeeds())
	return models
}

// wireSeeds are messages for the cursor: each wire type, and what is wrong.
func wireSeeds() map[string][]byte {
	return map[string][]byte{
		"varint": num(1, -1), "fixed32": fix32(2, 1), "fixed64": append(binary.AppendUvarint(nil, 3<<3|wireFixed64), make([]byte, 8)...),
		"bytes": join(str(4, "text"), sub(5, num(1, 300))), "group": {1<<3 | 3}, "cut": {9<<3 | wireBytes, 100}, "long key": bytes.Repeat([]byte{0x80}, 11),
	}
}

// entrySeeds are external_data entries: location, offset, length and checksum.
func entrySeeds() map[string][4]string {
	return map[string][4]string{
		"right": {"side.bin", "8", "8", strings.Repeat("0", 40)}, "folder": {"sub/side.bin", "0", "8", ""}, "escape": {"../side.bin", "0", "8", ""},
		"absolute": {"/etc/passwd", "0", "8", ""}, "link": {"link", "0", "8", ""}, "out": {"out/side.bin", "0", "8", ""}, "past the end": {"side.bin", "60", "8", ""},
		"negative": {"side.bin", "-1", "8", ""}, "large": {"side.bin", "9223372036854775807", "8", ""}, "memory": {"*/_ORT_MEM_ADDR_/*", "1", "8", ""},
	}
}

// FuzzCursor holds the cursor, which reads through a small window, against a
// reading of the whole message in memory.
func FuzzCursor(f *testing.F) {
	for _, data := range wireSeeds() {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkCursor(t, data) })
}

func checkCursor(t testing.TB, data []byte) {
	t.Helper()
	w := newWindow(bytes.NewReader(data), int64(len(data)), "fuzz")
	w.all = w.all[:min(len(w.all), maxVarint)]
	c := cursor{w, 0, int64(len(data))}
	at := int64(0)
	for f := (field{}); ; {
		ok, err := c.next(&f)
		number, wire, value, body, end, bad := plainField(data, int(at))
		if (err != nil) != bad {
			t.Fatalf("field at %d: %v, plainly wrong: %v", at, err, bad)
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > int64(len(data)) {
				t.Fatalf("field at %d: error %v", at, err)
			}
			return
		}
		if !ok {
			if at != int64(len(data)) {
				t.Fatalf("it ends at %d of %d", at, len(data))
			}
			return
		}
		if f.at != at || f.end != int64(end) || f.number != number || f.wire != wire || f.value != value || f.body.size() != int64(body) || f.body.end != 0 && f.body.end != f.end {
			t.Fatalf("field %+v, plainly number %d wire %d value %d body %d end %d", f, number, wire, value, body, end)
		}
		at = f.end
	}
}

// plainField reads the field at data[at:] without a window.
func plainField(data []byte, at int) (number uint64, wire int, value uint64, body, end int, bad bool) {
	if at == len(data) {
		return 0, 0, 0, 0, at, false
	}
	key, n := binary.Uvarint(data[at:])
	number, wire, end = key>>3, int(key&7), at+n
	if n <= 0 || number == 0 || number > 1<<29-1 {
		return 0, 0, 0, 0, 0, true
	}
	switch wire {
	case wireVarint:
		value, n = binary.Uvarint(data[end:])
		end += n
		bad = n <= 0
	case wireFixed32:
		if bad = len(data)-end < 4; !bad {
			value, end = uint64(binary.LittleEndian.Uint32(data[end:])), end+4
		}
	case wireFixed64:
		if bad = len(data)-end < 8; !bad {
			value, end = binary.LittleEndian.Uint64(data[end:]), end+8
		}
	case wireBytes:
		size, n := binary.Uvarint(data[end:])
		if bad = n <= 0 || size > uint64(len(data)-end-n); !bad {
			body, end = int(size), end+n+int(size)
		}
	default:
		bad = true
	}
	return number, wire, value, body, end, bad
}

// FuzzIndex opens any bytes under tight limits: they are refused with an
// *Error, or the index points into the file and its spans hold every element once.
func FuzzIndex(f *testing.F) {
	for _, data := range seeds() {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkIndex(t, data) })
}

func checkIndex(t testing.TB, data []byte) bool {
	t.Helper()
	m, err := parse("fuzz.onnx", bytes.NewReader(data), int64(len(data)), Limits{Depth: 4, NameBytes: 64, Rank: 4, IndexBytes: 64 << 10}, nil)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) || e.Err == nil {
			t.Fatalf("refused with %v", err)
		}
		return false
	}
	whole := extent{0, int64(len(data))}
	for _, x := range m.tensors {
		if !x.body.within(whole) || !x.raw.within(whole) || (x.Action == ActionGenerate) != (x.weight >= 0) || (x.Reason == "") != (x.weight >= 0) {
			t.Fatalf("tensor %+v", x)
		}
		next, at := int64(0), int64(0)
		for _, s := range x.spans {
			if s.first != next || s.at < at || s.end > whole.end || s.count < 1 {
				t.Fatalf("spans %+v of %s", x.spans, x.Name)
			}
			next, at = s.first+s.count, s.end
		}
		if x.DType.float() && next != int64(x.Elements) {
			t.Fatalf("spans %+v for %d elements", x.spans, x.Elements)
		}
	}
	return true
}

// FuzzExternal gives any entries of external_data: what is accepted is a place
// inside a file of the model's folder.
func FuzzExternal(f *testing.F) {
	for _, e := range entrySeeds() {
		f.Add(e[0], e[1], e[2], e[3])
	}
	folder := entryFolder(f)
	f.Fuzz(func(t *testing.T, location, offset, length, checksum string) {
		checkEntries(t, folder, [4]string{location, offset, length, checksum})
	})
}

// entryFolder is a folder with a side file of 64 bytes, one in a folder, links,
// and a side file outside.
func entryFolder(t testing.TB) string {
	t.Helper()
	outside := t.TempDir()
	folder := filepath.Join(outside, "model")
	err := errors.Join(os.MkdirAll(filepath.Join(folder, "sub"), 0o755), os.WriteFile(filepath.Join(outside, "side.bin"), make([]byte, 64), 0o644),
		os.WriteFile(filepath.Join(folder, "side.bin"), make([]byte, 64), 0o644), os.WriteFile(filepath.Join(folder, "sub", "side.bin"), make([]byte, 64), 0o644),
		os.Symlink("side.bin", filepath.Join(folder, "link")), os.Symlink("..", filepath.Join(folder, "out")))
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func checkEntries(t testing.TB, folder string, entry [4]string) bool {
	t.Helper()
	var fields []byte
	for i, key := range []string{keyLocation, keyOffset, keyLength, keyChecksum} {
		fields = append(fields, entryBytes(tensorExternalData, key, entry[i])...)
	}
	data := modelBytes(in("x"), call("Add", "x w", "y"), sub(graphInitializer, tensorOf("w", Float32, []int64{2}, fields, num(tensorDataLocation, 1))), out("y"))
	info, err := os.Stat(folder)
	if err != nil {
		t.Fatal(err)
	}
	d := &sides{folder: folder, model: info, limits: Limits{}.complete(), byPath: map[string]*side{}}
	defer d.close()
	m, err := parse("fuzz.onnx", bytes.NewReader(data), int64(len(data)), Limits{}, d)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) || e.Err == nil || e.File != "fuzz.onnx" {
			t.Fatalf("entries %q: %v", entry, err)
		}
		return false
	}
	w := m.Weights()[0]
	if s := w.external.side; s.path != "side.bin" && s.path != filepath.Join("sub", "side.bin") || !w.raw.within(extent{0, 64}) || w.raw.size() != 8 {
		t.Fatalf("entries %q: accepted as %v of %s", entry, w.raw, s.path)
	}
	if err := m.ReadValues(0, make([]float32, 2), 0); err != nil {
		t.Fatalf("entries %q: %v", entry, err)
	}
	return true
}

// FuzzRoundTrip: whatever the bytes are, they are refused with an *Error, or
// they are a model that can be signed, read, given weights as inputs, written
// back byte for byte, and written with other values that are then read.
func FuzzRoundTrip(f *testing.F) {
	for _, data := range seeds() {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { checkRoundTrip(t, data) })
}

// seedFiles are the committed seeds of every target, by their path below testdata/fuzz.
func seedFiles() map[string][]byte {
	files := map[string][]byte{}
	for name, data := range wireSeeds() {
		files["FuzzCursor/"+name] = fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", data)
	}
	for _, target := range []string{"FuzzIndex", "FuzzRoundTrip"} {
		for name, data := range seeds() {
			files[target+"/"+name] = fmt.Appendf(nil, "go test fuzz v1\n[]byte(%q)\n", data)
		}
	}
	for name, e := range entrySeeds() {
		files["FuzzExternal/"+name] = fmt.Appendf(nil, "go test fuzz v1\nstring(%q)\nstring(%q)\nstring(%q)\nstring(%q)\n", e[0], e[1], e[2], e[3])
	}
	return files
}

// TestSeedsAreCommitted holds the seeds in testdata/fuzz against the ones that
// are made here; run with UPDATE_SEEDS=1 to write them. A target without any fails.
func TestSeedsAreCommitted(t *testing.T) {
	files := seedFiles()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join("testdata", "fuzz", filepath.FromSlash(strings.ReplaceAll(name, " ", "_")))
		if os.Getenv("UPDATE_SEEDS") == "1" {
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, files[name], 0o644)); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, files[name]) {
			t.Errorf("%s is not what this test makes: %v", path, err)
		}
	}
	for _, target := range []string{"FuzzCursor", "FuzzIndex", "FuzzExternal", "FuzzRoundTrip"} {
		if found, err := os.ReadDir(filepath.Join("testdata", "fuzz", target)); err != nil || len(found) == 0 {
			t.Errorf("%s has no seeds: %v", target, err)
		}
	}
	for name, data := range seeds() {
		if checkRoundTrip(t, data) != 1 || !checkIndex(t, data) {
			t.Errorf("seed %s is not a model", name)
		}
	}
	folder := entryFolder(t)
	for name, e := range entrySeeds() {
		if accepted := checkEntries(t, folder, e); accepted != (name == "right" || name == "folder") {
			t.Errorf("entries %s: accepted %v", name, accepted)
		}
	}
}
