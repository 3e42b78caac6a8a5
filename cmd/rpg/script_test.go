package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"rpg/evaluate/fetch"
	"rpg/fixtures"
	"rpg/fixtures/published"
	"rpg/onnxio"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rpg": main})
}

// TestScripts runs testdata/script/*.txtar. Each script finds four checkpoints
// of the embedded zoo in zoo/, the first 100 images in images.bin, an empty HOME, the exports of one network by
// several versions of PyTorch in $EXPORTERS, the kernels of package cuda for the host in $SHIM, and, besides the commands of testscript:
//
//	exits CODE PROGRAM ARGS...   the program ends with exactly this code
//	json PATH VALUE              stdout is JSON and holds VALUE at PATH (a.0.b, .. is a dot in a
//	                             name); * is any value, @N an array of N elements
//	within PATH LOW HIGH         stdout is JSON and holds a number from LOW to HIGH at PATH
//	cut FILE BYTES               shortens a file
//	picture FILE N               writes embedded image N as a PNG file, whatever FILE's name
//	fill FILE WEIGHT VALUE       sets all values of a weight of a model (NaN too)
//	swap FILE OLD NEW            replaces OLD by NEW, of the same length, everywhere
//	published NAME FOLDER        writes two models with the weights of a published target
//	widths N                     no line of stdout is longer than N letters
func TestScripts(t *testing.T) {
	library := ""
	if path, _, _, err := fetch.FindRuntime(); err == nil {
		library = path
	}
	shim := shimLibrary(t)
	exporters, err := filepath.Abs("../../onnxio/testdata/exporters")
	if err != nil {
		t.Fatal(err)
	}
	// testscript leaves its folder behind when -run leaves a script out.
	t.Setenv("GOTMPDIR", t.TempDir())
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", filepath.Join(e.WorkDir, "home"))
			e.Setenv("XDG_CACHE_HOME", "")
			e.Setenv("ORT", library)
			e.Setenv("SHIM", shim)
			e.Setenv("EXPORTERS", exporters)
			if err := writeZoo(filepath.Join(e.WorkDir, "zoo"), 4); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "images.bin"), fixtures.Images()[:100*3073], 0o644)
		},
		Condition: func(name string) (bool, error) {
			switch name {
			case "onnxruntime":
				return library != "", nil
			case "shim":
				return shim != "", nil
			}
			return false, fmt.Errorf("unknown condition %q", name)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "json": checkJSON, "within": within, "cut": cut, "picture": writePicture, "fill": fill, "swap": swap, "widths": widths, "published": writePublished,
		},
	})
}

// shimLibrary is a library of package cuda that runs on the host, which the tests
// of that package make, or "" on a machine where they cannot.
func shimLibrary(t *testing.T) string {
	t.Helper()
	answer := filepath.Join(t.TempDir(), "path")
	build := exec.Command("go", "test", "-count", "1", "-run", "^TestShimPath$", "rpg/cuda")
	build.Env = append(os.Environ(), "RPG_TEST_SHIM_PATH="+answer)
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	path, err := os.ReadFile(answer)
	if err != nil {
		t.Log("the host shim cannot be made here: scripts of the CUDA device are skipped")
		return ""
	}
	return string(path)
}

// writeZoo writes the first n embedded checkpoints as 0.onnx, 1.onnx, ...
func writeZoo(folder string, n int) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for i, name := range fixtures.ZooNames()[:n] {
		data, err := fs.ReadFile(fixtures.Zoo(), name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%d.onnx", i)), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func writePublished(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: published NAME FOLDER")
	}
	targets := published.Targets()
	i := slices.IndexFunc(targets, func(t published.Target) bool { return t.Name == args[0] })
	if i < 0 {
		ts.Fatalf("%s is not published", args[0])
	}
	folder := ts.MkAbs(args[1])
	ts.Check(os.MkdirAll(folder, 0o755))
	for k := range 2 {
		ts.Check(published.Write(filepath.Join(folder, fmt.Sprintf("%d.onnx", k)), targets[i], uint64(k)))
	}
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var e *exec.ExitError
	switch {
	case errors.As(err, &e):
		code = e.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", code, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: json PATH VALUE")
	}
	v := jsonAt(ts, args[0])
	list, isList := v.([]any)
	switch {
	case args[1] == "*":
	case isList && args[1] == fmt.Sprintf("@%d", len(list)):
	case !isList && fmt.Sprint(v) == args[1]:
	default:
		ts.Fatalf("%s: got %v, want %s", args[0], v, args[1])
	}
}

func within(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: within PATH LOW HIGH")
	}
	low, err := strconv.ParseFloat(args[1], 64)
	ts.Check(err)
	high, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	if v, ok := jsonAt(ts, args[0]).(float64); !ok || !(v >= low && v <= high) {
		ts.Fatalf("%s: got %v, want a number from %s to %s", args[0], jsonAt(ts, args[0]), args[1], args[2])
	}
}

// jsonAt is the value at a path of the JSON on stdout.
func jsonAt(ts *testscript.TestScript, path string) any {
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile("stdout")), &v); err != nil {
		ts.Fatalf("stdout is not JSON: %v", err)
	}
	for key := range strings.SplitSeq(strings.ReplaceAll(path, "..", "\x00"), ".") {
		key = strings.ReplaceAll(key, "\x00", ".")
		var ok bool
		switch node := v.(type) {
		case map[string]any:
			v, ok = node[key]
		case []any:
			i, err := strconv.Atoi(key)
			if ok = err == nil && i >= 0 && i < len(node); ok {
				v = node[i]
			}
		}
		if !ok {
			ts.Fatalf("%s: no %q in %v", path, key, v)
		}
	}
	return v
}

func cut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: cut FILE BYTES")
	}
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

func writePicture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: picture FILE N")
	}
	i, err := strconv.Atoi(args[1])
	ts.Check(err)
	row := fixtures.Images()[i*3073 : (i+1)*3073]
	m := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for p := range 1024 {
		m.Set(p%32, p/32, color.RGBA{row[1+p], row[1025+p], row[2049+p], 255})
	}
	var b bytes.Buffer
	ts.Check(png.Encode(&b, m))
	path := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
	ts.Check(os.WriteFile(path, b.Bytes(), 0o644))
}

func widths(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: widths N")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		if w := len([]rune(strings.TrimRight(line, "\n"))); w > n {
			ts.Fatalf("%d letters, want at most %d: %s", w, n, line)
		}
	}
}

func fill(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: fill FILE WEIGHT VALUE")
	}
	path := ts.MkAbs(args[0])
	i, err := strconv.Atoi(args[1])
	ts.Check(err)
	value, err := strconv.ParseFloat(args[2], 32)
	ts.Check(err)
	m, err := onnxio.Open(path)
	ts.Check(err)
	values := make([]float32, m.Weights()[i].Elements)
	ts.Check(m.ReadValues(i, values, 0))
	ts.Check(m.Close())
	old, err := binary.Append(nil, binary.LittleEndian, values)
	ts.Check(err)
	for e := range values {
		values[e] = float32(value)
	}
	now, err := binary.Append(nil, binary.LittleEndian, values)
	ts.Check(err)
	replaceBytes(ts, path, old, now)
}

func swap(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || len(args[1]) != len(args[2]) {
		ts.Fatalf("usage: swap FILE OLD NEW")
	}
	replaceBytes(ts, ts.MkAbs(args[0]), []byte(args[1]), []byte(args[2]))
}

func replaceBytes(ts *testscript.TestScript, path string, old, now []byte) {
	data, err := os.ReadFile(path)
	ts.Check(err)
	if !bytes.Contains(data, old) {
		ts.Fatalf("%s does not hold what is to be replaced", path)
	}
	ts.Check(os.WriteFile(path, bytes.ReplaceAll(data, old, now), 0o644))
}
