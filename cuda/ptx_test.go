package cuda

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// nvcc is the library as nvcc makes it, but in PTX only, which ptx/ interprets on
// the host: what differs from librpgcuda.so is the runtime that it is linked with, and
// what stands behind RPG_ON_HOST.
var nvcc = build{name: "ptx", kernels: []string{"-I.", "--no-compress", "-lineinfo", "-DRPG_PTX"}}

// byNVCC are the sources beside *.cu that need CUDA's own headers.
var byNVCC = []string{"shim/host.cc", "shim/queue.cc", "ptx/runtime.cc"}

// ptxLibrary is shimLibrary for what nvcc makes.
func ptxLibrary(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(libraryVariable); path != "" {
		return path
	}
	c := hostCompiler(t)
	objects := c.nvccObjects(t, ".", append(files(t, "*.cu"), byNVCC...))
	return c.library(t, build{name: nvcc.name}, append(objects, c.interpreter(t)...))
}

// nvccObjects returns the objects of sources in folder. Those that are not in the cache
// are made together by cuda/build, the one place that knows where nvcc is.
func (c compiler) nvccObjects(t *testing.T, folder string, sources []string) (objects []string) {
	t.Helper()
	version := sha256.New()
	version.Write([]byte(read(t, "build") + read(t, "build-wheels") + os.Getenv("CUDA_HOME") + strings.Join(nvcc.kernels, " ")))
	if path, err := exec.LookPath("nvcc"); err == nil {
		version.Write([]byte(path))
	}
	c.version += hex.EncodeToString(version.Sum(nil))
	work, err := os.MkdirTemp(c.made, "nvcc")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(work)
	made := map[string]string{} // what cuda/build calls it, and where it is to be
	for _, source := range sources {
		path, _ := c.object(t, nvcc, folder, source)
		objects = append(objects, path)
		if exists(path) {
			continue
		}
		write(t, filepath.Join(work, source), read(t, filepath.Join(folder, source)))
		unit := source
		if filepath.Ext(source) != ".cu" {
			unit = strings.ReplaceAll(source, "/", "_")
			write(t, filepath.Join(work, unit), `#include "`+source+"\"\n")
		}
		made[unit+".o"] = path
	}
	if len(made) == 0 {
		return objects
	}
	for _, path := range files(t, "build", "build-wheels", "*.h", "*.cuh", "shim/*.h", "ptx/*.h") {
		from := filepath.Join(folder, path)
		if !exists(from) { // plant copies no build
			from = path
		}
		write(t, filepath.Join(work, path), read(t, from))
	}
	program := exec.Command("bash", filepath.Join(work, "build"), "-")
	program.Env = append(os.Environ(), "RPG_CUDA_ARCHS=", "RPG_CUDA_OBJECTS="+work, "RPG_NVCC_FLAGS="+strings.Join(nvcc.kernels, " "))
	if text, err := program.CombinedOutput(); err != nil {
		if strings.Contains(string(text), "cuda/build: expected nvcc") {
			t.Skipf("what nvcc makes is not run: %s", text)
		}
		t.Fatalf("cuda/build: %v\n%s", err, text)
	}
	for name, path := range made {
		if err := os.Rename(filepath.Join(work, name), path); err != nil {
			t.Fatal(err)
		}
	}
	return objects
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestPTX runs with what nvcc made the GPU's own tests, and those of the shim that
// are about the order of things.
func TestPTX(t *testing.T) {
	if os.Getenv(libraryVariable) != "" {
		t.Skip("this is a program that runs what nvcc made")
	}
	if !everything() {
		t.Skip("takes minutes and nvcc: set RPG_TEST_CUDA=all, as .ci/run does")
	}
	library := ptxLibrary(t)
	t.Logf("RPG_CUDA_LIB=%s", library)
	for _, run := range []struct {
		tests       string
		environment []string
	}{
		{"^TestGPU(Conformance|ConvLayer|ConvLayerRounded|UploadRounded|Training)$|^TestGPUProducts$/own", nil},
		{"^Test(ConvLayerWindows|SSDPieces|MaskedMSERange|CausalConvTaps|Record|Garbage|Failures|LongUpload|UploadRounded|Workspace)", nil},
		// Once more with all that NVIDIA leaves open the other way (ptx/ptx.h).
		{"^TestGPU(Conformance|ConvLayer|ConvLayerRounded)$|^TestGPUProducts$/own",
			[]string{"RPG_SHIM_ORDER=random", "RPG_PTX_ROUGH=1", "RPG_PTX_RACES=1"}},
	} {
		text, err := again(library, run.tests, append(run.environment, "RPG_CUDA_LIB="+library)...)
		if err != nil || strings.Contains(text, "no tests to run") {
			t.Errorf("%s %s: %v\n%s", run.tests, run.environment, err, text)
		}
	}
}
