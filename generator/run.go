package generator

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"rpg/internal/atomicfile"
	"rpg/tokenize"
)

// The files of a run folder.
const (
	configFile   = "config.json"        // resolved configuration, written last of the first four
	layoutFile   = "layout.json"        // how weights are cut and normalized
	templateFile = "template.onnx"      // the first checkpoint: the graph of every generated model
	templateData = "template.onnx.data" // its external data, when it has any
	modelFile    = "model.safetensors"  // averaged weights
	stateFile    = "state.safetensors"  // everything training needs to go on
	metricsFile  = "metrics.jsonl"      // one line a step
	lockFile     = "LOCK"
	donePrefix   = "DONE_" // empty; written after the files of its step
)

// A Run is a run folder: one training and what it learned.
type Run struct {
	Dir       string
	Config    Config
	Origins   map[string]string
	Tokenizer *tokenize.Tokenizer
	Zoo       ZooInfo
	lock      *os.File
}

// ZooInfo says what a run was trained on.
type ZooInfo struct {
	Count     int      `json:"count"`
	SHA256    string   `json:"sha256"` // of all tokens
	Signature string   `json:"signature"`
	Sources   []string `json:"sources"`
}

// runConfig is the content of config.json.
type runConfig struct {
	Schema       string            `json:"schema"`
	Config       Config            `json:"config"`
	Origins      map[string]string `json:"origins"`
	ConfigSHA256 string            `json:"config_sha256"`
	Zoo          ZooInfo           `json:"zoo"`
}

const runSchema = "rpg.run/1"

// Info describes the zoo.
func (z *Zoo) Info() ZooInfo {
	h := sha256.New()
	var block [4096]byte
	for rest := z.Tokens; len(rest) > 0; {
		n := min(len(rest), len(block)/4)
		for i, v := range rest[:n] {
			binary.LittleEndian.PutUint32(block[4*i:], math.Float32bits(v))
		}
		h.Write(block[:4*n])
		rest = rest[n:]
	}
	return ZooInfo{z.Count, hex.EncodeToString(h.Sum(nil)), z.Tokenizer.Layout.Signature, z.Sources}
}

// MismatchError says that a run folder was made by something else.
type MismatchError struct{ Dir, Key, Want, Found string }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("generator: %s: the run was made with %s = %s, this command has %s", e.Dir, e.Key, e.Found, e.Want)
}

// Create makes a run folder, or opens it again when the same configuration and
// zoo made it: anything else is a *MismatchError. With fresh, what an earlier
// run left is removed first. The folder is locked until Close.
//
// writeTemplate writes the model whose graph generated models will have to the
// path it is given.
func Create(dir string, r Resolved, zoo *Zoo, writeTemplate func(path string) error, fresh bool) (*Run, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("generator: %w", err)
	}
	if err := onlyRunFiles(dir); err != nil {
		return nil, err
	}
	run := &Run{Dir: dir, Config: r.Config, Origins: r.Origins, Tokenizer: zoo.Tokenizer, Zoo: zoo.Info()}
	if err := run.takeLock(); err != nil {
		return nil, err
	}
	err := run.removeLeftovers()
	if err == nil && fresh {
		err = run.clear()
	}
	if err != nil {
		run.Close()
		return nil, err
	}
	if _, err = readConfig(dir); errors.Is(err, fs.ErrNotExist) {
		err = run.writeNew(writeTemplate)
	} else if err == nil {
		var old *Run
		if old, err = Open(dir); err == nil {
			err = run.same(old)
		}
	}
	if err != nil {
		run.Close()
		return nil, err
	}
	return run, nil
}

// Open opens a run folder for sampling. It takes no lock: sampling may go on
// beside training.
func Open(dir string) (*Run, error) {
	c, err := readConfig(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("generator: %s: no %s here: not a run folder, or its training never began", dir, configFile)
	}
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, layoutFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("generator: %w", err)
	}
	t, err := tokenize.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("generator: %s: %w", path, err)
	}
	if t.Layout.Signature != c.Zoo.Signature || t.Layout.TokenDim != c.Config.TokenDim {
		return nil, fmt.Errorf("generator: %s: does not belong to %s beside it", path, configFile)
	}
	return &Run{Dir: dir, Config: c.Config, Origins: c.Origins, Tokenizer: t, Zoo: c.Zoo}, nil
}

// Template is the path of the model whose graph generated models have.
func (r *Run) Template() string { return filepath.Join(r.Dir, templateFile) }

// Close gives the folder free.
func (r *Run) Close() error {
	if r.lock == nil {
		return nil
	}
	return r.lock.Close()
}

func (r *Run) path(name string) string { return filepath.Join(r.Dir, name) }

// isRunFile tells whether a run may have made a file of this name.
func isRunFile(name string) bool {
	known := []string{configFile, layoutFile, templateFile, templateData, modelFile, stateFile, metricsFile, lockFile}
	return slices.Contains(known, name) || strings.HasPrefix(name, donePrefix) || strings.HasPrefix(name, ".") && strings.HasSuffix(name, ".tmp") ||
		strings.HasPrefix(name, "model-") && strings.HasSuffix(name, ".safetensors")
}

// onlyRunFiles refuses a folder with other things in it, unless it holds a run.
func onlyRunFiles(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, configFile)); err == nil {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("generator: %w", err)
	}
	for _, e := range entries {
		if !isRunFile(e.Name()) {
			return fmt.Errorf("generator: %s: the folder is not empty and not a run folder: it has %s", dir, e.Name())
		}
	}
	return nil
}

// LockedError says that another process trains in the folder.
type LockedError struct{ Dir string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("generator: %s: another process is training in this folder", e.Dir)
}

// takeLock holds an flock, which the system drops when the process ends in
// whatever way.
func (r *Run) takeLock() error {
	f, err := os.OpenFile(r.path(lockFile), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return fmt.Errorf("generator: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return &LockedError{r.Dir}
		}
		return fmt.Errorf("generator: %s: cannot be locked: %w", r.path(lockFile), err)
	}
	r.lock = f
	return nil
}

// removeLeftovers removes the temporary files of a killed process.
func (r *Run) removeLeftovers() error {
	left, err := filepath.Glob(r.path(".*.tmp"))
	if err != nil {
		return fmt.Errorf("generator: %s: %w", r.Dir, err)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("generator: %w", err)
		}
	}
	return nil
}

// clear removes the files of an earlier run, config.json first: without it the
// rest counts as never begun.
func (r *Run) clear() error {
	entries, err := os.ReadDir(r.Dir)
	if err != nil {
		return fmt.Errorf("generator: %w", err)
	}
	if err := os.Remove(r.path(configFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("generator: %w", err)
	}
	for _, e := range entries {
		if n := e.Name(); isRunFile(n) && n != lockFile && n != configFile {
			if err := os.Remove(r.path(n)); err != nil {
				return fmt.Errorf("generator: %w", err)
			}
		}
	}
	return nil
}

// writeNew writes the first files, config.json last. What a run that never
// got that far left behind is cleared first.
func (r *Run) writeNew(writeTemplate func(path string) error) error {
	if err := r.clear(); err != nil {
		return err
	}
	layout, err := r.Tokenizer.Marshal()
	if err != nil {
		return fmt.Errorf("generator: %w", err)
	}
	config, err := json.MarshalIndent(runConfig{runSchema, r.Config, r.Origins, r.Config.SHA256(), r.Zoo}, "", " ")
	if err != nil {
		return fmt.Errorf("generator: configuration: %w", err)
	}
	if err := writeTemplate(r.Template()); err != nil {
		return err
	}
	for _, f := range []struct {
		name    string
		content []byte
	}{{layoutFile, layout}, {configFile, append(config, '\n')}} {
		if err := atomicfile.Write(r.path(f.name), true, func(w io.Writer) error {
			_, err := w.Write(f.content)
			return err
		}); err != nil {
			return fmt.Errorf("generator: %w", err)
		}
	}
	return nil
}

// readConfig reads and checks config.json.
func readConfig(dir string) (*runConfig, error) {
	path := filepath.Join(dir, configFile)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("generator: %w", err)
	}
	c := new(runConfig)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, fmt.Errorf("generator: %s: %w", path, err)
	}
	if c.Schema != runSchema {
		return nil, fmt.Errorf("generator: %s: schema is %q, expected %q", path, c.Schema, runSchema)
	}
	if c.Config.Optimizer == "" {
		c.Config.Optimizer = firstOptimizer
	}
	if err := c.Config.Validate(); err != nil {
		return nil, fmt.Errorf("%w (in %s)", err, path)
	}
	if c.ConfigSHA256 != c.Config.SHA256() {
		return nil, fmt.Errorf("generator: %s: config_sha256 is not that of the configuration: the file was changed", path)
	}
	if c.Zoo.Count < 1 {
		return nil, fmt.Errorf("generator: %s: zoo count is %d, expected at least 1", path, c.Zoo.Count)
	}
	return c, nil
}

// same compares this command with the run found, and names the first
// difference. Names of source files may differ.
func (r *Run) same(old *Run) error {
	for _, k := range Keys() {
		if want, found := r.Config.Value(k), old.Config.Value(k); want != found {
			return &MismatchError{r.Dir, k, want, found}
		}
	}
	ours, theirs := r.Tokenizer.Layout.Selection, old.Tokenizer.Layout.Selection
	for _, c := range []struct {
		key         string
		want, found []string
	}{{"include", ours.Include, theirs.Include}, {"exclude", ours.Exclude, theirs.Exclude}} {
		if !slices.Equal(c.want, c.found) {
			return &MismatchError{r.Dir, c.key, patterns(c.want), patterns(c.found)}
		}
	}
	if want, found := r.Zoo.Signature, old.Zoo.Signature; want != found {
		return &MismatchError{r.Dir, "signature of the graph", want[:min(16, len(want))], found[:min(16, len(found))]}
	}
	if r.Zoo.Count != old.Zoo.Count {
		return &MismatchError{r.Dir, "number of models", itoa(r.Zoo.Count), itoa(old.Zoo.Count)}
	}
	if r.Zoo.SHA256 != old.Zoo.SHA256 {
		return &MismatchError{r.Dir, "sha256 of the models' weights", r.Zoo.SHA256[:16], old.Zoo.SHA256[:16]}
	}
	return nil
}

// patterns writes the patterns of a selection for people.
func patterns(list []string) string {
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, " ")
}
