package fetch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newTestFetcher gives a Fetcher with an empty cache, no system folders, no
// programs on PATH, and a server that answers every address with handler.
func newTestFetcher(t *testing.T, handler http.HandlerFunc) *Fetcher {
	t.Helper()
	if handler == nil {
		handler = http.NotFound
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	t.Setenv("PATH", t.TempDir())
	t.Setenv("RPG_ORT_LIB", "")
	return &Fetcher{
		Cache:  filepath.Join(t.TempDir(), "cache"),
		Log:    func(line string) { t.Log(line) },
		client: server.Client(), stall: 10 * time.Second,
		cifar: cifarSource{archive: server.URL + "/cifar.tar.gz", npmPackage: "pictures@1.0.0"},
		ort:   ortSource{goarch: "amd64", archive: server.URL + "/ort.tgz"},
		goos:  "linux",
	}
}

// tool puts a shell script on PATH under the name of a program.
func tool(t *testing.T, name, script string) {
	t.Helper()
	shell := "/bin/sh"
	if _, err := os.Stat(shell); err != nil {
		t.Skip("no /bin/sh to stand in for " + name)
	}
	file := filepath.Join(os.Getenv("PATH"), name)
	if err := os.WriteFile(file, []byte("#!"+shell+"\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// tarball gives a .tar.gz with the named files.
func tarball(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	gz := gzip.NewWriter(&b)
	tw := tar.NewWriter(gz)
	for name, data := range files {
		if err := tw.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), gz.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func serve(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { w.Write(data) }
}

// nothingHalfMade fails if the cache holds anything but the named folders.
func nothingHalfMade(t *testing.T, f *Fetcher, folders ...string) {
	t.Helper()
	entries, err := os.ReadDir(f.Cache)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(folders, " ") {
		t.Errorf("the cache holds %q, expected %q", got, folders)
	}
}

// wantError fails unless err says every one of the parts and has a hint.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, expected one that says %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
	var hint interface{ Hint() string }
	if !errors.As(err, &hint) || hint.Hint() == "" {
		t.Errorf("error %q has no hint", err)
	}
}

func TestCacheDir(t *testing.T) {
	for _, c := range []struct{ name, xdg, home, want string }{
		{"XDG_CACHE_HOME first", "/x", "/h", "/x/rpg"},
		{"HOME", "", "/h", "/h/.cache/rpg"},
		{"a relative XDG_CACHE_HOME does not count", "x", "/h", "/h/.cache/rpg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("XDG_CACHE_HOME", c.xdg)
			t.Setenv("HOME", c.home)
			got, err := CacheDir()
			if err != nil || got != c.want {
				t.Errorf("got %q, %v, expected %q", got, err, c.want)
			}
		})
	}
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	_, err := CacheDir()
	wantError(t, err, "neither XDG_CACHE_HOME nor HOME")
}

func TestDownload(t *testing.T) {
	data := bytes.Repeat([]byte("picture "), 10000)
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    string // SHA-256 asked for
		say     string // "" when it works
	}{
		{"works", serve(data), "", ""},
		{"another SHA-256", serve(data), strings.Repeat("0", 64), "expected SHA-256 0000"},
		{"not there", http.NotFound, "", "expected 200 OK, found 404"},
		{"cut off", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "80000")
			w.Write(data[:8000])
		}, "", "stopped after 8000 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newTestFetcher(t, c.handler)
			dir := t.TempDir()
			sum, err := f.download(t.Context(), f.cifar.archive, filepath.Join(dir, "file"), c.want)
			entries, _ := os.ReadDir(dir)
			if c.say == "" {
				got, readErr := os.ReadFile(filepath.Join(dir, "file"))
				if err != nil || readErr != nil || !bytes.Equal(got, data) || len(sum) != 64 || len(entries) != 1 {
					t.Errorf("got %d bytes, SHA-256 %q, %d files, %v, %v", len(got), sum, len(entries), err, readErr)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.say) || !strings.Contains(err.Error(), f.cifar.archive) {
				t.Errorf("error %v, expected the address and %q", err, c.say)
			}
			if len(entries) != 0 {
				t.Errorf("%d files were left", len(entries))
			}
		})
	}
}

func TestDownloadGivesUpOnASilentServer(t *testing.T) {
	f := newTestFetcher(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("some"))
		w.(http.Flusher).Flush()
		<-r.Context().Done() // until the client gives up
	})
	f.stall = 20 * time.Millisecond
	_, err := f.download(t.Context(), f.cifar.archive, filepath.Join(t.TempDir(), "file"), "")
	if err == nil || !strings.Contains(err.Error(), "nothing came") {
		t.Errorf("error %v, expected that nothing came", err)
	}
}

func TestInterruptedFetchLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := newTestFetcher(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("some"))
		w.(http.Flusher).Flush()
		cancel()
		<-r.Context().Done()
	})
	_, err := f.CIFAR10(ctx)
	wantError(t, err, "interrupted")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v is not context.Canceled", err)
	}
	nothingHalfMade(t, f)
}

func TestSweepSparesTheYoung(t *testing.T) {
	f := newTestFetcher(t, nil)
	young, old := filepath.Join(f.Cache, partPrefix+"young"), filepath.Join(f.Cache, partPrefix+"old")
	for _, dir := range []string{young, old} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-48 * time.Hour)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	f.sweep()
	nothingHalfMade(t, f, filepath.Base(young))
}
