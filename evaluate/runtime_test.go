package evaluate

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// oldRuntime builds a library that calls itself ONNX Runtime 1.20.1.
func oldRuntime(t *testing.T) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler to make a stub library")
	}
	dir := t.TempDir()
	src, lib := filepath.Join(dir, "old.c"), filepath.Join(dir, "old.so")
	const code = `
static const void *api(unsigned version) { return 0; }
static const char *version(void) { return "1.20.1"; }
static struct { const void *(*a)(unsigned); const char *(*v)(void); } base = { api, version };
void *OrtGetApiBase(void) { return &base; }
`
	if err := os.WriteFile(src, []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-o", lib, src).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return lib
}

func TestOpenRuntimeRefuses(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(text, []byte("not a library"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, lib, say string }{
		{"no path", "", "found none"},
		{"relative path", "libonnxruntime.so", "absolute path"},
		{"missing", "/nowhere/libonnxruntime.so", "/nowhere/libonnxruntime.so"},
		{"not a library", text, "cannot be loaded"},
		{"too old", oldRuntime(t), "version: expected 1.24 or newer, found 1.20.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := OpenRuntime(c.lib)
			var e *RuntimeError
			if !errors.As(err, &e) {
				t.Fatalf("error %v, expected a RuntimeError", err)
			}
			if !strings.Contains(err.Error(), c.say) || !strings.Contains(e.Hint(), "rpg fetch onnxruntime") {
				t.Errorf("error %q, hint %q, expected %q and `rpg fetch onnxruntime`", err, e.Hint(), c.say)
			}
		})
	}
}

func TestOpenRuntimeOnceAtATime(t *testing.T) {
	r := openTestRuntime(t)
	if _, err := OpenRuntime(r.Lib); err == nil || !strings.Contains(err.Error(), "closed first") {
		t.Errorf("a second open gives %v", err)
	}
	if !newEnough(r.Version) {
		t.Errorf("version %q", r.Version)
	}
}

func TestNewEnough(t *testing.T) {
	for version, want := range map[string]bool{"1.24.0": true, "1.30.0": true, "1.24": true, "2.0.0": true,
		"1.23.9": false, "0.99.0": false, "": false, "1": false, "x.y.z": false} {
		if got := newEnough(version); got != want {
			t.Errorf("newEnough(%q) = %v", version, got)
		}
	}
}
