// Package shareddata finds, for tests, the folder shared/data that stands
// beside the repository where the project is developed and is absent elsewhere.
package shareddata

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Path gives the path of a file or folder in shared/data, "" for shared/data
// itself. Without shared/data the test is skipped; with it, a name that is not
// there fails the test.
func Path(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		data := filepath.Join(dir, "shared", "data")
		if info, err := os.Stat(data); err != nil || !info.IsDir() {
			continue
		}
		path := filepath.Join(data, filepath.FromSlash(name))
		if _, err := os.Stat(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Skip("no shared/data beside the repository")
	return ""
}

// Models lists the ONNX files anywhere below a folder of shared/data, sorted.
// A folder without any fails the test.
func Models(t testing.TB, folder string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(Path(t, folder), func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".onnx") {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%d models below shared/data/%s: %v", len(files), folder, err)
	}
	slices.Sort(files)
	return files
}
