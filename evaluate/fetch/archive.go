package fetch

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// extractTar unpacks from the .tar.gz file archive each regular file for which
// pick gives a place, and gives how many there were. A place is a path that the
// caller chose; names inside the archive never become paths.
func extractTar(archive string, pick func(name string) (dst string)) (int, error) {
	file, err := os.Open(archive)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	gz, err := gzip.NewReader(file)
	if err != nil {
		return 0, fmt.Errorf("%s: not a gzip file: %w", filepath.Base(archive), err)
	}
	n := 0
	for tr := tar.NewReader(gz); ; {
		head, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("%s: %w", filepath.Base(archive), err)
		}
		dst := ""
		if head.Typeflag == tar.TypeReg {
			dst = pick(head.Name)
		}
		if dst == "" {
			continue
		}
		if err := writeFile(dst, tr, 0o644); err != nil {
			return n, fmt.Errorf("%s: %s: %w", filepath.Base(archive), head.Name, err)
		}
		n++
	}
}

// extractZip does the same for a zip file.
func extractZip(archive string, pick func(name string) (dst string)) (int, error) {
	z, err := zip.OpenReader(archive)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", filepath.Base(archive), err)
	}
	defer z.Close()
	n := 0
	for _, entry := range z.File {
		dst := ""
		if entry.Mode().IsRegular() {
			dst = pick(entry.Name)
		}
		if dst == "" {
			continue
		}
		r, err := entry.Open()
		if err == nil {
			err = writeFile(dst, r, 0o644)
			r.Close()
		}
		if err != nil {
			return n, fmt.Errorf("%s: %s: %w", filepath.Base(archive), entry.Name, err)
		}
		n++
	}
	return n, nil
}

// writeFile copies r into a new file that is on the disk when it returns.
func writeFile(path string, r io.Reader, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err = io.Copy(file, r); err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
