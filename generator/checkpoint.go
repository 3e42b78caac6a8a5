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
	ps := &tr.net.ps
	value, ema := make([]float32, ps.total), make([]float32, ps.total)
	m, v := make([]float32, ps.trained), make([]float32, ps.trained)
	for _, c := range []struct {
		dst []float32
		src compute.Buffer
	}{{value, ps.value}, {ema, tr.ema}, {m, tr.m}, {v, tr.v}} {
		if err := tr.dev.Download(c.dst, c.src); err != nil {
			return "", err
		}
	}
	var state []namedTensor
	for _, part := range []struct {
		prefix string
		flat   []float32
	}{{"value.", value}, {"ema.", ema}, {"m.", m}, {"v.", v}} {
		state = append(state, ps.named(part.prefix, part.flat)...)
	}
	for _, t := range state {
		if i := firstNotFinite(t.values); i >= 0 {
			return "", &DivergedError{tr.step, fmt.Sprintf("%s[%d] is %v", t.name, i, t.values[i])}
		}
	}
	if err := r.write(stateFile, state, tr.step); err != nil {
		return "", err
	}
	if err := r.write(modelFile, ps.named("", ema), tr.step); err != nil {
		return "", err
	}
	return r.path(modelFile), r.markDone(tr.step)
}

func firstNotFinite(values []float32) int {
	return slices.IndexFunc(values, func(x float32) bool { return !(x-x == 0) })
}

func (r *Run) write(name string, tensors []namedTensor, step int) error {
	list := make([]safetensors.Tensor, len(tensors))
	for i, t := range tensors {
		list[i] = safetensors.Tensor{Name: t.name, Shape: t.shape, Values: t.values}
	}
	meta := map[string]string{"format": runSchema, "step": strconv.Itoa(step), "config_sha256": r.Config.SHA256()}
	err := atomicfile.Write(r.path(name), true, func(w io.Writer) error { return safetensors.Write(w, list, meta) })
	if err != nil {
		return fmt.Errorf("generator: %w", err)
	}
	return nil
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

// read opens a checkpoint file and checks that it belongs to this run. It
// returns the step and the flat values of each prefix.
func (r *Run) read(name string, ps *params, prefixes ...string) (int, [][]float32, error) {
	path := r.path(name)
	f, err := safetensors.Open(path)
	if err != nil {
		return 0, nil, fmt.Errorf("generator: %w", err)
	}
	step, err := strconv.Atoi(f.Metadata["step"])
	if err != nil || step < 1 || step > r.Config.Steps {
		return 0, nil, fmt.Errorf("generator: %s: step is %q, expected 1 to %d", path, f.Metadata["step"], r.Config.Steps)
	}
	if got := f.Metadata["config_sha256"]; got != r.Config.SHA256() {
		return 0, nil, fmt.Errorf("generator: %s: belongs to another configuration (sha256 %.16s, expected %.16s)", path, got, r.Config.SHA256())
	}
	var flats [][]float32
	for _, prefix := range prefixes {
		size := ps.total
		if prefix == "m." || prefix == "v." {
			size = ps.trained
		}
		flat := make([]float32, size)
		for _, want := range ps.named(prefix, flat) {
			t := f.Tensor(want.name)
			if t == nil || !slices.Equal(t.Shape, want.shape) {
				return 0, nil, fmt.Errorf("generator: %s: tensor %q of shape %v is missing or has another shape", path, want.name, want.shape)
			}
			if i := firstNotFinite(t.Values); i >= 0 {
				return 0, nil, fmt.Errorf("generator: %s: tensor %q value %d is %v", path, want.name, i, t.Values[i])
			}
			copy(want.values, t.Values)
		}
		flats = append(flats, flat)
	}
	return step, flats, nil
}

// resume puts the last saved state into tr, or the first values when there is
// none.
func (r *Run) resume(tr *trainer) error {
	if _, err := os.Stat(r.path(stateFile)); errors.Is(err, fs.ErrNotExist) {
		tr.start()
		return nil
	}
	step, flats, err := r.read(stateFile, &tr.net.ps, "value.", "ema.", "m.", "v.")
	if err != nil {
		return err
	}
	tr.step = step
	for i, b := range []compute.Buffer{tr.net.ps.value, tr.ema, tr.m, tr.v} {
		tr.dev.Upload(b, flats[i])
	}
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

// metrics is the open metrics.jsonl.
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
