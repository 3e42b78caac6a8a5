package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rpg/evaluate/fetch"
	"rpg/onnxio"
)

// TestRuntimeThatEnds: when the process with ONNX Runtime ends over a model,
// the model is refused and the next one gets a new process.
func TestRuntimeThatEnds(t *testing.T) {
	lib, _, _, err := fetch.FindRuntime()
	if err != nil {
		t.Skip("libonnxruntime is not on this machine: rpg fetch onnxruntime")
	}
	old := os.Args[0]
	os.Args[0] = "rpg" // what makes the test binary the program, see TestMain
	defer func() { os.Args[0] = old }()
	dir := t.TempDir()
	if err := writeZoo(dir, 1); err != nil {
		t.Fatal(err)
	}
	m, err := onnxio.Open(filepath.Join(dir, "0.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	a := &asker{lib: lib}
	if err := a.start(context.Background()); err != nil {
		t.Fatal(err)
	}
	defer a.close()
	if o := a.ask(context.Background(), m); o.Status != runtimeLoads || o.Reason != "version "+a.version {
		t.Errorf("a good model: %+v", o)
	}
	if err := a.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if o := a.ask(context.Background(), m); o.Status != runtimeRefuses || !strings.Contains(o.Reason, "ended while loading it: signal: killed") {
		t.Errorf("a process that was killed: %+v", o)
	}
	if o := a.ask(context.Background(), m); o.Status != runtimeLoads {
		t.Errorf("after it: %+v", o)
	}
	if err := (&asker{lib: filepath.Join(dir, "0.onnx")}).start(context.Background()); err == nil || !strings.Contains(err.Error(), "cannot be loaded") {
		t.Errorf("a library that is none: %v", err)
	}
}
