package generator

import (
	"errors"
	"strings"
	"testing"
)

func TestPresetsAreValid(t *testing.T) {
	for _, p := range Presets {
		for _, parameters := range []int{1, 3_000, 10_853, 272_474, 1_248_424, 11_700_000, 200_000_000} {
			r, err := Resolve(parameters, []Override{{"preset", p, "flag --preset"}})
			if err != nil {
				t.Errorf("preset %s for %d parameters: %v", p, parameters, err)
			}
			if r.Config.Preset != p {
				t.Errorf("preset %s resolved to %q", p, r.Config.Preset)
			}
		}
	}
}

// TestPaperPreset holds the preset against the published script for CNN(m),
// workspace/compare/ours_cnnmedium.py.
func TestPaperPreset(t *testing.T) {
	r, err := Resolve(10_853, []Override{{"preset", "paper", ""}})
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"token-dim": "256", "width": "256", "state": "32", "layers": "2", "head-dim": "64", "residual": "false",
		"denoiser": "conv", "channels": "1,32,64,128,64,32,1", "kernel": "7", "diffusion-batch": "0", "batch": "8",
		"steps": "30000", "lr": "0.0001", "weight-decay": "0", "prediction": "eps", "stats": "paper", "positions": "sines", "state-init": "constant",
		"diffusion-steps": "1000", "beta-min": "0.0001", "beta-max": "0.02", "clip": "0", "ema": "0", "warmup": "0", "optimizer": "adamw",
	} {
		if got := r.Config.Value(key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

// TestPaperPresetBySize holds it against the published scripts for ImageNet's
// models, workspace/main, and for DoRA of rank 64.
func TestPaperPresetBySize(t *testing.T) {
	for _, c := range []struct {
		target                                 string
		parameters, batch, rows, steps, tokens int
		lr                                     float64
	}{
		{"ConvNeXt-Atto", 3_695_520, 4, 1024, 80_000, 8192, 3e-5},
		{"ViT-Tiny", 5_717_416, 4, 1024, 50_000, 8192, 3e-5},
		{"ResNet-18", 11_699_112, 8, 1024, 80_000, 8192, 3e-5},
		{"ViT-Small", 22_050_664, 4, 1024, 50_000, 8192, 3e-5},
		{"ResNet-50", 25_557_032, 8, 1024, 80_000, 8192, 3e-5},
		{"ViT-Base", 86_567_656, 2, 512, 120_000, 16384, 1e-5},
		{"DoRA r64", 113_100_000, 2, 512, 120_000, 16384, 1e-5},
		{"ConvNeXt-Large", 197_767_336, 2, 448, 120_000, 16384, 1e-5},
	} {
		r, err := Resolve(c.parameters, []Override{{"preset", "paper", ""}})
		if err != nil {
			t.Fatalf("%s: %v", c.target, err)
		}
		width, outWidth, channels, optimizer := 8192, 8192, "1,32,64,128,64,32,1", "adamw"
		if c.tokens == 16384 {
			width, outWidth, channels = 12288, 16384, "1,64,96,64,1"
		}
		if c.tokens == 16384 || c.target == "ViT-Tiny" {
			optimizer = "adamw8bit"
		}
		got := r.Config
		if got.Optimizer != optimizer || got.Window != 2048 {
			t.Errorf("%s: optimizer %s, window %d, want %s, 2048", c.target, got.Optimizer, got.Window, optimizer)
		}
		if got.Batch != c.batch || got.DiffusionBatch != c.rows || got.Steps != c.steps || got.LR != c.lr {
			t.Errorf("%s: batch %d, diffusion-batch %d, steps %d, lr %v, want %d, %d, %d, %v",
				c.target, got.Batch, got.DiffusionBatch, got.Steps, got.LR, c.batch, c.rows, c.steps, c.lr)
		}
		if got.TokenDim != c.tokens || got.Width != width || got.outWidth() != outWidth || got.State != 128 || got.Value("channels") != channels {
			t.Errorf("%s: tokens of %d, width %d to %d, state %d, channels %s, want %d, %d to %d, 128, %s",
				c.target, got.TokenDim, got.Width, got.outWidth(), got.State, got.Value("channels"), c.tokens, width, outWidth, channels)
		}
	}
	for _, other := range []Override{{"width", "4096", "flag"}, {"recurrent", "lstm", "flag"}} {
		r, err := Resolve(86_567_656, []Override{{"preset", "paper", ""}, other})
		if err != nil || r.Config.outWidth() != r.Config.Width || r.Origins["out-width"] != "width" {
			t.Errorf("%s %s: width %d to %d from %q (%v), want the same", other.Key, other.Value, r.Config.Width, r.Config.outWidth(), r.Origins["out-width"], err)
		}
	}
}

// A few steps for a try need no other warm-up to be named, and one that is named
// is not changed.
func TestWarmupOfFewSteps(t *testing.T) {
	r, err := Resolve(10_853, []Override{{"steps", "20", "flag --steps"}})
	if err != nil || r.Config.Warmup != 5 || r.Origins["warmup"] != "steps" {
		t.Errorf("warmup is %d from %q (%v), want 5 from steps", r.Config.Warmup, r.Origins["warmup"], err)
	}
	if r, err := Resolve(10_853, []Override{{"steps", "60", ""}}); err != nil || r.Config.Warmup != 50 {
		t.Errorf("warmup is %d (%v), want the preset's, 50", r.Config.Warmup, err)
	}
	if _, err := Resolve(10_853, []Override{{"steps", "20", ""}, {"warmup", "21", ""}}); err == nil {
		t.Error("a warm-up of more than all steps is taken")
	}
}

func TestResolveOrder(t *testing.T) {
	r, err := Resolve(10_853, []Override{
		{"lr", "0.5", "recipe r.yaml"}, {"steps", "700", "recipe r.yaml"}, {"lr", "0.25", "--set"}, {"channels", "1, 8,1", "flag --channels"}, {"preset", "paper", "--set"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ key, value, origin string }{
		{"lr", "0.25", "--set"}, {"steps", "700", "recipe r.yaml"}, {"channels", "1,8,1", "flag --channels"},
		{"preset", "paper", "--set"}, {"batch", "8", "preset paper"}, {"seed", "1", "default"},
	} {
		if v, o := r.Config.Value(want.key), r.Origins[want.key]; v != want.value || o != want.origin {
			t.Errorf("%s is %s from %q, want %s from %q", want.key, v, o, want.value, want.origin)
		}
	}
}

// TestValuesRoundTrip: what Value prints, set reads.
func TestValuesRoundTrip(t *testing.T) {
	r, err := Resolve(10_853, nil)
	if err != nil {
		t.Fatal(err)
	}
	var other Config
	for _, k := range Keys() {
		if err := other.set(k, r.Config.Value(k)); err != nil {
			t.Errorf("%s: %v", k, err)
		}
	}
	if other.SHA256() != r.Config.SHA256() {
		t.Error("the configuration changed on its way through text")
	}
}

func TestRefusedValues(t *testing.T) {
	for _, c := range []struct{ key, value, says string }{
		{"lr", "NaN", "finite"}, {"lr", "-1", "lr"}, {"lr", "1e3", "lr"}, {"steps", "0", "steps"}, {"steps", "1.5", "whole"},
		{"width", "6", "multiple of 4"}, {"width", "0", "width"}, {"head-dim", "7", "divisor"}, {"kernel", "4", "odd"},
		{"channels", "1,8,4,1", "both ends"}, {"channels", "2,2,2", "start and end"}, {"channels", "1,x,1", "whole"}, {"channels", "1,1", "three"},
		{"warmup", "999999999", "warmup"}, {"ema", "1", "ema"}, {"residual", "maybe", "true or false"}, {"seed", "-1", "seed"},
		{"denoiser", "unet", "mlp or conv"}, {"prediction", "score", "eps"}, {"recurrent", "gru", "mamba2"}, {"granularity", "channel", "tensor"},
		{"optimizer", "sgd", "adamw or adamw8bit"}, {"recurrent", "LSTM", "mamba2 or lstm or transformer or none"},
		{"stats", "none", "pooled"}, {"beta-max", "1e-9", "beta-max"}, {"preset", "slow", "fast"}, {"token-dim", "-5", "token-dim"}, {"batch", "1e9", "whole"},
	} {
		_, err := Resolve(10_853, []Override{{c.key, c.value, "test"}})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s=%s: %v, want an error that says %q", c.key, c.value, err, c.says)
		}
	}
	for _, c := range []struct{ key, value, says string }{
		{"head-dim", "96", "a divisor of the width, 256"}, {"head-dim", "512", "a divisor of the width"}, {"residual", "false", "true for a transformer"},
	} {
		_, err := Resolve(10_853, []Override{{"recurrent", "transformer", "test"}, {c.key, c.value, "test"}})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("a transformer with %s=%s: %v, want an error that says %q", c.key, c.value, err, c.says)
		}
	}
	for _, c := range []struct{ recurrent, residual, outWidth, says string }{
		{"mamba2", "true", "512", "with residual"}, {"lstm", "false", "512", "for lstm"}, {"none", "true", "512", "for none"},
		{"transformer", "true", "512", "for transformer"}, {"mamba2", "false", "100", "twice the out-width, 200"}, {"mamba2", "false", "-1", "0 is the width"},
	} {
		_, err := Resolve(10_853, []Override{{"recurrent", c.recurrent, "test"}, {"residual", c.residual, "test"}, {"out-width", c.outWidth, "test"}})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s, residual %s, out-width %s: %v, want an error that says %q", c.recurrent, c.residual, c.outWidth, err, c.says)
		}
	}
	_, err := Resolve(10_853, []Override{{"learning-rate", "1", "test"}})
	var unknown *UnknownKeyError
	if !errors.As(err, &unknown) || unknown.Key != "learning-rate" {
		t.Errorf("unknown key: %v", err)
	}
}

func TestLearningRate(t *testing.T) {
	c := Config{LR: 2, Warmup: 4, Steps: 104}
	for _, p := range []struct {
		step int
		want float64
	}{{0, 0.5}, {3, 2}, {4, 2}, {54, 1}, {104, 0}} {
		if got := c.learningRate(p.step); !(got-p.want <= 1e-12 && p.want-got <= 1e-12) {
			t.Errorf("step %d: %v, want %v", p.step, got, p.want)
		}
	}
}

// TestTransformerDefaults: a transformer has 8 heads and its residuals in any
// preset, and what is given otherwise.
func TestTransformerDefaults(t *testing.T) {
	for _, c := range []struct {
		preset, width, headDim string
		want, origin           string
	}{
		{"fast", "256", "", "32", "recurrent transformer"}, {"paper", "1024", "", "128", "recurrent transformer"},
		{"fast", "20", "", "5", "recurrent transformer"}, {"fast", "256", "64", "64", "test"},
	} {
		overrides := []Override{{"recurrent", "transformer", "test"}, {"preset", c.preset, "test"}, {"width", c.width, "test"}}
		if c.headDim != "" {
			overrides = append(overrides, Override{"head-dim", c.headDim, "test"})
		}
		r, err := Resolve(10_853, overrides)
		if err != nil {
			t.Fatal(err)
		}
		if got, origin := r.Config.Value("head-dim"), r.Origins["head-dim"]; got != c.want || origin != c.origin {
			t.Errorf("%s, width %s: head-dim is %s from %q, want %s from %q", c.preset, c.width, got, origin, c.want, c.origin)
		}
		if !r.Config.Residual {
			t.Errorf("%s, width %s: the residual is off", c.preset, c.width)
		}
	}
}
