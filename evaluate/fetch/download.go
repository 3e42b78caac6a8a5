package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// download brings url into the file dst, by way of dst.part, and gives the
// SHA-256 of what came. want is the SHA-256 it must have, "" where none is
// known. A server that is silent for f.stall is given up. On failure neither
// file remains.
func (f *Fetcher) download(ctx context.Context, url, dst, want string) (sum string, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(f.stall, func() {
		cancel(fmt.Errorf("nothing came for %v", f.stall))
	})
	defer watchdog.Stop()

	part := dst + ".part"
	file, err := os.Create(part)
	if err != nil {
		return "", f.cacheError(err)
	}
	defer func() {
		file.Close()
		if err != nil {
			os.Remove(part)
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", fmt.Errorf("%s: %w", url, err)
	}
	resp, err := f.client.Do(req)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return "", fmt.Errorf("%s: %w", url, cause)
		}
		return "", err // it names the address
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: expected 200 OK, found %s", url, resp.Status)
	}
	hash := sha256.New()
	const mb = 1 << 20
	seen, told := 0, 0
	body := &noticed{resp.Body, func(k int) {
		watchdog.Reset(f.stall)
		if seen += k; seen-told >= 20*mb {
			told = seen
			of := ""
			if resp.ContentLength > 0 {
				of = fmt.Sprintf(" of %d", resp.ContentLength/mb)
			}
			f.logf("%s: %d%s MB", url, seen/mb, of)
		}
	}}
	n, err := io.Copy(io.MultiWriter(file, hash), body)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return "", fmt.Errorf("%s: stopped after %d bytes: %w", url, n, err)
	}
	if resp.ContentLength >= 0 && n != resp.ContentLength {
		return "", fmt.Errorf("%s: expected %d bytes, found %d", url, resp.ContentLength, n)
	}
	sum = hex.EncodeToString(hash.Sum(nil))
	if want != "" && sum != want {
		return "", fmt.Errorf("%s: expected SHA-256 %s, found %s", url, want, sum)
	}
	if err := file.Sync(); err != nil {
		return "", f.cacheError(err)
	}
	if err := os.Rename(part, dst); err != nil {
		return "", f.cacheError(err)
	}
	return sum, nil
}

// noticed calls after with the number of bytes of each read that brought some.
type noticed struct {
	r     io.Reader
	after func(k int)
}

func (n *noticed) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if k > 0 {
		n.after(k)
	}
	return k, err
}
