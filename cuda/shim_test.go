package cuda

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	c := hostCompiler(t)
	return c.library(t, b, c.objects(t, b, files(t, "*.cu", "shim/*.cc")))
}

// compiler is g++ and the folder of all that it has made.
type compiler struct{ gxx, version, made string }

// hostCompiler skips the test where the kernels cannot be run on the host.
func hostCompiler(t *testing.T) compiler {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the shim's fibers are written for Linux on amd64")
	}
	gxx, err := exec.LookPath("g++")
	if err != nil {
		t.Skip("no g++: the kernels are not run on the host")
	}
	version, err := exec.Command(gxx, "--version").Output()
	if err != nil {
		t.Fatalf("%s --version: %v", gxx, err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(cache, "rpg", "cuda-shim")
	if err := os.MkdirAll(made, 0o700); err != nil {
		t.Fatal(err)
	}
	return compiler{gxx, string(version), made}
}

// objects makes the objects of sources, several at once.
func (c compiler) objects(t *testing.T, b build, sources []string) (objects []string) {
	t.Helper()
	var wait sync.WaitGroup
	limit := make(chan struct{}, runtime.NumCPU())
	for _, source := range sources {
		path, args := c.object(t, b, ".", source)
		objects = append(objects, path)
		wait.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			c.make(t, ".", path, args)
		})
	}
	wait.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return objects
}

// object returns the path of a source's object, and what g++ is to be told in
// folder to make it.
func (c compiler) object(t *testing.T, b build, folder, source string) (path string, args []string) {
	t.Helper()
	flags := []string{"-std=c++17", "-g", "-fPIC", "-fvisibility=hidden", "-ftls-model=initial-exec",
		"-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-I."}
	if strings.HasSuffix(source, ".cu") {
		flags = append(flags, b.kernels...)
	} else {
		flags = append(flags, b.runtime...)
	}
	read := map[string]bool{}
	h := sha256.New()
	var hash func(path string)
	hash = func(path string) {
		if read[path] {
			return
		}
		read[path] = true
		text, err := os.ReadFile(filepath.Join(folder, path))
		if err != nil {
			t.Fatal(err)
		}
		h.Write([]byte("\x00" + path + "\x00"))
		h.Write(text)
		for _, m := range included.FindAllStringSubmatch(string(text), -1) {
			next := m[1]
			if beside := filepath.Join(filepath.Dir(path), next); exists(filepath.Join(folder, beside)) {
				next = beside
			}
			hash(next)
		}
	}
	h.Write([]byte(c.version + strings.Join(flags, "\x00")))
	hash(source)
	return filepath.Join(c.made, hex.EncodeToString(h.Sum(nil))[:24]+".o"), append(flags, "-x", "c++", "-c", source)
}

var included = regexp.MustCompile(`(?m)^#include "([^"]+)"`)

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// library links objects and returns the library's path. Of inline functions that
// several objects have, the first one's are taken.
func (c compiler) library(t *testing.T, b build, objects []string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(c.version + strings.Join(objects, "\x00")))
	path := filepath.Join(c.made, hex.EncodeToString(sum[:])[:24]+"-"+b.name+".so")
	c.make(t, ".", path, append(append([]string{"-shared", "-pthread", "-Wl,-z,defs"}, b.kernels...), objects...))
	return path
}

// make has g++ make a file, unless it is there. Two tests may make it at once.
func (c compiler) make(t *testing.T, folder, out string, args []string) {
	if exists(out) {
		return
	}
	f, err := os.CreateTemp(c.made, "new")
	if err != nil {
		t.Error(err)
		return
	}
	f.Close()
	defer os.Remove(f.Name())
	program := exec.Command(c.gxx, append(args, "-o", f.Name())...)
	program.Dir = folder
	if text, err := program.CombinedOutput(); err != nil {
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
