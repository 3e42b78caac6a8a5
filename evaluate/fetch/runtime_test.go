package fetch

import (
	"archive/zip"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// stubLibrary builds a shared library that exports OrtGetApiBase with the
// symbol version that an ONNX Runtime of the given version has, "" for none.
func stubLibrary(t *testing.T, version string) []byte {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the stub libraries are made for Linux only")
	}
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler to make a stub library")
	}
	dir := t.TempDir()
	src, lib, script := filepath.Join(dir, "stub.c"), filepath.Join(dir, "stub.so"), filepath.Join(dir, "stub.map")
	args := []string{"-shared", "-fPIC", "-nostdlib", "-o", lib, src}
	if version != "" {
		text := fmt.Sprintf("VERS_%s { global: OrtGetApiBase; local: *; };\n", version)
		if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-Wl,--version-script="+script)
	}
	if err := os.WriteFile(src, []byte("void *OrtGetApiBase(void) { return 0; }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(lib)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// put writes data to the file of these path elements and gives its path.
func put(t *testing.T, data []byte, elements ...string) string {
	t.Helper()
	path := filepath.Join(elements...)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// newRuntimeFetcher gives a Fetcher whose sources hold the library good.
func newRuntimeFetcher(t *testing.T, good []byte, handler http.HandlerFunc) *Fetcher {
	t.Helper()
	f := newTestFetcher(t, handler)
	f.ort.goarch = runtime.GOARCH
	f.ort.lib = "libonnxruntime.so." + ortVersion
	f.ort.wheelFor, f.ort.npmPath = "manylinux_test", "package/bin/linux/libonnxruntime.so.1"
	f.beside = filepath.Join(t.TempDir(), "bin")
	f.folders = []string{filepath.Join(t.TempDir(), "usr", "lib")}
	sum, err := sha256File(put(t, good, t.TempDir(), "good"))
	if err != nil {
		t.Fatal(err)
	}
	f.ort.digests = []string{sum}
	return f
}

func TestFindRuntime(t *testing.T) {
	good, newer, old := stubLibrary(t, "1.30.0"), stubLibrary(t, "1.32.1"), stubLibrary(t, "1.23.2")
	unversioned := stubLibrary(t, "")
	const lib = "libonnxruntime.so"
	python := func(t *testing.T, folder string) { tool(t, "python3", "echo '"+folder+"'") }
	for _, c := range []struct {
		name         string
		set          func(t *testing.T, f *Fetcher) (want string)
		version, how string
	}{
		{"RPG_ORT_LIB before all", func(t *testing.T, f *Fetcher) string {
			put(t, newer, f.beside, lib)
			want := put(t, good, t.TempDir(), "any.so")
			t.Setenv("RPG_ORT_LIB", want)
			return want
		}, "1.30.0", "RPG_ORT_LIB"},
		{"RPG_ORT_LIB of unknown version", func(t *testing.T, f *Fetcher) string {
			want := put(t, unversioned, t.TempDir(), "any.so")
			t.Setenv("RPG_ORT_LIB", want)
			return want
		}, "of unknown version", "RPG_ORT_LIB"},
		{"next to the program", func(t *testing.T, f *Fetcher) string {
			put(t, newer, f.Cache, "onnxruntime-1.32.1", lib)
			return put(t, good, f.beside, lib)
		}, "1.30.0", "next to the program"},
		{"in lib beside the program's folder", func(t *testing.T, f *Fetcher) string {
			return put(t, good, f.beside, "..", "lib", lib)
		}, "1.30.0", "next to the program"},
		{"in the cache, our version first", func(t *testing.T, f *Fetcher) string {
			put(t, newer, f.Cache, "onnxruntime-1.32.1", lib)
			put(t, newer, f.folders[0], lib)
			return put(t, good, f.Cache, "onnxruntime-1.30.0", lib+".1.30.0")
		}, "1.30.0", "in the cache"},
		{"in a system folder, the newest", func(t *testing.T, f *Fetcher) string {
			put(t, good, f.folders[0], lib+".1.30.0")
			put(t, old, f.folders[0], lib+".1.23.2")
			return put(t, newer, f.folders[0], lib+".1.32.1")
		}, "1.32.1", "in a system folder"},
		{"version by name", func(t *testing.T, f *Fetcher) string {
			return put(t, unversioned, f.folders[0], lib+".1.25.0")
		}, "1.25.0", "in a system folder"},
		{"in a Python package", func(t *testing.T, f *Fetcher) string {
			dir := t.TempDir()
			python(t, dir)
			put(t, old, f.folders[0], lib)
			return put(t, good, dir, "capi", lib+".1.30.0")
		}, "1.30.0", howPython},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newRuntimeFetcher(t, good, nil)
			want := c.set(t, f)
			lib, version, how, err := f.FindRuntime()
			if err != nil || lib != want || version != c.version || how != c.how {
				t.Errorf("got %q, %q, %q, %v, expected %q, %q, %q", lib, version, how, err, want, c.version, c.how)
			}
		})
	}
}

func TestFindRuntimeRefuses(t *testing.T) {
	good, old := stubLibrary(t, "1.30.0"), stubLibrary(t, "1.23.2")
	foreign := append([]byte{}, good...)
	foreign[18], foreign[19] = 8, 0 // ELF machine: MIPS
	for _, c := range []struct {
		name string
		set  func(t *testing.T, f *Fetcher)
		say  []string
	}{
		{"nothing anywhere", func(t *testing.T, f *Fetcher) {}, []string{"no libonnxruntime on this machine"}},
		{"RPG_ORT_LIB too old", func(t *testing.T, f *Fetcher) {
			put(t, good, f.folders[0], "libonnxruntime.so")
			t.Setenv("RPG_ORT_LIB", put(t, old, t.TempDir(), "old.so"))
		}, []string{"RPG_ORT_LIB", "old.so: version: expected 1.24 or newer, found 1.23.2"}},
		{"RPG_ORT_LIB not there", func(t *testing.T, f *Fetcher) { t.Setenv("RPG_ORT_LIB", "/nowhere/lib.so") }, []string{"RPG_ORT_LIB", "/nowhere/lib.so"}},
		{"RPG_ORT_LIB is text", func(t *testing.T, f *Fetcher) {
			t.Setenv("RPG_ORT_LIB", put(t, []byte("text"), t.TempDir(), "text.so"))
		}, []string{"text.so: not a shared library"}},
		{"RPG_ORT_LIB for another machine", func(t *testing.T, f *Fetcher) {
			t.Setenv("RPG_ORT_LIB", put(t, foreign, t.TempDir(), "mips.so"))
		}, []string{"mips.so: machine: expected", "EM_MIPS"}},
		{"only a too old one", func(t *testing.T, f *Fetcher) { put(t, old, f.folders[0], "libonnxruntime.so") },
			[]string{"no usable libonnxruntime", "version: expected 1.24 or newer, found 1.23.2"}},
		{"a broken python3", func(t *testing.T, f *Fetcher) { tool(t, "python3", "echo broken >&2; exit 1") }, []string{"no libonnxruntime on this machine"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newRuntimeFetcher(t, good, nil)
			c.set(t, f)
			_, _, _, err := f.FindRuntime()
			wantError(t, err, c.say...)
			if !strings.Contains(err.(*Error).Hint(), "rpg fetch onnxruntime") {
				t.Errorf("the hint %q does not say `rpg fetch onnxruntime`", err.(*Error).Hint())
			}
			nothingHalfMade(t, f)
		})
	}
}

// pip puts a python3 on PATH whose pip downloads a wheel with the library data,
// and which has no package onnxruntime.
func pip(t *testing.T, data []byte) {
	t.Helper()
	wheel := filepath.Join(t.TempDir(), "onnxruntime.whl")
	file, err := os.Create(wheel)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(file)
	w, err := z.Create("onnxruntime/capi/libonnxruntime.so." + ortVersion)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	tool(t, "python3", fmt.Sprintf(`case "$*" in
*"-m pip download"*"--platform manylinux_test"*"-d wheel onnxruntime==%s") /bin/mkdir wheel && /bin/cp '%s' wheel/ ;;
"-c "*) echo ;;
*) echo "error asked for $*" >&2; exit 1 ;;
esac`, ortVersion, wheel))
}

func npmRuntime(t *testing.T, data []byte) {
	t.Helper()
	packed := put(t, tarball(t, map[string][]byte{"package/bin/linux/libonnxruntime.so.1": data, "package/bin/mac/libonnxruntime.so.1": []byte("other")}), t.TempDir(), "packed.tgz")
	tool(t, "npm", fmt.Sprintf(`/bin/cp '%s' onnxruntime-node-1.tgz && echo onnxruntime-node-1.tgz`, packed))
}

func TestGetRuntime(t *testing.T) {
	good, old := stubLibrary(t, "1.30.0"), stubLibrary(t, "1.23.2")
	release := tarball(t, map[string][]byte{"onnxruntime-linux-x64-1.30.0/lib/libonnxruntime.so." + ortVersion: good})
	for _, c := range []struct {
		name    string
		set     func(t *testing.T, f *Fetcher)
		release http.HandlerFunc
		how     string
	}{
		{"with pip", func(t *testing.T, f *Fetcher) { pip(t, good) }, nil, "got with pip"},
		{"with npm", func(t *testing.T, f *Fetcher) { npmRuntime(t, good) }, nil, "got with npm"},
		{"the wheel has another library", func(t *testing.T, f *Fetcher) { pip(t, []byte("other")); npmRuntime(t, good) }, nil, "got with npm"},
		{"pip fails", func(t *testing.T, f *Fetcher) { tool(t, "python3", "exit 1"); npmRuntime(t, good) }, nil, "got with npm"},
		{"the release", func(t *testing.T, f *Fetcher) {}, serve(release), "got with the official release"},
		{"a too old system library does not count", func(t *testing.T, f *Fetcher) {
			put(t, old, f.folders[0], "libonnxruntime.so")
			pip(t, good)
		}, nil, "got with pip"},
		{"out of a Python package", func(t *testing.T, f *Fetcher) {
			dir := t.TempDir()
			put(t, good, dir, "capi", "libonnxruntime.so."+ortVersion)
			tool(t, "python3", "echo '"+dir+"'")
		}, nil, "copied from an installed Python package"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newRuntimeFetcher(t, good, c.release)
			c.set(t, f)
			want := filepath.Join(f.Cache, "onnxruntime-1.30.0", "libonnxruntime.so.1.30.0")
			lib, version, how, err := f.GetRuntime(t.Context())
			if err != nil || lib != want || version != "1.30.0" || how != c.how {
				t.Fatalf("got %q, %q, %q, %v, expected %q, 1.30.0, %q", lib, version, how, err, want, c.how)
			}
			nothingHalfMade(t, f, "onnxruntime-1.30.0")
			lib, _, how, err = f.GetRuntime(t.Context())
			if err != nil || lib != want || how != "in the cache" {
				t.Errorf("the second time: %q, %q, %v, expected %q in the cache", lib, how, err, want)
			}
		})
	}
}

func TestGetRuntimeRefuses(t *testing.T) {
	good, old := stubLibrary(t, "1.30.0"), stubLibrary(t, "1.23.2")
	for _, c := range []struct {
		name    string
		set     func(t *testing.T, f *Fetcher)
		release http.HandlerFunc
		say     []string
	}{
		{"no way at all", func(t *testing.T, f *Fetcher) {}, nil,
			[]string{"could not be fetched", "pip: python3 is not installed; pip3 is not installed; pip is not installed", "npm: npm is not installed", "found 404"}},
		{"a release of another version", func(t *testing.T, f *Fetcher) {},
			serve(tarball(t, map[string][]byte{"o/lib/libonnxruntime.so." + ortVersion: old})), []string{"version: expected 1.24 or newer, found 1.23.2"}},
		{"a release without the library", func(t *testing.T, f *Fetcher) {},
			serve(tarball(t, map[string][]byte{"o/lib/other.so": good})), []string{"expected one lib/libonnxruntime.so.1.30.0, found 0"}},
		{"a package without the library", func(t *testing.T, f *Fetcher) {
			f.ort.npmPath = "package/elsewhere"
			npmRuntime(t, good)
		}, nil, []string{"the npm package: expected one package/elsewhere, found 0"}},
		{"a machine without a ready-made library", func(t *testing.T, f *Fetcher) { f.ort.lib = "" }, nil, []string{"no ready-made libonnxruntime for linux"}},
		{"a bad RPG_ORT_LIB is not replaced", func(t *testing.T, f *Fetcher) {
			pip(t, good)
			t.Setenv("RPG_ORT_LIB", "/nowhere/lib.so")
		}, nil, []string{"RPG_ORT_LIB"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newRuntimeFetcher(t, good, c.release)
			c.set(t, f)
			_, _, _, err := f.GetRuntime(t.Context())
			wantError(t, err, c.say...)
			nothingHalfMade(t, f)
		})
	}
}

func TestOfficialRuntimeNamesEverySource(t *testing.T) {
	for _, machine := range []string{"linux/amd64", "linux/arm64", "darwin/arm64"} {
		goos, goarch, _ := strings.Cut(machine, "/")
		o := officialRuntime(goos, goarch)
		if o.goarch != goarch || o.wheelFor == "" || !strings.Contains(o.lib, ortVersion) || !strings.Contains(o.archive, ortVersion) ||
			!strings.Contains(o.npmPath, goos) || len(o.digests) != 2 || len(o.digests[0]) != 64 || len(o.digests[1]) != 64 {
			t.Errorf("%s: incomplete: %+v", machine, o)
		}
	}
	if o := officialRuntime("plan9", "386"); o.lib != "" {
		t.Errorf("plan9 has %q", o.lib)
	}
}
