package generator

import (
	"math"
	"strings"
	"testing"

	"rpg/fixtures/published"
	"rpg/generator/compute"
	"rpg/onnxio"
	"rpg/tokenize"
)

// publishedTokenizer is that of zoos with the weights of a published target.
func publishedTokenizer(target published.Target, tokenDim int) *tokenize.Tokenizer {
	t := &tokenize.Tokenizer{Layout: tokenize.Layout{Version: tokenize.LayoutVersion, TokenDim: tokenDim,
		Granularity: "tensor", Signature: strings.Repeat("0", 64)}}
	for _, w := range target.Weights {
		n := w.Values()
		t.Layout.Weights = append(t.Layout.Weights, tokenize.Weight{Name: w.Name, Role: onnxio.RoleWeight, Shape: w.Dims, Elements: n,
			Transform: tokenize.TransformNone, First: t.Layout.Tokens(), Tokens: (n + tokenDim - 1) / tokenDim})
	}
	return t
}

// TestPublishedPlans holds forecasts for 50 checkpoints of each published target with
// preset paper against the published number of tokens and against what the published
// code computes, counted by hand for three of them (TFLOP, with chunks of 256 tokens
// where ours are of 64).
func TestPublishedPlans(t *testing.T) {
	for _, want := range []struct {
		target                   string
		tokens, parameters, rows int
		step, sample             float64
	}{
		{"convnext-atto", 552, 950_789_505, 1024, 0, 0},
		{"vit-tiny", 808, 950_789_505, 1024, 24.2, 116},
		{"resnet-18", 1510, 950_789_505, 1024, 0, 0},
		{"vit-small", 2786, 950_789_505, 1024, 0, 0},
		{"resnet-50", 3223, 950_789_505, 1024, 0, 0},
		{"vit-base", 5378, 2_807_614_113, 512, 154, 947},
		{"convnext-large", 12311, 2_807_614_113, 448, 344, 2167},
	} {
		for _, target := range published.Targets() {
			if target.Name != want.target {
				continue
			}
			r, err := Resolve(target.Values(), []Override{{"preset", "paper", ""}})
			if err != nil {
				t.Fatal(err)
			}
			f := Plan(r.Config, publishedTokenizer(target, r.Config.TokenDim), 50, compute.Info{Kind: "cuda"})
			if f.Tokens != want.tokens || f.Parameters != want.parameters || f.StepTokens != want.rows {
				t.Errorf("%s: %d tokens, %d parameters, %d tokens a step, want %d, %d, %d",
					want.target, f.Tokens, f.Parameters, f.StepTokens, want.tokens, want.parameters, want.rows)
			}
			if !(f.DoneFLOP < f.StepFLOP && f.DoneFLOP > f.StepFLOP/3) {
				t.Errorf("%s: %.4g of %.4g FLOP a step are done", want.target, f.DoneFLOP, f.StepFLOP)
			}
			for what, v := range map[string][2]float64{"step": {f.StepFLOP, want.step}, "sample": {f.SampleFLOP, want.sample}} {
				if diff := v[0]/1e12/v[1] - 1; v[1] != 0 && !(math.Abs(diff) <= 0.03) {
					t.Errorf("%s: a %s takes %.4g FLOP, want %.4g TFLOP", want.target, what, v[0], v[1])
				}
			}
			least := 16 * int64(want.parameters)
			if r.Config.Optimizer == "adamw8bit" {
				least = 10 * int64(want.parameters)
			}
			if f.DeviceBytes < least || f.SampleBytes < 4*int64(want.parameters) || f.SampleBytes > f.DeviceBytes {
				t.Errorf("%s: %d bytes for training and %d for sampling: less than values, gradients and moments take", want.target, f.DeviceBytes, f.SampleBytes)
			}
			bf16 := Plan(r.Config, publishedTokenizer(target, r.Config.TokenDim), 50, compute.Info{Kind: "cuda", BF16: true})
			if bf16.SampleBytes > 11e9 || bf16.SampleBytes < 2*int64(want.parameters) {
				t.Errorf("%s: %d bytes for sampling with bf16", want.target, bf16.SampleBytes)
			}
			t.Logf("%s: %.1f and %.1f GiB, %.4g and %.4g TFLOP a step, %.4g a sample", want.target, float64(f.DeviceBytes)/(1<<30),
				float64(f.SampleBytes)/(1<<30), f.StepFLOP/1e12, f.DoneFLOP/1e12, f.SampleFLOP/1e12)
		}
	}
}

// productCounter counts the multiply-adds of matrix products.
type productCounter struct {
	compute.Device
	multiplies int
}

func (d *productCounter) Gemm(c, a, b compute.Matrix, transA, transB bool, beta float32, bias compute.Buffer) {
	k := a.Cols
	if transA {
		k = a.Rows
	}
	d.multiplies += c.Rows * c.Cols * k
	d.Device.Gemm(c, a, b, transA, transB, beta, bias)
}

// TestStepMultiplies: the passes of a step do as many products as forecast.
func TestStepMultiplies(t *testing.T) {
	zoo, _ := testZoo(t, 3, 512)
	for _, overrides := range [][]Override{
		{{"preset", "paper", ""}}, {{"preset", "paper", ""}, {"out-width", "28", ""}}, {{"diffusion-batch", "0", ""}}, {{"layers", "1", ""}}, {{"layers", "3", ""}},
		{{"window", "11", ""}}, {{"window", "11", ""}, {"diffusion-batch", "9", ""}}, {{"window", "11", ""}, {"diffusion-batch", "0", ""}},
		{{"window", "11", ""}, {"layers", "1", ""}},
	} {
		dev := &productCounter{Device: openCPU(t, 2)}
		tr := newTrainer(dev, small(t, overrides...).Config, zoo)
		tr.start()
		tr.draw(tr.step)
		rec := tr.net.rec
		rec.prototypes(dev, tr.host.models[:tr.models])
		forward, windows := dev.multiplies, 1
		dev.multiplies = 0
		rec.prototypesBackward(dev)
		if rec.windows != nil {
			windows = rec.windows.count
		}
		scans := 0
		for _, k := range rec.layers {
			scans += windows * rec.n * rec.l * k.(*mamba).scanMultiplies()
		}
		ahead, back, again := rec.stepMultiplies()
		if rec.windows != nil {
			again -= scans
		}
		if want := ahead - scans; forward != want {
			t.Errorf("%v: %d multiply-adds forward, the forecast has %d", overrides, forward, want)
		}
		if want := back - 2*scans + again; dev.multiplies != want {
			t.Errorf("%v: %d multiply-adds backward, the forecast has %d", overrides, dev.multiplies, want)
		}
	}
}
