package dataset

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A file is one picture file of a folder or archive.
type file struct {
	name   string // with slashes, relative to the folder
	offset int64  // in the archive
	size   int64
}

// A listing is the picture files of a folder, or of a tar archive, which is read
// in place.
type listing struct {
	root    string
	archive *os.File // nil for a folder
	files   []file
	others  int // files that are no pictures by their name
}

// suffixes are the names that pictures have; what is in them is told by content.
func isPicture(name string) bool {
	return slices.Contains([]string{".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"}, strings.ToLower(path.Ext(name)))
}

// list finds all pictures below a folder, or in a tar archive, sorted by name.
func list(root string) (*listing, error) {
	info, err := os.Stat(root)
	if err != nil {
		return nil, fmt.Errorf("evaluate: %w", err)
	}
	l := &listing{root: root}
	if info.IsDir() {
		err = l.walk()
	} else {
		err = l.scan()
	}
	if err != nil {
		return nil, err
	}
	if len(l.files) == 0 {
		l.close()
		return nil, fmt.Errorf("evaluate: %s: expected pictures (.jpg .png .gif .bmp .webp .tif), found none among %d files", root, l.others)
	}
	slices.SortFunc(l.files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return l, nil
}

func (l *listing) add(name string, offset, size int64) {
	base := path.Base(name)
	if strings.HasPrefix(base, ".") {
		return
	}
	if !isPicture(base) {
		l.others++
		return
	}
	l.files = append(l.files, file{name, offset, size})
}

func (l *listing) walk() error {
	err := filepath.WalkDir(l.root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := os.Stat(name) // follows links
		if err != nil || info.IsDir() {
			return err
		}
		relative, err := filepath.Rel(l.root, name)
		if err != nil {
			return err
		}
		l.add(filepath.ToSlash(relative), 0, info.Size())
		return nil
	})
	if err != nil {
		return fmt.Errorf("evaluate: %w", err)
	}
	return nil
}

// scan goes over the headers of an archive and skips what is between them.
func (l *listing) scan() (err error) {
	f, err := os.Open(l.root)
	if err != nil {
		return fmt.Errorf("evaluate: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if err == io.EOF {
			l.archive = f
			return nil
		}
		if err != nil {
			return fmt.Errorf("evaluate: %s: not a tar archive that can be read: %w", l.root, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return fmt.Errorf("evaluate: %w", err)
		}
		l.add(path.Clean(h.Name), at, h.Size)
	}
}

// read gives the content of a file, in buffer where it has room.
func (l *listing) read(f file, buffer []byte) ([]byte, error) {
	if cap(buffer) < int(f.size) {
		buffer = make([]byte, f.size+f.size/4)
	}
	buffer = buffer[:f.size]
	if l.archive != nil {
		if _, err := l.archive.ReadAt(buffer, f.offset); err != nil {
			return nil, fmt.Errorf("reading it in the archive: %w", err)
		}
		return buffer, nil
	}
	in, err := os.Open(filepath.Join(l.root, filepath.FromSlash(f.name)))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	if _, err := io.ReadFull(in, buffer); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			err = errors.New("the file became shorter since the data set was opened")
		}
		return nil, err
	}
	return buffer, nil
}

func (l *listing) close() {
	if l.archive != nil {
		l.archive.Close()
	}
}
