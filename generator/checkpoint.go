package generator

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"rpg/generator/compute"
	"rpg/internal/atomicfile"
	"rpg/internal/safetensors"
)

// save writes state.safetensors, model.safetensors and the DONE marker, in
// this order, each complete or not at all. A kill between them leaves a state
// that resumes and an older model, and no marker for it.
func (r *Run) save(tr *trainer) (string, error) {
	if err := r.write(stateFile, tr, tr.stored()); err != nil {
		return "", err
	}
	if err := r.write(modelFile, tr, tr.net.ps.stored("", 0, tr.ema)); err != nil {
		return "", err
	}
	return r.path(modelFile), r.markDone(tr.step)
}

// stored is all that training needs to go on.
func (tr *trainer) stored() []stored {
	ps := &tr.net.ps
	return slices.Concat(ps.stored("value.", 0, ps.value), ps.stored("ema.", 0, tr.ema), tr.opt.stored(ps))
}

// write writes a file of tensors, piece by piece. A value that is not finite is a
// *DivergedError, and leaves the old file.
func (r *Run) write(name string, tr *trainer, tensors []stored) error {
	// Steps allocate nothing: without this, the buffers of one file after the other
	// would be added to the process's memory.
	runtime.GC()
	var entries []safetensors.Entry
	for _, s := range tensors {
		entries = append(entries, s.entry)
	}
	meta := map[string]string{"format": runSchema, "step": strconv.Itoa(tr.step), "config_sha256": r.Config.SHA256()}
	pieces := newPieces(tr.dev)
	err := atomicfile.Write(r.path(name), true, func(w io.Writer) error {
		out, err := safetensors.NewWriter(w, entries, meta)
		if err != nil {
			return err
		}
		for _, s := range tensors {
			if err := pieces.write(out, s, tr.step); err != nil {
				return err
			}
		}
		return out.Close()
	})
	var diverged *DivergedError
	if err != nil && !errors.As(err, &diverged) {
		err = fmt.Errorf("generator: %w", err)
	}
	return err
}

// markDone leaves exactly one marker, of this step.
func (r *Run) markDone(step int) error {
	marker := fmt.Sprintf("%s%08d", donePrefix, step)
	if err := atomicfile.Write(r.path(marker), true, func(io.Writer) error { return nil }); err != nil {
		return fmt.Errorf("generator: %w", err)
	}
	entries, err := os.ReadDir(r.Dir)
	if err != nil {
		return fmt.Errorf("generator: %w", err)
	}
	for _, e := range entries {
		if n := e.Name(); strings.HasPrefix(n, donePrefix) && n != marker {
			if err := os.Remove(r.path(n)); err != nil {
				return fmt.Errorf("generator: %w", err)
			}
		}
	}
	return nil
}

// read opens a checkpoint file, checks that it belongs to this run, and fills
// tensors from it, piece by piece. It returns the step. After an error the
// tensors hold some values of the file.
func (r *Run) read(name string, dev compute.Device, tensors []stored) (int, error) {
	path := r.path(name)
	f, err := safetensors.OpenReader(path)
	if err != nil {
		return 0, fmt.Errorf("generator: %w", err)
	}
	defer f.Close()
	step, err := strconv.Atoi(f.Metadata["step"])
	if err != nil || step < 1 || step > r.Config.Steps {
		return 0, fmt.Errorf("generator: %s: step is %q, expected 1 to %d", path, f.Metadata["step"], r.Config.Steps)
	}
	if got := f.Metadata["config_sha256"]; got != r.Config.SHA256() {
		return 0, fmt.Errorf("generator: %s: belongs to another configuration (sha256 %.16s, expected %.16s)", path, got, r.Config.SHA256())
	}
	if err := readTensors(f, dev, tensors, path); err != nil {
		return 0, err
	}
	return step, nil
}

// resume puts the last saved state into tr, or the first values when there is
// none.
func (r *Run) resume(tr *trainer) error {
	if _, err := os.Stat(r.path(stateFile)); errors.Is(err, fs.ErrNotExist) {
		tr.start()
		return nil
	}
	step, err := r.read(stateFile, tr.dev, tr.stored())
	if err != nil {
		return err
	}
	tr.step = step
	if step == r.Config.Steps {
		// A kill after the last state may have left an older model.
		_, err = r.save(tr)
	}
	return err
}

// Step returns the step of the learned weights, 0 when none are saved yet.
func (r *Run) Step() (int, error) {
	entries, err := os.ReadDir(r.Dir)
	if err != nil {
		return 0, fmt.Errorf("generator: %w", err)
	}
	step := 0
	for _, e := range entries {
		if s, ok := strings.CutPrefix(e.Name(), donePrefix); ok {
			if n, err := strconv.Atoi(s); err == nil {
				step = max(step, n)
			}
		}
	}
	return step, nil
}

// metrics is the open metrics.jsonl. Each line is written at once, so that Note
// may add some of its own.
type metrics struct {
	f     *os.File
	begin time.Time
}

// stepLine is a line of metrics.jsonl.
type stepLine struct {
	Event    string  `json:"event"`
	Step     int     `json:"step"`
	Loss     float64 `json:"loss"`
	GradNorm float64 `json:"grad_norm"`
	LR       float64 `json:"lr"`
	Elapsed  float64 `json:"elapsed_s"` // in this process
}

// openMetrics drops the lines after step, which a stopped process wrote but
// did not save, and opens the file for more.
func (r *Run) openMetrics(step int) (*metrics, error) {
	path := r.path(metricsFile)
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("generator: %w", err)
	}
	var keep bytes.Buffer
	for lines := bufio.NewScanner(bytes.NewReader(old)); lines.Scan(); {
		var l stepLine
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Step <= step {
			keep.Write(lines.Bytes())
			keep.WriteByte('\n')
		}
	}
	if !bytes.Equal(keep.Bytes(), old) {
		if err := atomicfile.Write(path, true, func(w io.Writer) error { _, err := w.Write(keep.Bytes()); return err }); err != nil {
			return nil, fmt.Errorf("generator: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, fmt.Errorf("generator: %w", err)
	}
	return &metrics{f, time.Now()}, nil
}

func (m *metrics) append(e StepEvent) error {
	b, err := json.Marshal(stepLine{"step", e.Step, e.Loss, e.GradNorm, e.LR, time.Since(m.begin).Seconds()})
	if err != nil {
		return fmt.Errorf("generator: metrics: %w", err)
	}
	if _, err := m.f.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("generator: %w", err)
	}
	return nil
}

func (m *metrics) Close() error { return m.f.Close() }

// Note adds a line to metrics.jsonl beside those of the steps, as the accuracy of
// models sampled on the way. v is a JSON object with a field "step": a training
// that goes on from an earlier step drops it.
func (r *Run) Note(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("generator: metrics: %w", err)
	}
	f, err := os.OpenFile(r.path(metricsFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return fmt.Errorf("generator: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("generator: %w", err)
	}
	return nil
}
