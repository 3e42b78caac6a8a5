// Command coverage reads every .onnx file below the given folders, writes it
// again, and counts what came of it. It prints a Markdown table.
//
//	go run ./onnxio/coverage [-python PYTHON] [-keep FOLDER] [NAME=]FOLDER...
//
// The table has a column for each folder, headed by its name.
//
// Every file is opened, or refused with a reason. It is written with its own
// values, which must give the same bytes; and with every generated value times
// 1.001. Its second reading by onnx-go is compared. With -python (or
// RPG_TEST_PYTHON), an interpreter that has onnx, numpy and onnxruntime, each
// stored tensor is compared with what the onnx package reads, the changed ones
// too, and ONNX Runtime must load the changed file and the one with weights as
// inputs where it loads the original, the latter with the same outputs.
//
// The exit status is 1 when anything that must be equal is not, when onnxio
// panics, and when another reader reads a file otherwise; the files are listed.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	_ "embed"

	"rpg/onnxio"
	"rpg/onnxio/secondreader"
)

//go:embed coverage.py
var script []byte

// file is what is known of one file; the Python script reads it as JSON.
type file struct {
	Path    string   `json:"path"`
	folder  int      // its number in the command line
	Refused string   `json:"refused,omitempty"` // by onnxio, and why
	Same    string   `json:"same,omitempty"`    // "" when written back unchanged, else what differs
	Changed string   `json:"changed,omitempty"` // the file with new values
	Kept    string   `json:"kept,omitempty"`    // why there is no Changed
	Inputs  string   `json:"inputs,omitempty"`  // the file with weights as inputs
	Moved   string   `json:"moved,omitempty"`   // the file with its initializers in a side file
	Lifted  string   `json:"lifted,omitempty"`  // why there is no Inputs
	Tensors []tensor `json:"tensors"`
	Names   []string `json:"names"` // of the weights' inputs
	Weights []int    `json:"weights"`

	generated      int
	second, reason string
	panicked       string // what onnxio panicked with
}

// tensor is one stored tensor; Old and New are SHA-256 of its values.
type tensor struct {
	Name     string `json:"name"` // of an initializer, which other readers know by it
	DType    int    `json:"dtype"`
	Shape    []int  `json:"shape"`
	Old      string `json:"old"`
	New      string `json:"new"`
	Generate bool   `json:"generate"`
}

// scaled gives a model's values times 1.001.
type scaled struct{ *onnxio.Model }

func (s scaled) ReadValues(i int, dst []float32, off int) error {
	err := s.Model.ReadValues(i, dst, off)
	for k := range dst {
		dst[k] *= 1.001
	}
	return err
}

func main() {
	python := flag.String("python", os.Getenv("RPG_TEST_PYTHON"), "interpreter with onnx, numpy and onnxruntime; without it only the first half is done")
	keep := flag.String("keep", "", "folder to keep what is written")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	ok, err := run(os.Stdout, flag.Args(), *python, *keep)
	if err != nil {
		fmt.Fprintln(os.Stderr, "coverage:", err)
		os.Exit(2)
	}
	if !ok {
		os.Exit(1)
	}
}

func run(out io.Writer, folders []string, python, keep string) (ok bool, err error) {
	work := keep
	if work == "" {
		if work, err = os.MkdirTemp("", "coverage"); err != nil {
			return false, err
		}
		defer os.RemoveAll(work)
	} else if err := os.MkdirAll(work, 0o755); err != nil {
		return false, err
	}
	var files []*file
	var names []string
	for i, folder := range folders {
		name, folder, named := strings.Cut(folder, "=")
		if !named {
			name, folder = filepath.Base(name), name
		}
		names = append(names, name)
		paths, err := list(folder)
		if err != nil {
			return false, err
		}
		for _, path := range paths {
			f := &file{Path: path, folder: i}
			if err := f.look(filepath.Join(work, fmt.Sprint(len(files)))); err != nil {
				return false, fmt.Errorf("%s: %w", path, err)
			}
			files = append(files, f)
		}
	}
	var results []*result
	if python != "" {
		if results, err = ask(python, work, files); err != nil {
			return false, err
		}
	}
	return report(out, names, files, results), nil
}

// list finds the .onnx files below a folder; none at all is an error.
func list(folder string) ([]string, error) {
	root, err := filepath.Abs(folder)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return nil, err
	}
	var paths []string
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, ".onnx") {
			paths = append(paths, path)
		}
		return err
	})
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("%s: no .onnx file below it", folder)
	}
	slices.Sort(paths)
	return paths, err
}

// look opens the file, writes it in three ways into dir, and fills in f. Its
// error is one of the machine, not of the file; a panic is the file's.
func (f *file) look(dir string) error {
	defer func() {
		if what := recover(); what != nil {
			f.Refused, f.panicked = "onnxio panics", fmt.Sprintf("%v\n%s", what, debug.Stack())
		}
	}()
	m, err := onnxio.Open(f.Path)
	if err != nil {
		f.Refused = class(err)
		return nil
	}
	defer m.Close()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f.second, f.reason = secondreader.Compare(context.Background(), m)
	if f.Tensors, err = hashes(m); err != nil {
		return err
	}
	for i, t := range m.Tensors() {
		if j := slices.Index(m.Weights(), t); j >= 0 {
			f.generated++
			f.Tensors[i].Generate = true
		}
	}
	if err := f.writeBack(m, filepath.Join(dir, "same.onnx")); err != nil {
		return err
	}
	if err := f.writeChanged(m, filepath.Join(dir, "changed.onnx")); err != nil {
		return err
	}
	moved := filepath.Join(dir, "moved.onnx")
	if err := onnxio.Write(moved, m, m, onnxio.WriteOptions{Force: true, External: true, ExternalFrom: 1}); err != nil {
		f.Same = "cannot be written with a side file: " + err.Error()
	} else if _, err := os.Stat(moved + ".data"); err == nil {
		f.Moved = moved
	}
	model, names, err := m.WithWeightsAsInputs()
	if err != nil {
		f.Lifted = class(err)
		return nil
	}
	f.Inputs, f.Names = filepath.Join(dir, "inputs.onnx"), names
	for _, w := range m.Weights() {
		f.Weights = append(f.Weights, slices.Index(m.Tensors(), w))
	}
	return os.WriteFile(f.Inputs, model, 0o644)
}

// hashes lists the tensors of a model with the SHA-256 of their values as Old.
func hashes(m *onnxio.Model) ([]tensor, error) {
	tensors := []tensor{}
	for _, t := range m.Tensors() {
		sum := sha256.New()
		if err := m.WriteTensor(sum, t); err != nil {
			return nil, err
		}
		x := tensor{DType: int(t.DType), Shape: t.Shape, Old: hex.EncodeToString(sum.Sum(nil))}
		if x.Shape == nil {
			x.Shape = []int{}
		}
		if t.Stored == onnxio.StoredInitializer || t.Stored == onnxio.StoredExternal {
			x.Name = t.Name
		}
		tensors = append(tensors, x)
	}
	return tensors, nil
}

// writeBack writes the model with its own values, as such and as if they were
// others, and says in f.Same what is not as it was.
func (f *file) writeBack(m *onnxio.Model, dst string) error {
	if err := onnxio.Write(dst, m, m, onnxio.WriteOptions{Force: true}); err != nil {
		f.Same = "cannot be written: " + err.Error()
		return nil
	}
	was, err := os.ReadFile(f.Path)
	if err != nil {
		return err
	}
	now, err := os.ReadFile(dst)
	if err != nil {
		return err
	}
	if sides := m.SideFiles(); len(sides) == 0 {
		if !bytes.Equal(was, now) {
			f.Same = "other bytes"
		}
	} else if f.Same, err = sameSides(m, dst, sides); err != nil {
		return err
	}
	var copied bytes.Buffer
	err = onnxio.WriteTo(&copied, m, struct{ onnxio.Values }{m}, nil)
	if errors.Is(err, onnxio.ErrNotFinite) {
		return nil
	}
	if err != nil || len(m.SideFiles()) == 0 && !bytes.Equal(copied.Bytes(), was) {
		f.Same = fmt.Sprintf("equal values are written as other bytes (%v)", err)
	}
	return nil
}

// sameSides compares a model that has side files with its copy, whose side file
// has another name: the same tensors, and the same bytes beside it if it is one file.
func sameSides(m *onnxio.Model, dst string, sides []string) (string, error) {
	n, err := onnxio.Open(dst)
	if err != nil {
		return err.Error(), nil
	}
	defer n.Close()
	a, err := hashes(m)
	if err != nil {
		return "", err
	}
	b, err := hashes(n)
	if err != nil {
		return "", err
	}
	if !slices.EqualFunc(a, b, func(x, y tensor) bool { return x.Old == y.Old && x.Name == y.Name && slices.Equal(x.Shape, y.Shape) }) {
		return "other tensors", nil
	}
	if len(sides) > 1 {
		return "", nil
	}
	was, err := os.ReadFile(filepath.Join(filepath.Dir(m.Path), sides[0]))
	if err != nil {
		return "", err
	}
	now, err := os.ReadFile(dst + ".data")
	if err != nil {
		return "", err
	}
	if !bytes.Equal(was, now) {
		return "other bytes in the side file", nil
	}
	return "", nil
}

// writeChanged writes the model with other values and reads it again.
func (f *file) writeChanged(m *onnxio.Model, dst string) error {
	if err := onnxio.Write(dst, m, scaled{m}, onnxio.WriteOptions{Force: true}); err != nil {
		f.Kept = class(err)
		return nil
	}
	n, err := onnxio.Open(dst)
	if err != nil {
		f.Same = "the changed file is refused: " + err.Error()
		return nil
	}
	defer n.Close()
	if d := m.Difference(n); d != "" {
		f.Same = "the changed file has another graph: " + d
	}
	changed, err := hashes(n)
	if err != nil {
		return err
	}
	for i := range f.Tensors {
		f.Tensors[i].New = changed[i].Old
	}
	f.Changed = dst
	return nil
}

// class is an error without what is particular to the file, for counting.
func class(err error) string {
	var e *onnxio.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	what := e.What
	if i := strings.IndexAny(what, "\""); i >= 0 {
		what = strings.TrimSpace(what[:i]) + " ..."
	}
	if i := strings.Index(what, " at index"); i >= 0 {
		what = what[:i]
	}
	cause := e.Err
	var system *fs.PathError
	if errors.As(cause, &system) {
		cause = system.Err
	}
	return fmt.Sprintf("%v: %s", cause, what)
}

// result is what the script says about one file.
type result struct {
	Path    string `json:"path"`
	Read    string `json:"read"`    // "" when the onnx package reads it, else its error
	Equal   int    `json:"equal"`   // tensors that are read alike
	Unequal string `json:"unequal"` // the first difference
	New     int    `json:"new"`     // changed tensors that are read as expected
	Loads   string `json:"loads"`   // "yes", or why ONNX Runtime does not load the original
	Changed string `json:"changed"` // "yes", "" when not tried, or why it does not load the changed file
	Moved   string `json:"moved"`   // "equal", "read", "" when not tried, or what differs
	Inputs  string `json:"inputs"`  // "equal", "loaded", "" when not tried, or what differs
}

// ask runs the script over the files.
func ask(python, work string, files []*file) ([]*result, error) {
	list, err := json.Marshal(files)
	if err != nil {
		return nil, err
	}
	name := filepath.Join(work, "files.json")
	program := filepath.Join(work, "coverage.py")
	if err := errors.Join(os.WriteFile(name, list, 0o644), os.WriteFile(program, script, 0o644)); err != nil {
		return nil, err
	}
	cmd := exec.Command(python, program, name)
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", python, err)
	}
	var results []*result
	return results, json.Unmarshal(text, &results)
}
