package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// FindRuntime gives the absolute path of a libonnxruntime that is on this
// machine already, its version, and how it was found. It looks at, in this
// order, $RPG_ORT_LIB, the folder of the running program and the lib folder
// beside that, rpg's cache, the system's library folders, and an installed
// Python package onnxruntime. In each place the newest that is new enough wins.
// It never touches the network. A $RPG_ORT_LIB that cannot be used is an error,
// not a reason to look on; the error's hint says what to run.
func FindRuntime() (lib, version, how string, err error) {
	f, err := New(nil)
	if err != nil {
		return "", "", "", err
	}
	return f.FindRuntime()
}

// FindRuntime is the function of that name for this Fetcher.
func (f *Fetcher) FindRuntime() (lib, version, how string, err error) {
	if lib := os.Getenv("RPG_ORT_LIB"); lib != "" {
		return f.named(lib)
	}
	places := []struct {
		how     string
		folders []string
	}{
		{"next to the program", f.besideFolders()},
		{"in the cache", f.cachedFolders()},
		{"in a system folder", f.folders},
	}
	var unusable []string
	for _, p := range places {
		lib, version, no := f.newest(p.folders)
		if lib != "" {
			return lib, version, p.how, nil
		}
		unusable = append(unusable, no...)
	}
	if folder := pythonFolder(); folder != "" {
		lib, version, no := f.newest([]string{folder})
		if lib != "" {
			return lib, version, howPython, nil
		}
		unusable = append(unusable, no...)
	}
	what := "no libonnxruntime on this machine"
	if len(unusable) > 0 {
		what = "no usable libonnxruntime on this machine:"
	}
	return "", "", "", &Error{What: what, Tried: unusable, Remedy: "run `rpg fetch onnxruntime`, or set RPG_ORT_LIB to the path of libonnxruntime " + MinRuntime + " or newer"}
}

const howPython = "in an installed Python package"

// named checks the library that the user named in RPG_ORT_LIB. One that does
// not tell its version is taken on the user's word; opening it will tell.
func (f *Fetcher) named(lib string) (string, string, string, error) {
	remedy := "set RPG_ORT_LIB to the path of libonnxruntime " + MinRuntime + " or newer, or unset it and run `rpg fetch onnxruntime`"
	abs, err := filepath.Abs(lib)
	if err != nil {
		return "", "", "", &Error{What: "RPG_ORT_LIB: " + err.Error(), Remedy: remedy, Cause: err}
	}
	version, err := libraryVersion(abs, f.goos, f.ort.goarch)
	if errors.Is(err, errUnknownVersion) {
		version, err = "of unknown version", nil
	}
	if err != nil {
		return "", "", "", &Error{What: "RPG_ORT_LIB: " + err.Error(), Remedy: remedy, Cause: err}
	}
	return abs, version, "RPG_ORT_LIB", nil
}

// newest gives the newest usable library in the first of the folders that has
// one, and for each unusable one seen the reason.
func (f *Fetcher) newest(folders []string) (lib, version string, unusable []string) {
	seen := map[string]bool{}
	for _, folder := range folders {
		for _, pattern := range libraryPatterns(f.goos) {
			found, _ := filepath.Glob(filepath.Join(folder, pattern))
			for _, path := range found {
				resolved, err := filepath.EvalSymlinks(path)
				if err != nil || seen[resolved] {
					continue
				}
				seen[resolved] = true
				v, err := libraryVersion(resolved, f.goos, f.ort.goarch)
				if errors.Is(err, errUnknownVersion) {
					err = fmt.Errorf("%s: %w", resolved, err)
				}
				if err != nil {
					unusable = append(unusable, err.Error())
					continue
				}
				a, _ := parseVersion(v)
				if b, _ := parseVersion(version); lib == "" || older(b, a) {
					lib, version = resolved, v
				}
			}
		}
		if lib != "" {
			return lib, version, unusable
		}
	}
	return "", "", unusable
}

// libraryPatterns are the names that the library has on a system.
func libraryPatterns(goos string) []string {
	switch goos {
	case "darwin":
		return []string{"libonnxruntime.dylib", "libonnxruntime.*.dylib"}
	case "windows":
		return []string{"onnxruntime.dll"}
	}
	return []string{"libonnxruntime.so", "libonnxruntime.so.*"}
}

func (f *Fetcher) besideFolders() []string {
	if f.beside == "" {
		return nil
	}
	return []string{f.beside, filepath.Join(filepath.Dir(f.beside), "lib")}
}

// cachedFolders gives the folders in which GetRuntime left a library: the
// version this rpg asks for first.
func (f *Fetcher) cachedFolders() []string {
	ours := filepath.Join(f.Cache, "onnxruntime-"+ortVersion)
	folders := []string{ours}
	found, _ := filepath.Glob(filepath.Join(f.Cache, "onnxruntime-*"))
	for _, folder := range found {
		if folder != ours {
			folders = append(folders, folder)
		}
	}
	return folders
}

// systemFolders are the places where the dynamic loader of a system looks,
// those that the user added first.
func systemFolders(goos, goarch string) []string {
	var folders []string
	add := func(list string) {
		for _, dir := range filepath.SplitList(list) {
			if filepath.IsAbs(dir) {
				folders = append(folders, dir)
			}
		}
	}
	switch goos {
	case "darwin":
		add(os.Getenv("DYLD_LIBRARY_PATH"))
		return append(folders, "/opt/homebrew/lib", "/usr/local/lib")
	case "windows":
		add(os.Getenv("PATH"))
		return folders
	}
	add(os.Getenv("LD_LIBRARY_PATH"))
	triple := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[goarch]
	return append(folders, "/usr/local/lib", "/usr/local/lib64", "/opt/onnxruntime/lib",
		filepath.Join("/usr/lib", triple), "/usr/lib64", "/usr/lib")
}

// pythonFolder asks python3 where its package onnxruntime keeps the library,
// without importing the package. It gives "" when there is none.
func pythonFolder() string {
	python, err := exec.LookPath("python3")
	if err != nil {
		return ""
	}
	// A start of Python takes well under a second; a broken one must not hang us.
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, "-c",
		"import importlib.util as u; s = u.find_spec('onnxruntime'); print(s.submodule_search_locations[0] if s else '')")
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	folder := string(bytes.TrimSpace(out))
	if err != nil || !filepath.IsAbs(folder) || strings.ContainsRune(folder, '\n') {
		return ""
	}
	return filepath.Join(folder, "capi")
}
