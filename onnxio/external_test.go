package onnxio

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rpg/internal/atomicfile"
)

// refers is the data of a tensor in another file, by key and value.
func refers(entries ...string) []byte {
	var b []byte
	for i := 0; i < len(entries); i += 2 {
		b = append(b, entryBytes(tensorExternalData, entries[i], entries[i+1])...)
	}
	return append(b, num(tensorDataLocation, 1)...)
}

// outside is a model of weights w [2] and b [2] of float32 in side files.
func outside(w, b []byte) []byte {
	return modelBytes(in("x", 2), call("Mul", "x w", "h"), call("Add", "h b", "y"),
		sub(graphInitializer, tensorOf("w", Float32, []int64{2}, w)), sub(graphInitializer, tensorOf("b", Float32, []int64{2}, b)), out("y", 2))
}

// put writes files into a new folder; names have their contents behind them.
func put(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func openFile(t testing.TB, path string) *Model {
	t.Helper()
	m, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestExternalRefused has every way in which a side file can be wrong or unsafe.
func TestExternalRefused(t *testing.T) {
	right := func(location string, more ...string) []byte {
		return outside(refers(append([]string{"location", location}, more...)...), refers("location", "side.bin", "offset", "8"))
	}
	link := func(target string) func(dir string) error {
		return func(dir string) error { return os.Symlink(target, filepath.Join(dir, "odd.bin")) }
	}
	for _, c := range []struct {
		name   string
		model  []byte
		make   func(dir string) error // what the folder has beside side.bin
		limits Limits
		is     error
		want   string
	}{
		{"accepted", right("side.bin"), nil, Limits{}, nil, ""},
		{"accepted in a folder", right("sub/side.bin"), nil, Limits{}, nil, ""},
		{"accepted with a dot", right("./sub/./side.bin"), nil, Limits{}, nil, ""},
		{"no location", outside(refers("offset", "0"), refers("location", "side.bin")), nil, Limits{}, ErrInvalid, "no location"},
		{"two locations", right("side.bin", "location", "side.bin"), nil, Limits{}, ErrInvalid, `two entries "location"`},
		{"empty location", right(""), nil, Limits{}, ErrUnsafe, "found an empty location"},
		{"absolute", right("/dev/zero"), nil, Limits{}, ErrUnsafe, "found an absolute path"},
		{"absolute on Windows", right(`\side.bin`), nil, Limits{}, ErrUnsafe, "found an absolute path"},
		{"dots", right("../side.bin"), nil, Limits{}, ErrUnsafe, `found ".."`},
		{"dots inside", right("sub/../side.bin"), nil, Limits{}, ErrUnsafe, `found ".."`},
		{"dots on Windows", right(`sub\..\..\side.bin`), nil, Limits{}, ErrUnsafe, `found ".."`},
		{"zero byte", right("side.bin\x00"), nil, Limits{}, ErrUnsafe, "found a zero byte"},
		{"memory", right("*/_ORT_MEM_ADDR_/*"), nil, Limits{}, ErrUnsafe, "memory of another process"},
		{"missing", right("none.bin"), nil, Limits{}, os.ErrNotExist, "found no such file"},
		{"the model itself", right("model.onnx"), nil, Limits{}, ErrUnsafe, "found the model itself"},
		{"a folder", right("sub"), nil, Limits{}, ErrUnsafe, "found a folder"},
		{"a symbolic link", right("odd.bin"), link("side.bin"), Limits{}, ErrUnsafe, "found a symbolic link"},
		{"a symbolic link, allowed", right("odd.bin"), link("side.bin"), Limits{Links: true}, nil, ""},
		{"a symbolic link out of the folder, allowed", right("odd.bin"), link("../../../../../../../dev/zero"), Limits{Links: true}, ErrUnsafe, "path escapes"},
		{"an absolute symbolic link, allowed", right("odd.bin"), link("/dev/zero"), Limits{Links: true}, ErrUnsafe, "path escapes"},
		{"a folder that leads out", right("odd.bin/passwd"), link("/etc"), Limits{}, ErrUnsafe, "path escapes"},
		{"a hard link", right("odd.bin"), func(dir string) error {
			return os.Link(filepath.Join(dir, "sub", "side.bin"), filepath.Join(dir, "odd.bin"))
		}, Limits{}, ErrUnsafe, "hard links: 2 names"},
		{"a hard link, allowed", right("odd.bin"), func(dir string) error {
			return os.Link(filepath.Join(dir, "sub", "side.bin"), filepath.Join(dir, "odd.bin"))
		}, Limits{Links: true}, nil, ""},
		{"a pipe", right("odd.bin"), func(dir string) error { return makePipe(filepath.Join(dir, "odd.bin")) }, Limits{}, ErrUnsafe, "found a pipe"},
		{"offset is no number", right("side.bin", "offset", "0x8"), nil, Limits{}, ErrInvalid, `offset at byte`},
		{"negative offset", right("side.bin", "offset", "-8"), nil, Limits{}, ErrInvalid, `found "-8"`},
		{"offset of 2^63", right("side.bin", "offset", "9223372036854775808"), nil, Limits{}, ErrInvalid, `found "9223372036854775808"`},
		{"offset near 2^63", right("side.bin", "offset", "9223372036854775807"), nil, Limits{}, ErrTruncated, "expected bytes 9223372036854775807 to 9223372036854775815, found a file of 16"},
		{"past the end", right("side.bin", "offset", "9"), nil, Limits{}, ErrTruncated, "expected bytes 9 to 17, found a file of 16"},
		{"wrong length", right("side.bin", "length", "7"), nil, Limits{}, ErrInvalid, "expected 8 bytes for float32 [2], found 7"},
		{"length is no number", right("side.bin", "length", "8 "), nil, Limits{}, ErrInvalid, `found "8 "`},
		{"broken checksum", right("side.bin", "checksum", "12"), nil, Limits{}, ErrInvalid, "a SHA-1 of 40"},
		{"values here too", outside(join(appendBytes(nil, tensorRawData, make([]byte, 8)), refers("location", "side.bin")), refers("location", "side.bin")), nil, Limits{}, ErrInvalid, "values both here and in another file"},
		{"typed values here too", outside(join(packed(1, 2), refers("location", "side.bin")), refers("location", "side.bin")), nil, Limits{}, ErrInvalid, "two kinds of data"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := put(t, map[string][]byte{"model.onnx": c.model, "side.bin": floatBytes(1, 2, 3, 4), "sub/side.bin": floatBytes(5, 6)})
			if c.make != nil {
				if err := c.make(dir); err != nil {
					t.Skipf("this file system: %v", err)
				}
			}
			m, err := OpenWith(filepath.Join(dir, "model.onnx"), c.limits)
			if err == nil {
				defer m.Close()
			}
			if !errors.Is(err, c.is) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %v with %q", err, c.is, c.want)
			}
			if err != nil && (!strings.Contains(err.Error(), filepath.Join(dir, "model.onnx")) || !strings.Contains(err.Error(), `initializer 0 "w"`) || !strings.Contains(err.Error(), "at byte")) {
				t.Errorf("%v\ndoes not name file, tensor and byte", err)
			}
		})
	}
}

// TestExternalChanges changes side files after they have been checked.
func TestExternalChanges(t *testing.T) {
	model := outside(refers("location", "side.bin"), refers("location", "side.bin", "offset", "8"))
	for _, c := range []struct {
		name   string
		change func(path string) error
		values error // of reading
		write  error
	}{
		{"nothing", func(string) error { return nil }, nil, nil},
		{"another file takes its name", func(path string) error {
			return errors.Join(os.WriteFile(path+".new", make([]byte, 16), 0o644), os.Rename(path+".new", path))
		}, nil, nil},
		{"a link takes its name", func(path string) error { return errors.Join(os.Remove(path), os.Symlink("/dev/zero", path)) }, nil, nil},
		{"other values", func(path string) error {
			return errors.Join(os.WriteFile(path, make([]byte, 16), 0o644), os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)))
		}, nil, ErrChanged},
		{"a shorter file", func(path string) error { return os.Truncate(path, 4) }, ErrChanged, ErrChanged},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := put(t, map[string][]byte{"model.onnx": model, "side.bin": floatBytes(1, 2, 3, 4)})
			m := openFile(t, filepath.Join(dir, "model.onnx"))
			if err := c.change(filepath.Join(dir, "side.bin")); err != nil {
				t.Fatal(err)
			}
			got := make([]float32, 2)
			if err := m.ReadValues(1, got, 0); !errors.Is(err, c.values) {
				t.Errorf("reading: %v", err)
			}
			if c.write == nil && fmt.Sprint(got) != "[3 4]" {
				t.Errorf("values %v: of another file than the one that was checked", got)
			}
			to := t.TempDir()
			if err := Write(filepath.Join(to, "out.onnx"), m, m, WriteOptions{}); !errors.Is(err, c.write) {
				t.Errorf("writing: %v, want %v", err, c.write)
			} else if err != nil {
				leftNothing(t, to)
			}
		})
	}
}

// TestManySideFiles has more side files than are kept open.
func TestManySideFiles(t *testing.T) {
	files := map[string][]byte{}
	parts := [][]byte{in("x", 2), out("y", 2)}
	last := "x"
	n := maxOpenSides + 3
	for i := range n {
		side, name := fmt.Sprintf("w%d.bin", i), fmt.Sprintf("h%d", i)
		files[side] = floatBytes(float32(i), float32(-i))
		parts = append(parts, sub(graphInitializer, tensorOf(side, Float32, []int64{2}, refers("location", side))), call("Add", last+" "+side, name))
		last = name
	}
	files["model.onnx"] = modelBytes(append(parts, call("Relu", last, "y"))...)
	dir := put(t, files)
	m := openFile(t, filepath.Join(dir, "model.onnx"))
	if len(m.SideFiles()) != n {
		t.Fatalf("%d side files", len(m.SideFiles()))
	}
	to := t.TempDir()
	if err := Write(filepath.Join(to, "out.onnx"), m, m, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	w := openFile(t, filepath.Join(to, "out.onnx"))
	got := make([]float32, 2)
	for i := range n {
		if err := w.ReadValues(i, got, 0); err != nil || got[0] != float32(i) || got[1] != float32(-i) {
			t.Fatalf("weight %d is %v: %v", i, got, err)
		}
	}
	if names := w.SideFiles(); len(names) != 1 || names[0] != "out.onnx.data" {
		t.Errorf("side files %q", names)
	}
	path := filepath.Join(dir, fmt.Sprintf("w%d.bin", n-1))
	if err := errors.Join(os.WriteFile(path+".new", make([]byte, 8), 0o644), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
	if err := m.ReadValues(n-1, got, 0); !errors.Is(err, ErrChanged) {
		t.Errorf("a side file that is not kept open was replaced: %v", err)
	}
}

// TestWriteExternal writes models with side files.
func TestWriteExternal(t *testing.T) {
	inline := modelBytes(in("x", 2), call("Mul", "x w", "h"), call("Add", "h b", "y"), weight("w", 0, 2), weight("b", 4, 2), ints("s", 1), out("y", 2))
	gap := outside(refers("location", "side.bin", "length", "8", "offset", "4"), refers("offset", "16", "checksum", strings.Repeat("0", 40), "location", "side.bin"))
	shared := outside(refers("location", "side.bin"), refers("location", "side.bin"))
	side := floatBytes(-1, 0, 0.125, -2, 4, 4.125, -3)
	for _, c := range []struct {
		name  string
		model []byte
		o     WriteOptions
		moved bool   // whether there is a side file
		data  []byte // its bytes with the model's own values, nil when they are laid out on pages
		next  []byte // and with new ones
	}{
		{"inline stays", inline, WriteOptions{}, false, nil, nil},
		{"small weights stay", inline, WriteOptions{External: true}, false, nil, nil},
		{"moved out", inline, WriteOptions{External: true, ExternalFrom: 8}, true, nil, nil},
		{"one side file is copied", gap, WriteOptions{}, true, side, floatBytes(-1, 1000, 1000.125, -2, 2004, 2004.125, -3)},
		{"weights that share bytes are parted", shared, WriteOptions{}, true, nil, nil},
		{"with metadata", gap, WriteOptions{Metadata: map[string]string{"k": "v"}}, true, side, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := put(t, map[string][]byte{"model.onnx": c.model, "side.bin": side})
			m := openFile(t, filepath.Join(dir, "model.onnx"))
			for _, v := range []Values{m, same{m}, shifted{m}} {
				dst := filepath.Join(t.TempDir(), "new.onnx")
				if err := Write(dst, m, v, c.o); err != nil {
					t.Fatal(err)
				}
				n := openFile(t, dst)
				if d := m.Difference(n); d != "" {
					t.Fatal(d)
				}
				for i := range m.Weights() {
					want, got := make([]float32, 2), make([]float32, 2)
					if err := errors.Join(v.ReadValues(i, want, 0), n.ReadValues(i, got, 0)); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("weight %d is %v, want %v: %v", i, got, want, err)
					}
				}
				if names := n.SideFiles(); (len(names) == 1 && names[0] == "new.onnx.data") != c.moved {
					t.Fatalf("side files %q", names)
				}
				if !c.moved {
					continue
				}
				data := readFile(t, dst+".data")
				_, changed := v.(shifted)
				if want := map[bool][]byte{false: c.data, true: c.next}[changed]; want != nil && !bytes.Equal(data, want) {
					t.Errorf("side file %x, want %x", data, want)
				}
				if v == Values(m) && len(m.SideFiles()) == 1 {
					if !bytes.Equal(data, side) {
						t.Errorf("side file %x of the model itself, want a copy", data)
					}
				} else if c.data == nil && len(data) != pageBytes+8 {
					t.Errorf("a side file of %d bytes, want the second weight on a page of its own", len(data))
				}
				if _, err := n.CheckExternal(); changed && err != nil {
					t.Errorf("checksum: %v", err)
				}
			}
			if now := readFile(t, filepath.Join(dir, "side.bin")); !bytes.Equal(now, side) {
				t.Error("the template's side file was touched")
			}
		})
	}
}

// TestExternalBytes expects the very bytes of a model that is written with and
// without a side file.
func TestExternalBytes(t *testing.T) {
	file := func(data ...[]byte) []byte {
		return modelBytes(in("x", 2), call("Add", "x w", "y"), ints("s", 1), sub(graphInitializer, tensorOf("w", Float32, []int64{2}, data...)), out("y", 2))
	}
	inline := file(appendBytes(nil, tensorRawData, floatBytes(1, 2)))
	there := func(name string) []byte { return file(refers("location", name, "offset", "0", "length", "8")) }
	dir := put(t, map[string][]byte{"a.onnx": inline})
	m := openFile(t, filepath.Join(dir, "a.onnx"))
	b := filepath.Join(dir, "b.onnx")
	if err := Write(b, m, m, WriteOptions{External: true, ExternalFrom: 1}); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, b); !bytes.Equal(got, there("b.onnx.data")) {
		t.Errorf("moved out: %q", got)
	}
	n := openFile(t, b)
	var back bytes.Buffer
	if err := WriteTo(&back, n, n, nil); err != nil || !bytes.Equal(back.Bytes(), inline) {
		t.Errorf("brought back: %q %v", back.Bytes(), err)
	}
	other := filepath.Join(dir, "longer name.onnx")
	if err := Write(other, n, n, WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := readFile(t, other); !bytes.Equal(got, there("longer name.onnx.data")) {
		t.Errorf("copied: %q", got)
	}
	if found := find(t, n, "w"); found.Stored != StoredExternal {
		t.Errorf("stored: %s", found.Stored)
	}
}

func TestExternalTargets(t *testing.T) {
	model := outside(refers("location", "m.onnx.data"), refers("location", "m.onnx.data", "offset", "8"))
	dir := put(t, map[string][]byte{"in.onnx": model, "m.onnx.data": floatBytes(1, 2, 3, 4), "old.onnx.data": []byte("old")})
	m := openFile(t, filepath.Join(dir, "in.onnx"))
	for _, c := range []struct {
		name, dst string
		force     bool
		is        error
	}{
		{"the template's side file would be replaced", "m.onnx", true, ErrSameFile},
		{"the template's side file as the model", "m.onnx.data", true, ErrSameFile},
		{"a side file that exists", "old.onnx", false, atomicfile.ErrExists},
		{"a side file that exists, forced", "old.onnx", true, nil},
		{"new", "new.onnx", false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dst := filepath.Join(dir, c.dst)
			_, before := os.Stat(dst)
			err := Write(dst, m, m, WriteOptions{Force: c.force})
			if !errors.Is(err, c.is) {
				t.Fatalf("error %v, want %v", err, c.is)
			}
			if _, after := os.Stat(dst); c.is != nil && (before == nil) != (after == nil) {
				t.Error("a model was written beside a side file that was not")
			}
			if got := readFile(t, filepath.Join(dir, "m.onnx.data")); !bytes.Equal(got, floatBytes(1, 2, 3, 4)) {
				t.Fatal("the template's side file was touched")
			}
		})
	}
	boom := errors.New("boom")
	to := t.TempDir()
	if err := Write(filepath.Join(to, "out.onnx"), m, failing{boom}, WriteOptions{}); !errors.Is(err, boom) {
		t.Errorf("error %v", err)
	}
	leftNothing(t, to)
}

func TestCheckExternal(t *testing.T) {
	data := floatBytes(1, 2, 3, 4)
	model := func(sum string) []byte {
		return outside(refers("location", "side.bin", "checksum", sum), refers("location", "side.bin", "offset", "8"))
	}
	for _, c := range []struct {
		name, sum string
		compared  int
		is        error
	}{
		{"right", "7f6e1d7de3ab2d47658382fc453ea1e6b73e05b1", 1, nil},
		{"right, in capitals", "7F6E1D7DE3AB2D47658382FC453EA1E6B73E05B1", 1, nil},
		{"none", "", 0, nil},
		{"wrong", "0000000000000000000000000000000000000000", 0, ErrInvalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := openFile(t, filepath.Join(put(t, map[string][]byte{"m.onnx": model(c.sum), "side.bin": data}), "m.onnx"))
			if n, err := m.CheckExternal(); !errors.Is(err, c.is) || n != c.compared {
				t.Errorf("%d compared: %v", n, err)
			}
		})
	}
}
