package fetch

import (
	"debug/elf"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const (
	// ortVersion is the libonnxruntime that GetRuntime gets: pip and npm both
	// have it.
	ortVersion = "1.30.0"
	// MinRuntime is the oldest libonnxruntime that the Go binding can speak to:
	// it asks for API version 24.
	MinRuntime = "1.24"
)

// libraryVersion tells which version of ONNX Runtime the library file path is,
// without running any of its code: an ELF library names it in the version of
// its symbols (VERS_1.30.0), any library may name it in its file name. The error
// says that the file is not one of this machine's kind, or too old.
func libraryVersion(path, goos, goarch string) (string, error) {
	version := ""
	if goos == "linux" {
		file, err := elf.Open(path)
		if err != nil {
			return "", fmt.Errorf("%s: not a shared library: %w", path, err)
		}
		defer file.Close()
		machine := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[goarch]
		if file.Machine != machine {
			return "", fmt.Errorf("%s: machine: expected %v, found %v", path, machine, file.Machine)
		}
		symbols, err := file.DynamicSymbols()
		if err != nil {
			return "", fmt.Errorf("%s: no dynamic symbols: %w", path, err)
		}
		exported := false
		for _, s := range symbols {
			if s.Name == "OrtGetApiBase" && s.Section != elf.SHN_UNDEF {
				exported = true
				version, _ = strings.CutPrefix(s.Version, "VERS_")
			}
		}
		if !exported {
			return "", fmt.Errorf("%s: not libonnxruntime: it does not export OrtGetApiBase", path)
		}
	}
	if _, ok := parseVersion(version); !ok {
		version = ""
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			version = versionInName.FindString(filepath.Base(resolved))
		}
	}
	got, ok := parseVersion(version)
	if !ok {
		return "", errUnknownVersion
	}
	if oldest, _ := parseVersion(MinRuntime); older(got, oldest) {
		return version, fmt.Errorf("%s: version: expected %s or newer, found %s", path, MinRuntime, version)
	}
	return version, nil
}

var (
	versionInName     = regexp.MustCompile(`\d+\.\d+(\.\d+)*`)
	errUnknownVersion = errors.New("neither the symbols nor the name of the file tell its version")
)

// parseVersion reads "1.30.0"; missing parts are 0.
func parseVersion(s string) (v [3]int, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) < 2 {
		return v, false
	}
	for i, part := range parts[:min(len(parts), len(v))] {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

func older(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}
