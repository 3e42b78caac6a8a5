package generator

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// trainIn runs a training in dir to its end or until stop says so.
func trainIn(t *testing.T, dir string, r Resolved, zoo *Zoo, template func(string) error, threads int, h Hooks) error {
	t.Helper()
	run, err := Create(dir, r, zoo, template, false)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	return run.Train(context.Background(), openCPU(t, threads), zoo, h)
}

func sameFile(t *testing.T, name, a, b string) {
	t.Helper()
	x, err := os.ReadFile(filepath.Join(a, name))
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(filepath.Join(b, name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Errorf("%s differs between %s and %s", name, a, b)
	}
}

// TestResume: stopping after any step and resuming, with another number of
// threads, gives the bytes of a run that never stopped.
func TestResume(t *testing.T) {
	for _, c := range []struct{ recurrent, denoiser, window, optimizer string }{
		{"mamba2", "mlp", "0", "adamw"}, {"mamba2", "conv", "0", "adamw"}, {"lstm", "mlp", "0", "adamw"}, {"transformer", "mlp", "0", "adamw"}, {"none", "mlp", "0", "adamw"},
		{"mamba2", "conv", "11", "adamw"}, {"lstm", "mlp", "11", "adamw"},
		{"mamba2", "conv", "0", "adamw8bit"},
	} {
		t.Run(strings.Join([]string{c.recurrent, c.denoiser, c.window, c.optimizer}, "-"), func(t *testing.T) {
			zoo, template := testZoo(t, 4, 512)
			r := small(t, Override{"recurrent", c.recurrent, ""}, Override{"denoiser", c.denoiser, ""}, Override{"window", c.window, ""}, Override{"optimizer", c.optimizer, ""})
			whole, parts := t.TempDir(), t.TempDir()
			if err := trainIn(t, whole, r, zoo, template, 1, Hooks{}); err != nil {
				t.Fatal(err)
			}
			for _, stop := range []int{1, 3, 4} {
				run, err := Create(parts, r, zoo, template, false)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(context.Background())
				err = run.Train(ctx, openCPU(t, 1+stop%3), zoo, Hooks{Step: func(e StepEvent) {
					if e.Step == stop {
						cancel()
					}
				}})
				run.Close()
				if !errors.Is(err, ErrInterrupted) {
					t.Fatalf("stopped at %d: %v, want ErrInterrupted", stop, err)
				}
			}
			if err := trainIn(t, parts, r, zoo, template, 3, Hooks{}); err != nil {
				t.Fatal(err)
			}
			sameFile(t, modelFile, whole, parts)
			sameFile(t, stateFile, whole, parts)
			b, err := os.ReadFile(filepath.Join(parts, metricsFile))
			if err != nil {
				t.Fatal(err)
			}
			if lines := strings.Count(string(b), "\n"); lines != r.Config.Steps {
				t.Errorf("metrics.jsonl has %d lines, want one for each of %d steps", lines, r.Config.Steps)
			}
			// Running it once more changes nothing.
			if err := trainIn(t, parts, r, zoo, template, 1, Hooks{Step: func(e StepEvent) { t.Errorf("step %d again", e.Step) }}); err != nil {
				t.Fatal(err)
			}
			sameFile(t, modelFile, whole, parts)
		})
	}
}

// TestDiverged: a loss that is not finite ends training and keeps the last
// good checkpoint.
func TestDiverged(t *testing.T) {
	zoo, template := testZoo(t, 2, 512)
	dir := t.TempDir()
	r := small(t, Override{"lr", "10", ""}, Override{"clip", "0", ""}, Override{"steps", "400", ""}, Override{"denoiser", "conv", ""}, Override{"prediction", "eps", ""})
	zoo.Tokens[5] = float32(math.Inf(1)) // a checkpoint that tokenize would refuse
	err := trainIn(t, dir, r, zoo, template, 2, Hooks{SaveEvery: 1})
	var diverged *DivergedError
	if !errors.As(err, &diverged) {
		t.Fatalf("got %v, want a DivergedError", err)
	}
	if _, err := os.Stat(filepath.Join(dir, stateFile)); diverged.Step > 1 && err != nil {
		t.Errorf("no checkpoint was kept: %v", err)
	}
}

// TestLossFalls: each denoiser and each recurrent model learns something in sixty steps.
func TestLossFalls(t *testing.T) {
	zoo, template := testZoo(t, 4, 512)
	for _, c := range []struct {
		recurrent, denoiser, prediction string
	}{
		{"mamba2", "mlp", "x0"}, {"mamba2", "mlp", "v"}, {"mamba2", "conv", "eps"},
		{"lstm", "mlp", "x0"}, {"transformer", "mlp", "x0"}, {"none", "mlp", "x0"},
	} {
		t.Run(c.recurrent+"-"+c.denoiser+"-"+c.prediction, func(t *testing.T) {
			r := small(t, Override{"recurrent", c.recurrent, ""}, Override{"denoiser", c.denoiser, ""}, Override{"prediction", c.prediction, ""}, Override{"steps", "60", ""}, Override{"lr", "0.01", ""})
			var losses []float64
			if err := trainIn(t, t.TempDir(), r, zoo, template, 2, Hooks{Step: func(e StepEvent) { losses = append(losses, e.Loss) }}); err != nil {
				t.Fatal(err)
			}
			first, last := mean(losses[:5]), mean(losses[len(losses)-5:])
			if !(last < 0.9*first) {
				t.Errorf("the loss went from %.3f to %.3f, want it to fall by a tenth at least", first, last)
			}
		})
	}
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}
