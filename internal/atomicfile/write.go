package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
)

// ErrExists is returned, wrapped, when the target exists and force is false.
var ErrExists = errors.New("the file exists already")

// Write makes the file path from what fill writes, or leaves path as it was.
//
// The bytes go to a temporary file in path's folder, which is synced, closed
// and renamed to path; then the folder is synced, so that the new name
// survives a power cut. When fill or any of these steps fails, the temporary
// file is removed and the error is returned. Without force an existing path is
// refused with an error that wraps ErrExists, also when it appears while fill
// is running. Only a failure of that last sync of the folder leaves a file at
// path, the complete one. A path that exists and is not a regular file is always refused.
func Write(path string, force bool, fill func(w io.Writer) error) error {
	if err := check(path, force); err != nil {
		return err
	}
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := createTemp(path, dir, base)
	if err != nil {
		return fmt.Errorf("atomicfile: %s: cannot make a temporary file beside it: %w", path, err)
	}
	w := newStream(f)
	published := false
	defer func() { // also when fill panics
		if !published {
			w.stop()
			f.Close() // a second Close is harmless: the first error is what counts
			os.Remove(f.Name())
		}
	}()
	if err := fill(w); err != nil {
		// A failure of the temporary file is the target's; anything else is
		// the caller's own error, in the caller's own words.
		var failed *fs.PathError
		if errors.As(err, &failed) && failed.Path == f.Name() {
			return targetError(path, err)
		}
		return err
	}
	for _, finish := range []func() error{w.flush, f.Sync, f.Close} {
		if err := finish(); err != nil {
			return targetError(path, err)
		}
	}
	if err := publish(f.Name(), path, force); err != nil {
		return err
	}
	published = true
	return syncDir(dir)
}

// targetError says of the target what happened to its temporary file.
func targetError(path string, err error) error {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fmt.Errorf("atomicfile: %s: %w", path, err)
}

// check refuses a target that may not be replaced.
func check(path string, force bool) error {
	if path == "" {
		return errors.New("atomicfile: no path given")
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(path); err == nil && !force {
			return fmt.Errorf("atomicfile: %s: %w, as a symbolic link to nothing", path, ErrExists)
		}
		return nil
	case err != nil:
		return fmt.Errorf("atomicfile: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("atomicfile: %s: expected a regular file or nothing, found %s", path, kind(info.Mode()))
	case !force:
		return fmt.Errorf("atomicfile: %s: %w", path, ErrExists)
	}
	return nil
}

// publish gives the temporary file its final name. Without force it is a hard
// link, which fails when the name has been taken in the meantime; where the
// file system has no hard links, one more look at the name must do.
func publish(temp, path string, force bool) error {
	if !force {
		err := os.Link(temp, path)
		if err == nil {
			return os.Remove(temp)
		}
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("atomicfile: %s: %w", path, ErrExists)
		}
		if err := check(path, force); err != nil {
			return err
		}
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("atomicfile: %w", err)
	}
	return nil
}

// createTemp makes a new empty file in dir. Its permissions are those of the
// file at path if there is one, else what the process gives to any new file.
// (os.CreateTemp would give 0600, and so unreadable models to a shared folder.)
func createTemp(path, dir, base string) (*os.File, error) {
	for try := 0; ; try++ {
		name := filepath.Join(dir, fmt.Sprintf(".%s.%016x.tmp", base, rand.Uint64()))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) && try < 100 {
			continue
		}
		if err != nil {
			return nil, err
		}
		if info, err := os.Stat(path); err == nil {
			// Best effort: on a file system without permissions this fails and nothing is lost.
			f.Chmod(info.Mode().Perm())
		}
		return f, nil
	}
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	}
	return "a special file"
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("atomicfile: %w", err)
	}
	defer d.Close()
	// Some file systems cannot sync a folder and say so with EINVAL; the file
	// itself has been synced, so that is all that can be done there.
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("atomicfile: %s: %w", dir, err)
	}
	return nil
}
