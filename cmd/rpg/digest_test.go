package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestDigest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if _, err := beginDigest(context.Background(), path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want that there is no such file", err)
	}
	for _, n := range []int{0, 1, 64, 1<<15 - 1, 1<<15 + 1, 1 << 20} {
		content := bytes.Repeat([]byte("0123456"), n/7+1)[:n]
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := beginDigest(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%x", sha256.Sum256(content))
		for range 2 {
			if got, err := d.wait(); err != nil || got != want {
				t.Errorf("%d bytes: %s, %v, want %s", n, got, err, want)
			}
		}
		d.close()
		if got, err := fileSHA256(path); err != nil || got != want {
			t.Errorf("%d bytes at once: %s, %v, want %s", n, got, err, want)
		}
	}
}

// A digest that is not wanted any more, or is interrupted, ends long before its file.
func TestDigestGivenUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 1<<36); err != nil { // takes no room
		t.Skipf("no files with holes here: %v", err)
	}
	for name, end := range map[string]func(d *digest, interrupt func()){
		"close":     func(d *digest, _ func()) { d.close() },
		"interrupt": func(_ *digest, interrupt func()) { interrupt() },
	} {
		ctx, interrupt := context.WithCancel(context.Background())
		d, err := beginDigest(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		end(d, interrupt)
		if sum, err := d.wait(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %q, %v, want that it was given up", name, sum, err)
		}
		d.close()
		interrupt()
	}
	folder, err := beginDigest(context.Background(), filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer folder.close()
	if sum, err := folder.wait(); err == nil {
		t.Errorf("a folder has the digest %q, want an error", sum)
	}
}
