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

// A flat is a flat buffer of values on its way to or from a checkpoint, where
// its tensors have names that begin with prefix.
type flat struct {
	prefix string
	values compute.Buffer
}

// pieceValues is how many values are in the process's memory at a time, beside
// the device's.
const pieceValues = 1 << 16

// save writes state.safetensors, model.safetensors and the DONE marker, in
// this order, each complete or not at all. A kill between them leaves a state
// that resumes and an older model, and no marker for it.
func (r *Run) save(tr *trainer) (string, error) {
	if err := r.write(stateFile, tr, tr.flats()...); err != nil {
		return "", err
	}
	if err := r.write(modelFile, tr, flat{"", tr.ema}); err != nil {
		return "", err
	}
	return r.path(modelFile), r.markDone(tr.step)
}

// flats are all that training needs to go on.
func (tr *trainer) flats() []flat {
	return []flat{{"value.", tr.net.ps.value}, {"ema.", tr.ema}, {"m.", tr.m}, {"v.", tr.v}}
}

func firstNotFinite(values []float32) int {
	return slices.IndexFunc(values, func(x float32) bool { return !(x-x == 0) })
}

// write writes a file of flat buffers, piece by piece. A value that is not
// finite is a *DivergedError, and leaves the old file.
func (r *Run) write(name string, tr *trainer, flats ...flat) error {
	// Steps allocate nothing: without this, the buffers of one file after the other
	// would be added to the process's memory.
	runtime.GC()
	var entries []safetensors.Entry
	for _, f := range flats {
		for _, p := range tr.net.ps.within(f.values.Len()) {
			entries = append(entries, safetensors.NewEntry(f.prefix+p.name, safetensors.F32, p.shape...))
		}
	}
	meta := map[string]string{"format": runSchema, "step": strconv.Itoa(tr.step), "config_sha256": r.Config.SHA256()}
	buf := make([]float32, pieceValues)
	err := atomicfile.Write(r.path(name), true, func(w io.Writer) error {
		out, err := safetensors.NewWriter(w, entries, meta)
		if err != nil {
			return err
		}
		for _, f := range flats {
			for _, p := range tr.net.ps.within(f.values.Len()) {
				for at := 0; at < p.n; at += pieceValues {
					piece := buf[:min(pieceValues, p.n-at)]
					if err := tr.dev.Download(piece, f.values.Slice(p.at+at, p.at+at+len(piece))); err != nil {
						return err
					}
					if i := firstNotFinite(piece); i >= 0 {
						return &DivergedError{tr.step, fmt.Sprintf("%s%s[%d] is %v", f.prefix, p.name, at+i, piece[i])}
					}
					if err := out.WriteF32(piece); err != nil {
						return err
					}
				}
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
// flat buffers from it, piece by piece. It returns the step. After an error
// the buffers hold some values of the file.
func (r *Run) read(name string, dev compute.Device, ps *params, flats ...flat) (int, error) {
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
	buf := make([]float32, pieceValues)
	for _, to := range flats {
		for _, p := range ps.within(to.values.Len()) {
			e := f.Entry(to.prefix + p.name)
			if e == nil || e.DType != safetensors.F32 || !slices.Equal(e.Shape, p.shape) {
				return 0, fmt.Errorf("generator: %s: tensor %q of shape %v is missing or has another shape", path, to.prefix+p.name, p.shape)
			}
			for at := 0; at < p.n; at += pieceValues {
				piece := buf[:min(pieceValues, p.n-at)]
				if err := f.ReadF32(e, piece, at); err != nil {
					return 0, fmt.Errorf("generator: %w", err)
				}
				if i := firstNotFinite(piece); i >= 0 {
					return 0, fmt.Errorf("generator: %s: tensor %q value %d is %v", path, e.Name, at+i, piece[i])
				}
				dev.Upload(to.values.Slice(p.at+at, p.at+at+len(piece)), piece)
			}
		}
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
	step, err := r.read(stateFile, tr.dev, &tr.net.ps, tr.flats()...)
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
