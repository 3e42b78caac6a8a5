package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// A Fetcher holds where things are kept, where they come from and whom to tell.
// New gives the one that users want; tests point it elsewhere.
type Fetcher struct {
	Cache string            // the cache folder, absolute
	Log   func(line string) // gets one line of narration at a time; nil is silent

	client  *http.Client
	stall   time.Duration // a download that brings no byte for so long is given up
	cifar   cifarSource
	ort     ortSource
	goos    string
	folders []string // where a system keeps its libraries, in order of search
	beside  string   // the folder of the running program, "" when unknown
}

// New gives a Fetcher for this user and this machine. It creates nothing. The
// error says that there is no home folder to keep a cache in.
func New(log func(line string)) (*Fetcher, error) {
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	f := &Fetcher{
		Cache: cache, Log: log,
		client: &http.Client{Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: 15 * time.Second,
		}},
		stall: 20 * time.Second,
		cifar: officialCIFAR10(),
		ort:   officialRuntime(runtime.GOOS, runtime.GOARCH),
		goos:  runtime.GOOS, folders: systemFolders(runtime.GOOS, runtime.GOARCH),
	}
	if exe, err := os.Executable(); err == nil {
		if exe, err = filepath.EvalSymlinks(exe); err == nil {
			f.beside = filepath.Dir(exe)
		}
	}
	return f, nil
}

// CacheDir is the folder in which rpg keeps what it fetched:
// $XDG_CACHE_HOME/rpg, or ~/.cache/rpg. It need not exist.
func CacheDir() (string, error) {
	if dir := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rpg"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil || !filepath.IsAbs(home) {
		return "", &Error{What: "no folder to keep a cache in: neither XDG_CACHE_HOME nor HOME is set to an absolute path",
			Remedy: "set XDG_CACHE_HOME to a folder you can write to"}
	}
	return filepath.Join(home, ".cache", "rpg"), nil
}

// Error is a failure with what to do about it.
type Error struct {
	What   string   // what failed, without the package's name
	Tried  []string // each way that was tried, and how it failed
	Remedy string   // what to run or set; one line
	Cause  error    // may be nil
}

// Error gives what failed and each way that was tried.
func (e *Error) Error() string {
	s := "fetch: " + e.What
	for _, t := range e.Tried {
		s += "\n  " + t
	}
	return s
}

// Hint gives the remedy.
func (e *Error) Hint() string { return e.Remedy }

// Unwrap gives the cause, so that errors.Is finds a cancelled context.
func (e *Error) Unwrap() error { return e.Cause }

// An Item is one thing that can be fetched.
type Item struct {
	Name  string // what `rpg fetch` calls it
	About string
	Path  string // where it is, "" when it is not on this machine
	How   string // for a library: which version and how it was found
}

// List gives everything that can be fetched, and whether it is here already.
func List() ([]Item, error) {
	f, err := New(nil)
	if err != nil {
		return nil, err
	}
	return f.List(), nil
}

// List gives everything that can be fetched, and whether it is here already.
func (f *Fetcher) List() []Item {
	data := Item{Name: "cifar10", About: "CIFAR-10 in its binary format: 10,000 test and 50,000 training images, 184 MB"}
	data.Path, _ = f.FindCIFAR10()
	lib := Item{Name: "onnxruntime", About: "libonnxruntime " + ortVersion + ", which scores models, about 29 MB"}
	if path, version, how, err := f.FindRuntime(); err == nil {
		lib.Path, lib.How = path, fmt.Sprintf("%s, %s", version, how)
	}
	return []Item{data, lib}
}

func (f *Fetcher) logf(format string, a ...any) {
	if f.Log != nil {
		f.Log(fmt.Sprintf(format, a...))
	}
}

const partPrefix = ".part-"

// build makes the folder name of the cache: fill gets an empty folder to work in
// and names, by its base name there, the folder that is to become name. A
// folder of that name that already stands is replaced, since only a failed
// check leads here. Whatever happens no half-made folder remains.
func (f *Fetcher) build(name string, fill func(work string) (result string, err error)) (string, error) {
	if err := os.MkdirAll(f.Cache, 0o755); err != nil {
		return "", f.cacheError(err)
	}
	f.sweep()
	work, err := os.MkdirTemp(f.Cache, partPrefix)
	if err != nil {
		return "", f.cacheError(err)
	}
	defer os.RemoveAll(work)
	result, err := fill(work)
	if err != nil {
		return "", err
	}
	final := filepath.Join(f.Cache, name)
	old := filepath.Join(work, "replaced")
	if err := os.Rename(final, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", f.cacheError(err)
	}
	if err := os.Rename(filepath.Join(work, result), final); err != nil {
		return "", f.cacheError(err)
	}
	return final, syncDir(f.Cache)
}

// sweep removes work folders that a killed process left behind more than a day
// ago; a younger one may belong to a fetch that is running.
func (f *Fetcher) sweep() {
	left, _ := filepath.Glob(filepath.Join(f.Cache, partPrefix+"*"))
	for _, dir := range left {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > 24*time.Hour {
			os.RemoveAll(dir)
		}
	}
}

func (f *Fetcher) cacheError(err error) error {
	return &Error{What: "the cache cannot be written: " + err.Error(), Cause: err,
		Remedy: "make room in " + f.Cache + ", or set XDG_CACHE_HOME to a folder you can write to"}
}

// command runs a program in folder dir and gives its standard output. The error
// carries the last line the program wrote to its standard error, which in npm
// and pip is the one that says why. A cancelled ctx ends the program.
func command(ctx context.Context, dir, name string, args ...string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is not installed", name)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("`%s %s` failed: %w: %s", name, args[0], err, reason(errs.String()))
	}
	return out.String(), nil
}

// reason picks from a program's error output the first line that speaks of an
// error, or else the last line.
func reason(output string) string {
	last := "it gave no reason"
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if strings.HasPrefix(strings.ToLower(line), "error") {
			return line
		}
		last = line
	}
	return last
}

// syncDir makes the names in a folder as durable as the files they name.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("fetch: %w", err)
	}
	defer d.Close()
	// Some file systems cannot sync a folder; the rename itself has happened.
	_ = d.Sync()
	return nil
}
