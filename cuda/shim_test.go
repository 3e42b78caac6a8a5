package cuda

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// build is a way to compile the kernels for the host.
type build struct {
	name    string
	kernels []string // further flags for *.cu
	runtime []string // and for the shim itself, which no sanitizer watches
}

var (
	plain   = build{name: "plain", kernels: []string{"-O2"}, runtime: []string{"-O2"}}
	address = build{name: "asan", runtime: []string{"-O2"},
		kernels: []string{"-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"}}
	threads = build{name: "tsan", runtime: []string{"-O2", "-DRPG_SHIM_TSAN"},
		kernels: []string{"-O1", "-fsanitize=thread"}}
)

// libraryVariable names the library for tests that another test runs.
const libraryVariable = "RPG_TEST_SHIM"

// shimLibrary returns a librpgcuda.so made of the same *.cu files with g++ and
// the shim. Objects and library are kept in the user's cache under a hash of all
// that they are made of, so that only what was changed is compiled again.
func shimLibrary(t *testing.T, b build) string {
	t.Helper()
	if path := os.Getenv(libraryVariable); path != "" {
		return path
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the shim's fibers are written for Linux on amd64")
	}
	gxx, err := exec.LookPath("g++")
	if err != nil {
		t.Skip("no g++: the kernels are not run on the host")
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "rpg", "cuda-shim")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	headers := files(t, "*.h", "*.cuh", "shim/*.h")
	common := []string{"-std=c++17", "-g", "-fPIC", "-fvisibility=hidden", "-ftls-model=initial-exec",
		"-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-I."}

	sources := files(t, "*.cu", "shim/*.cc")
	objects := make([]string, len(sources))
	var wait sync.WaitGroup
	limit := make(chan struct{}, runtime.NumCPU())
	for i, source := range sources {
		flags := append(append([]string{}, common...), b.runtime...)
		if strings.HasSuffix(source, ".cu") {
			flags = append(append([]string{}, common...), b.kernels...)
		}
		objects[i] = filepath.Join(dir, hash(t, gxx, flags, append(headers, source))+".o")
		wait.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			make1(t, gxx, objects[i], append(flags, "-x", "c++", "-c", source))
		})
	}
	wait.Wait()
	if t.Failed() {
		t.FailNow()
	}
	library := filepath.Join(dir, hash(t, gxx, objects, nil)+"-"+b.name+".so")
	make1(t, gxx, library, append(append([]string{"-shared", "-pthread", "-Wl,-z,defs"}, b.kernels...), objects...))
	return library
}

// make1 has g++ make a file, unless it is there. Two tests may make it at once.
func make1(t *testing.T, gxx, out string, args []string) {
	if _, err := os.Stat(out); err == nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(out), "new")
	if err != nil {
		t.Error(err)
		return
	}
	f.Close()
	defer os.Remove(f.Name())
	if text, err := exec.Command(gxx, append(args, "-o", f.Name())...).CombinedOutput(); err != nil {
		t.Errorf("g++ %s: %v\n%s", strings.Join(args, " "), err, text)
		return
	}
	if err := os.Rename(f.Name(), out); err != nil {
		t.Error(err)
	}
}

// files returns the files that match, in their order; each pattern must match some.
func files(t *testing.T, patterns ...string) []string {
	t.Helper()
	var all []string
	for _, p := range patterns {
		found, err := filepath.Glob(p)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: no such file: %v", p, err)
		}
		all = append(all, found...)
	}
	return all[:len(all):len(all)]
}

// hash is of a compiler's version, flags and the contents of files.
func hash(t *testing.T, gxx string, flags, paths []string) string {
	t.Helper()
	h := sha256.New()
	version, err := exec.Command(gxx, "--version").Output()
	if err != nil {
		t.Fatalf("%s --version: %v", gxx, err)
	}
	h.Write(version)
	h.Write([]byte(strings.Join(flags, "\x00")))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		h.Write([]byte("\x00" + path + "\x00"))
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil))[:24]
}
