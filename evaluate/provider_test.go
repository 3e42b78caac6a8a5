package evaluate

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// stubLibrary builds a shared library that needs others.
func stubLibrary(t *testing.T, path string, needs ...string) {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler to make a stub library")
	}
	src := filepath.Join(t.TempDir(), "stub.c")
	if err := os.WriteFile(src, []byte("int rpg_stub;\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	arguments := append([]string{"-shared", "-fPIC", "-Wl,--no-as-needed", "-Wl,-soname," + filepath.Base(path), "-o", path, src}, needs...)
	if out, err := exec.Command(cc, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestMissingForCUDAIsNamed(t *testing.T) {
	dir := t.TempDir()
	all := strings.Join(missingForCUDA(dir), "\n")
	for _, say := range []string{"libonnxruntime_providers_shared.so is not beside libonnxruntime", "libonnxruntime_providers_cuda.so is not beside"} {
		if !strings.Contains(all, say) {
			t.Errorf("an empty folder: %q does not say %q", all, say)
		}
	}

	// The provider needs two libraries; one of them is beside it.
	there, gone := filepath.Join(dir, "librpgthere.so.9"), filepath.Join(dir, "librpggone.so.9")
	stubLibrary(t, there)
	stubLibrary(t, gone)
	stubLibrary(t, filepath.Join(dir, "libonnxruntime_providers_shared.so"))
	stubLibrary(t, filepath.Join(dir, "libonnxruntime_providers_cuda.so"), there, gone)
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	all = strings.Join(missingForCUDA(dir), "\n")
	if !strings.Contains(all, "librpggone.so.9, which libonnxruntime_providers_cuda.so needs, cannot be loaded") ||
		strings.Contains(all, "librpgthere") || strings.Contains(all, "libc.so") || strings.Contains(all, "beside") {
		t.Errorf("missing: %q", all)
	}

	if err := os.WriteFile(filepath.Join(dir, "libonnxruntime_providers_cuda.so"), []byte(strings.Repeat("not a library ", 9)), 0o644); err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(missingForCUDA(dir), "\n"); !strings.Contains(all, "libonnxruntime_providers_cuda.so: bad magic number") {
		t.Errorf("a file that is no library: %q", all)
	}
}

func TestUseProvider(t *testing.T) {
	r := openTestRuntime(t)
	if why, err := r.UseProvider("cpu"); err != nil || r.Provider != "CPU" {
		t.Errorf("cpu: %q, %v, %s", why, err, r.Provider)
	}
	if _, err := r.UseProvider("tpu"); err == nil || !strings.Contains(err.Error(), `one of auto cpu cuda, found "tpu"`) {
		t.Errorf("tpu: %v", err)
	}
	why, err := r.UseProvider("auto")
	if err != nil || why == "" {
		t.Fatalf("auto: %q, %v", why, err)
	}
	if r.Provider == "CUDA" {
		t.Skip("CUDA can be used here; what is said where it cannot is not tested")
	}
	_, err = r.UseProvider("cuda")
	if err == nil || !strings.Contains(err.Error(), "CUDA cannot be used: ") || !strings.Contains(err.Error(), "libonnxruntime_providers_cuda.so") || !strings.HasPrefix(why, "CUDA cannot be used: ") && !strings.Contains(err.Error(), cudaDriver) {
		t.Errorf("cuda: %v; auto said %q", err, why)
	}
	m := testZoo(t, 1)[0]
	if got := score(t, r, testImages(t, 50), ScorerOptions{}, m, m)[0]; got.N != 50 {
		t.Errorf("%d of 50 images scored after the fallback", got.N)
	}
}
