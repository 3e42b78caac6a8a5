package generator

import (
	"fmt"
	"strings"
)

// Presets names what --preset accepts.
var Presets = []string{"fast", "paper"}

// preset gives the values of a named preset for a target with this many
// generated parameters.
func preset(name string, parameters int) (Config, error) {
	c := Config{
		Preset: name, Granularity: "tensor", Recurrent: "mamba2", Layers: 2, HeadDim: 64,
		Channels: []int{1, 32, 64, 128, 64, 32, 1}, Kernel: 7,
		DiffusionSteps: 1000, BetaMin: 1e-4, BetaMax: 0.02, Optimizer: "adamw", Seed: 1,
	}
	switch name {
	case "fast":
		fast(&c, parameters)
	case "paper":
		paper(&c, parameters)
	default:
		return c, fmt.Errorf("generator: preset is %q, expected one of %s", name, strings.Join(Presets, ", "))
	}
	return c, nil
}

// fast is ours; docs/presets.md has the measurements behind it. The recurrent
// width is at least the number of tokens a model of this size comes to, so that
// the prototypes of all tokens can be told apart by one linear layer.
func fast(c *Config, parameters int) {
	c.Stats, c.Residual, c.Positions, c.StateInit = "pooled", true, "coded", "spread"
	c.Denoiser, c.Prediction = "mlp", "x0"
	c.State, c.DenoiserWidth, c.Blocks = 32, 128, 2
	c.LR, c.Warmup, c.Clip, c.EMA = 2e-3, 50, 1, 0.99
	switch {
	case parameters <= 50_000:
		c.TokenDim, c.Width = 256, 256
		c.Batch, c.Steps = 2, 200
	case parameters <= 500_000:
		c.TokenDim, c.Width = 2048, 256
		c.Batch, c.Steps = 1, 250
	case parameters <= 4_000_000:
		c.TokenDim, c.Width, c.DenoiserWidth = 8192, 512, 256
		c.Batch, c.Steps = 1, 300
	default: // by the same rule, but no zoo of this size was measured
		c.TokenDim, c.Width, c.DenoiserWidth = 32768, 1024, 256
		c.Batch, c.Steps, c.Window = 1, 400, 2048
	}
}

// paper is the published training of the target that is nearest in size (the
// scripts compare/ours_cnnmedium.py and main/*.py); between 100,000 and 2 million
// parameters, for which nothing is published, that of the comparison in this
// project.
func paper(c *Config, parameters int) {
	c.Stats, c.Residual, c.Positions, c.StateInit = "paper", false, "sines", "constant"
	c.Denoiser, c.Prediction = "conv", "eps"
	c.DenoiserWidth, c.Blocks = 512, 3
	c.TokenDim, c.Width, c.State, c.Window = 8192, 8192, 128, 2048
	c.Batch, c.DiffusionBatch, c.LR = 4, 1024, 3e-5
	switch {
	case parameters <= 100_000: // CNN(s), CNN(m)
		c.TokenDim, c.Width, c.State, c.Window = 256, 256, 32, 0
		c.Batch, c.DiffusionBatch, c.Steps, c.LR = 8, 0, 30_000, 1e-4
	case parameters <= 2_000_000:
		c.TokenDim, c.Width, c.Window = 1024, 1024, 0
		c.DiffusionBatch, c.Steps, c.LR = 256, 80_000, 4e-5
	case parameters <= 4_600_000: // ConvNeXt-Atto, 3.7 million
		c.Steps = 80_000
	case parameters <= 8_200_000: // ViT-Tiny, 5.7
		c.Steps, c.Optimizer = 50_000, "adamw8bit"
	case parameters <= 16_000_000: // ResNet-18, 11.7
		c.Batch, c.Steps = 8, 80_000
	case parameters <= 23_700_000: // ViT-Small, 22.1
		c.Steps = 50_000
	case parameters <= 30_000_000: // ResNet-50, 25.6
		c.Batch, c.Steps = 8, 80_000
	default: // ViT-Base, 86.6, and ConvNeXt-Large, 197.8
		c.TokenDim, c.Width, c.OutWidth, c.Optimizer = 16384, 12288, 16384, "adamw8bit"
		c.Channels = []int{1, 64, 96, 64, 1}
		c.Batch, c.DiffusionBatch, c.Steps, c.LR = 2, 512, 120_000, 1e-5
		if parameters > 131_000_000 {
			c.DiffusionBatch = 448
		}
	}
}
