package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
)

// fileSHA256 is the hex digest of a file.
func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return contentSHA256(f, path)
}

// contentSHA256 is the hex digest of all that r gives; path is for messages.
func contentSHA256(r io.Reader, path string) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// digest is fileSHA256 beside other work: a file of 11 GB takes seconds.
type digest struct {
	stop context.CancelFunc
	done chan struct{} // closed when sum and err are there
	sum  string
	err  error
}

// beginDigest opens the file and returns. close must follow.
func beginDigest(ctx context.Context, path string) (*digest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	d := &digest{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(d.done)
		defer f.Close()
		d.sum, d.err = contentSHA256(untilDone{ctx, f}, path)
	}()
	return d, nil
}

// wait waits for the digest; any number of times. After the end of the context it
// returns the context's error.
func (d *digest) wait() (string, error) {
	<-d.done
	return d.sum, d.err
}

// close gives the work up, if it is not done, and leaves nothing running.
func (d *digest) close() {
	d.stop()
	<-d.done
}

// untilDone reads until the context ends.
type untilDone struct {
	ctx context.Context
	io.Reader
}

func (u untilDone) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(b)
}
