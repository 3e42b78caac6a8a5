package generator

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rpg/generator/compute"
)

// TestOptimizers: states of 8 bits learn as states of float32 do.
func TestOptimizers(t *testing.T) {
	zoo, template := testZoo(t, 4, 512)
	for _, denoiser := range []string{"mlp", "conv"} {
		t.Run(denoiser, func(t *testing.T) {
			losses := map[string][]float64{}
			for _, name := range Optimizers {
				r := small(t, Override{"denoiser", denoiser, ""}, Override{"optimizer", name, ""}, Override{"steps", "80", ""}, Override{"lr", "0.01", ""})
				if err := trainIn(t, t.TempDir(), r, zoo, template, 2, Hooks{Step: func(e StepEvent) { losses[name] = append(losses[name], e.Loss) }}); err != nil {
					t.Fatal(err)
				}
			}
			end := func(name string) float64 { return mean(losses[name][60:]) }
			first, want, got := losses["adamw"][0], end("adamw"), end("adamw8bit")
			t.Logf("from %.4f to %.4f, with 8 bits %.4f", first, want, got)
			if losses["adamw8bit"][0] != first {
				t.Errorf("the first losses are %v and %v, want the same", first, losses["adamw8bit"][0])
			}
			if losses["adamw8bit"][9] == losses["adamw"][9] {
				t.Error("the losses are the same: these are not two optimizers")
			}
			// Of all that is learned, a twentieth may be missing.
			if !(got-want <= 0.05*(first-want)) {
				t.Errorf("the loss falls from %v to %v, with 8 bits to %v", first, want, got)
			}
		})
	}
}

// TestRunWithoutOptimizer: a run from before there was a choice of optimizer is
// sampled from and goes on.
func TestRunWithoutOptimizer(t *testing.T) {
	zoo, template := testZoo(t, 2, 512)
	dir, r := t.TempDir(), small(t, Override{"steps", "2", ""})
	if err := trainIn(t, dir, r, zoo, template, 1, Hooks{}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, configFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const key = `  "optimizer": "adamw",` + "\n"
	if strings.Count(string(b), key) != 1 {
		t.Fatalf("%s has no line %q:\n%s", configFile, key, b)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), key, "", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	run, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := run.Config.Value("optimizer"); got != "adamw" {
		t.Errorf("the optimizer is %q, want adamw", got)
	}
	if err := trainIn(t, dir, r, zoo, template, 1, Hooks{}); err != nil {
		t.Error(err)
	}
	if packed := small(t, Override{"optimizer", "adamw8bit", ""}).Config; packed.SHA256() == small(t).Config.SHA256() {
		t.Error("two optimizers have one SHA256")
	}
}

// TestOptimizerMemory: 8-bit states take what their codes and scales do, for
// matrices alone.
func TestOptimizerMemory(t *testing.T) {
	zoo, _ := testZoo(t, 2, 512)
	plan := func(name string) Forecast {
		return Plan(small(t, Override{"optimizer", name, ""}).Config, zoo.Tokenizer, 2, compute.Info{})
	}
	f32, codes := plan("adamw"), plan("adamw8bit")
	net := declareNetwork(small(t).Config, f32.Tokens, 2, 2, 40)
	net.ps.alloc(new(meter), true)
	matrices := int64(net.ps.matrices)
	if matrices%compute.StateBlock == 0 || matrices < 2*compute.StateBlock {
		t.Fatalf("%d values of matrices: want some blocks, of which the last is shorter", matrices)
	}
	blocks, words := (matrices+compute.StateBlock-1)/compute.StateBlock, (matrices+3)/4
	if got, want := f32.DeviceBytes-codes.DeviceBytes, 2*4*(matrices-words-blocks); got != want {
		t.Errorf("8-bit states of %d values save %d bytes, want %d", matrices, got, want)
	}
}
