package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rpg/onnxio"
)

// TestGeneratedFiles trains a tiny generator, writes two models and looks at
// the bytes: a generated file is its template with other weight payloads and,
// behind the template's last byte, metadata. Where Python's onnx is there
// (RPG_TEST_PYTHON, which make test sets), its checker must pass them.
func TestGeneratedFiles(t *testing.T) {
	dir := t.TempDir()
	if err := writeZoo(filepath.Join(dir, "zoo"), 4); err != nil {
		t.Fatal(err)
	}
	rpg := func(words ...string) {
		t.Helper()
		var stderr bytes.Buffer
		if code := run(append([]string{"rpg"}, words...), io.Discard, &stderr); code != exitDone {
			t.Fatalf("rpg %s ended with %d: %s", strings.Join(words, " "), code, stderr.String())
		}
	}
	runDir, gen := filepath.Join(dir, "run"), filepath.Join(dir, "gen")
	rpg("train", filepath.Join(dir, "zoo"), "-o", runDir, "--steps", "4", "--warmup", "1", "--width", "16", "--head-dim", "8",
		"--state", "4", "--denoiser-width", "16", "--blocks", "1", "--layers", "1")
	rpg("generate", runDir, "-n", "2", "-o", gen)

	template, err := os.ReadFile(filepath.Join(dir, "zoo", "0.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	payload := payloads(t, filepath.Join(dir, "zoo", "0.onnx"), template)
	for _, name := range []string{"0000.onnx", "0001.onnx"} {
		got, err := os.ReadFile(filepath.Join(gen, name))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) <= len(template) {
			t.Fatalf("%s has %d bytes, want more than the template's %d", name, len(got), len(template))
		}
		changed := 0
		for i := range template {
			switch {
			case got[i] == template[i]:
			case payload[i]:
				changed++
			default:
				t.Fatalf("%s: byte %d is %#x, the template has %#x, and no weight lies there", name, i, got[i], template[i])
			}
		}
		if changed < len(template)/2 {
			t.Errorf("%s: only %d of %d bytes are new", name, changed, len(template))
		}
		metadata(t, name, got[len(template):])
	}

	python := os.Getenv("RPG_TEST_PYTHON")
	if python == "" {
		t.Log("RPG_TEST_PYTHON is not set (make test sets it): onnx's own checker was not asked")
		return
	}
	for _, name := range []string{"0000.onnx", "0001.onnx"} {
		const program = "import onnx, sys; onnx.checker.check_model(sys.argv[1], full_check=True)"
		if out, err := exec.Command(python, "-c", program, filepath.Join(gen, name)).CombinedOutput(); err != nil {
			t.Errorf("onnx.checker refuses %s: %v\n%s", name, err, out)
		}
	}
}

// payloads marks the bytes of a model file that are weights, found by their
// values and not by the reader that the writer shares.
func payloads(t *testing.T, path string, file []byte) []bool {
	t.Helper()
	m, err := onnxio.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	marked := make([]bool, len(file))
	for i, w := range m.Weights() {
		values := make([]float32, w.Elements)
		if err := m.ReadValues(i, values, 0); err != nil {
			t.Fatal(err)
		}
		var raw []byte
		for _, v := range values {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
		if n := bytes.Count(file, raw); n != 1 {
			t.Fatalf("the bytes of %s stand %d times in %s, want once", w.Name, n, path)
		}
		at := bytes.Index(file, raw)
		for j := range raw {
			marked[at+j] = true
		}
	}
	return marked
}

// metadata checks that rest is nothing but metadata_props (field 14 of
// ModelProto, a message of key 1 and value 2) whose keys are ours.
func metadata(t *testing.T, name string, rest []byte) {
	t.Helper()
	next := func(b []byte, tag byte) (field, after []byte) {
		n, size := binary.Uvarint(b[min(1, len(b)):])
		if len(b) == 0 || b[0] != tag || size <= 0 || uint64(len(b)-1-size) < n {
			t.Fatalf("%s: behind the template stands %q, want metadata", name, b[:min(len(b), 40)])
		}
		return b[1+size : 1+size+int(n)], b[1+size+int(n):]
	}
	found := map[string]string{}
	for len(rest) > 0 {
		var entry []byte
		entry, rest = next(rest, 14<<3|2)
		key, value := next(entry, 1<<3|2)
		value, none := next(value, 2<<3|2)
		if len(none) > 0 || !strings.HasPrefix(string(key), "rpg.") {
			t.Fatalf("%s: metadata %q, want key and value of rpg", name, entry)
		}
		found[string(key)] = string(value)
	}
	for _, key := range []string{"rpg.version", "rpg.run", "rpg.seed", "rpg.state", "rpg.config_sha256"} {
		if found[key] == "" {
			t.Errorf("%s: metadata has no %s, only %s", name, key, fmt.Sprint(found))
		}
	}
}
