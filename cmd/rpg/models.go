package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"rpg/onnxio"
)

// modelPaths are the model files that the arguments name: a folder stands for
// the .onnx files in it, in the order of their names.
func modelPaths(arguments []string) ([]string, error) {
	var paths []string
	for _, a := range arguments {
		info, err := os.Stat(a)
		if errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(a, "*?[") {
			return nil, failedf("the shell found no file for this pattern", "%s: no such file", a)
		}
		if err != nil || !info.IsDir() {
			paths = append(paths, a) // opening it says what is wrong
			continue
		}
		found, err := filepath.Glob(filepath.Join(escapeGlob(a), "*.onnx"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a, err)
		}
		if len(found) == 0 {
			return nil, failedf("give the .onnx files themselves if they have other names", "%s: an empty zoo: no .onnx file in this folder", a)
		}
		paths = append(paths, found...)
	}
	return paths, nil
}

// escapeGlob makes a folder's name a pattern that matches only itself.
func escapeGlob(path string) string {
	return strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]").Replace(path)
}

// openModels opens every model. close is never nil.
func (s *session) openModels(paths []string) (models []*onnxio.Model, close func(), err error) {
	close = func() {
		for _, m := range models {
			m.Close()
		}
	}
	for _, path := range paths {
		m, err := onnxio.OpenWith(path, s.limits)
		if err != nil {
			return models, close, explain(err)
		}
		models = append(models, m)
	}
	return models, close, nil
}

// explain adds what to do to the errors of onnxio.
func explain(err error) error {
	switch {
	case errors.Is(err, onnxio.ErrNotONNX):
		return withHint(err, "give a model exported as ONNX, e.g. by torch.onnx.export")
	case errors.Is(err, onnxio.ErrTruncated):
		return withHint(err, "copy or download the file again")
	case errors.Is(err, onnxio.ErrUnsupported):
		return withHint(err, "save it as one self-contained float32 file, e.g. in Python: onnx.save_model(onnx.load(IN), OUT)")
	case errors.Is(err, onnxio.ErrLimit):
		return withHint(err, "if you trust the file, --limit NAME=N raises a limit: "+strings.Join(limitNames, ", "))
	case errors.Is(err, onnxio.ErrSelection):
		return &failure{code: exitUsage, err: err, hint: "rpg inspect MODEL lists the tensors and what happens to them"}
	case errors.Is(err, onnxio.ErrNotFinite):
		return withHint(err, "leave this file out: a model with NaN or Inf is broken")
	}
	return err
}

// sameGraphs fails at the first model whose graph is not that of the first.
func sameGraphs(models []*onnxio.Model) error {
	for _, m := range models[1:] {
		if difference := models[0].Difference(m); difference != "" {
			return failedf("all models must have one architecture; rpg check lists which differ",
				"%s: expected the graph of %s, found a difference: %s", m.Path, models[0].Path, difference)
		}
	}
	return nil
}
