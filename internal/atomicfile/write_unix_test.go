//go:build unix

package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func fillWith(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// onlyFiles fails unless dir holds exactly the named files, so that a
// temporary file left behind is seen.
func onlyFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	if fmt.Sprint(found) != fmt.Sprint(names) {
		t.Errorf("the folder holds %q, want %q", found, names)
	}
}

func content(t *testing.T, path, want string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != want {
		t.Errorf("%s holds %q, want %q", filepath.Base(path), b, want)
	}
}

func TestWriteSizes(t *testing.T) {
	for _, n := range []int{0, 1, bufferSize - 1, bufferSize, bufferSize + 1, 2 * bufferSize, writebackEvery + 3*bufferSize + 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "out")
			want := strings.Repeat("x", n)
			if err := Write(path, false, fillWith(want)); err != nil {
				t.Fatal(err)
			}
			content(t, path, want)
			onlyFiles(t, dir, "out")
		})
	}
}

func TestWriteNothingAtPathBeforeTheEnd(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	err := Write(path, false, func(w io.Writer) error {
		if _, err := w.Write(make([]byte, 3*bufferSize)); err != nil {
			return err
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the target exists while it is being filled: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWriteExisting(t *testing.T) {
	for _, c := range []struct {
		name  string
		force bool
		want  string
	}{
		{"without force", false, "old"},
		{"with force", true, "new"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "out")
			if err := os.WriteFile(path, []byte("old"), 0o640); err != nil {
				t.Fatal(err)
			}
			err := Write(path, c.force, fillWith("new"))
			if c.force != (err == nil) || !c.force && !errors.Is(err, ErrExists) {
				t.Fatalf("error %v", err)
			}
			content(t, path, c.want)
			onlyFiles(t, dir, "out")
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("permissions %v (%v), want 0640 as before", info.Mode(), err)
			}
		})
	}
}

func TestWriteTargetAppearsMeanwhile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out")
	err := Write(path, false, func(w io.Writer) error {
		return os.WriteFile(path, []byte("theirs"), 0o600)
	})
	if !errors.Is(err, ErrExists) {
		t.Fatalf("error %v, want ErrExists", err)
	}
	content(t, path, "theirs")
	onlyFiles(t, dir, "out")
}

func TestWriteFailureLeavesNothing(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name string
		old  bool
	}{{"new file", false}, {"over an old file", true}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "out")
			if c.old {
				if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			err := Write(path, true, func(w io.Writer) error {
				w.Write(make([]byte, 2*bufferSize))
				return boom
			})
			if err != boom {
				t.Fatalf("error %v, want the caller's own", err)
			}
			if c.old {
				content(t, path, "old")
				onlyFiles(t, dir, "out")
			} else {
				onlyFiles(t, dir)
			}
		})
	}
}

func TestWritePanicLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic did not reach the caller")
			}
		}()
		Write(filepath.Join(dir, "out"), false, func(io.Writer) error { panic("boom") })
	}()
	onlyFiles(t, dir)
}

func TestWriteRefusedTargets(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), dangling); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, path, want string
		force            bool
	}{
		{"a folder", dir, "found a folder", true},
		{"a missing folder", filepath.Join(dir, "none", "out"), "no such file", true},
		{"below a file", filepath.Join(file, "out"), "not a directory", true},
		{"a device", os.DevNull, "found a device", true},
		{"a dangling link", dangling, "symbolic link to nothing", false},
		{"no path", "", "no path", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			called := false
			err := Write(c.path, c.force, func(io.Writer) error { called = true; return nil })
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if called {
				t.Error("fill was called for a target that cannot be written")
			}
		})
	}
	onlyFiles(t, dir, "file", "link")
}

// TestWriteFullDisk writes 3 MB under a limit of 2 MB on the size of any file,
// in a process of its own, because the limit holds for a whole process.
func TestWriteFullDisk(t *testing.T) {
	if dir := os.Getenv("ATOMICFILE_LIMITED"); dir != "" {
		signal.Ignore(syscall.SIGXFSZ) // the write then fails with EFBIG instead
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 2 << 20, Max: 2 << 20}); err != nil {
			t.Fatal(err)
		}
		err := Write(filepath.Join(dir, "out"), false, fillWith(strings.Repeat("x", 3<<20)))
		if !errors.Is(err, syscall.EFBIG) {
			t.Fatalf("error %v, want EFBIG", err)
		}
		// A long output is not computed to its end for nothing.
		written := 0
		err = Write(filepath.Join(dir, "out"), false, func(w io.Writer) error {
			for range 1000 {
				if _, err := w.Write(make([]byte, bufferSize)); err != nil {
					return err
				}
				written++
			}
			return nil
		})
		if !errors.Is(err, syscall.EFBIG) || written > 50 {
			t.Fatalf("error %v after %d MB, want EFBIG soon after 2", err, written)
		}
		return
	}
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestWriteFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), "ATOMICFILE_LIMITED="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "PASS") {
		t.Fatalf("%v\n%s", err, out)
	}
	onlyFiles(t, dir)
}
