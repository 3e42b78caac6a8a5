package peer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// requirements are the packages that peer.py needs, in the versions that rpg's
// published figures were measured against.
var requirements = [...]string{"torch==2.15.0", "onnx==1.23.2", "onnxruntime==1.32.0", "numpy==2.4.6"}

// Python gives the interpreter of a virtual environment in the folder cache
// that has what peer.py needs, and makes the environment with pip when it is
// not there yet: a download of several GB, which log announces.
func Python(ctx context.Context, cache string, log func(line string)) (string, error) {
	home := filepath.Join(cache, "peer-"+strings.ReplaceAll(requirements[0], "==", "-"))
	python := filepath.Join(home, "bin", "python")
	complete := filepath.Join(home, "complete")
	if _, err := os.Stat(complete); err == nil {
		return python, nil
	}
	log(fmt.Sprintf("installing %s with pip into %s (several GB)", strings.Join(requirements[:], ", "), home))
	if err := os.RemoveAll(home); err != nil {
		return "", fmt.Errorf("peer: %w", err)
	}
	if err := os.MkdirAll(cache, 0o777); err != nil {
		return "", fmt.Errorf("peer: %w", err)
	}
	for _, words := range [][]string{
		// Without pip inside: Debian's python3 cannot put it there.
		{"python3", "-m", "venv", "--without-pip", home},
		append([]string{"python3", "-m", "pip", "--disable-pip-version-check", "--python", python, "install", "-q", "--only-binary=:all:"}, requirements[:]...),
		{python, "-c", "import torch, onnx, onnxruntime, numpy"},
	} {
		out, err := exec.CommandContext(ctx, words[0], words[1:]...).CombinedOutput()
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if errors.Is(err, exec.ErrNotFound) {
			return "", errors.New("peer: there is no python3 on this machine")
		}
		if err != nil {
			return "", fmt.Errorf("peer: %s: %w: %s", strings.Join(words, " "), err, end(string(out)))
		}
	}
	if err := os.WriteFile(complete, nil, 0o666); err != nil {
		return "", fmt.Errorf("peer: %w", err)
	}
	return python, nil
}
