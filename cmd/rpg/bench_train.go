package main

import (
	"errors"
	"fmt"
	"time"

	"rpg/cuda"
	"rpg/fixtures"
	"rpg/generator"
	"rpg/generator/compute"
	"rpg/onnxio"
)

// benchTargets are the models whose generator is trained and sampled; the published
// ones of ImageNet on a GPU only.
var benchTargets = []benchTarget{
	{name: "cnnm", presets: []string{"paper", "fast"}, models: []int{1, 16}},
	{name: "resnet20", presets: []string{"paper", "fast"}, models: []int{1}}, // 16 take minutes, and nothing to learn beyond CNN(m)
	{name: "resnet-18", presets: []string{"paper"}, models: []int{1}, gpu: true},
	{name: "vit-base", presets: []string{"paper"}, models: []int{1}, gpu: true},
	{name: "convnext-large", presets: []string{"paper"}, models: []int{1}, gpu: true},
}

type benchTarget struct {
	name    string
	presets []string
	models  []int // that are sampled together
	gpu     bool
}

// trainCases are training steps: forward, backward, clipping, AdamW and the average.
func trainCases() []benchCase {
	var cases []benchCase
	for _, target := range benchTargets {
		for _, preset := range target.presets {
			for _, bf16 := range []bool{false, true} {
				name := withPrecision("train/"+target.name+"/"+preset, bf16)
				cases = append(cases, benchCase{name: name, gpu: target.gpu, run: func(b *bench) ([]benchRow, error) {
					return b.onTrial(name, target.name, preset, bf16, b.train)
				}})
			}
		}
	}
	return cases
}

// generateCases are samples of 60 steps, one model and 16 in a batch.
func generateCases() []benchCase {
	var cases []benchCase
	for _, target := range benchTargets {
		for _, preset := range target.presets {
			for _, models := range target.models {
				for _, bf16 := range []bool{false, true} {
					name := withPrecision(fmt.Sprintf("generate/%s/%s/%d", target.name, preset, models), bf16)
					cases = append(cases, benchCase{name: name, gpu: target.gpu, run: func(b *bench) ([]benchRow, error) {
						return b.onTrial(name, target.name, preset, bf16, func(d compute.Device, name string, t generator.Trial) ([]benchRow, error) {
							return b.generate(d, name, t, models)
						})
					}})
				}
			}
		}
	}
	return cases
}

// onTrial measures with a trial of a target, on a GPU on a device of its own, whose
// memory is another row. What the GPU has no room for has none.
func (b *bench) onTrial(name, target, preset string, bf16 bool, measure func(compute.Device, string, generator.Trial) ([]benchRow, error)) ([]benchRow, error) {
	d := b.on(bf16)
	if d == nil {
		return nil, nil
	}
	trial, err := b.benchZoo(target, preset)
	if err != nil || d.Info().Kind != "cuda" {
		if err != nil {
			return nil, err
		}
		return measure(d, name, trial)
	}
	b.peak(d) // which takes memory, before the others do
	own, err := cuda.Open(b.machine.gpu, bf16)
	if err != nil {
		return nil, err
	}
	defer own.Close()
	rows, err := measure(own, name, trial)
	var memory *cuda.MemoryError
	if errors.As(err, &memory) {
		b.s.say("%s is left out: %v", name, err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return append(rows, memoryRow(name, own, rows[0].forecast)), nil
}

// memoryRow is the most memory of a GPU that buffers and workspace took, beside the
// forecast. Of what CUDA itself takes nothing is in either.
func memoryRow(name string, d compute.Device, forecast int64) benchRow {
	taken := d.(interface{ MostTaken() int64 }).MostTaken()
	share := float64(taken) / float64(forecast)
	return benchRow{Name: name + " memory", Shape: "forecast " + size(forecast), Value: float64(taken) / (1 << 20), Unit: "MiB", OfPeak: &share}
}

// forecast is what a trial is expected to cost on d.
func (b *bench) forecast(d compute.Device, t generator.Trial) (generator.Forecast, error) {
	return b.s.forecast(t.Config, t.Zoo.Tokenizer, t.Zoo.Count, b.machine, d)
}

// train measures steps after one that warms up or, on a GPU, which records the second
// one, after three.
func (b *bench) train(d compute.Device, name string, t generator.Trial) ([]benchRow, error) {
	plan, err := b.forecast(d, t)
	if err != nil {
		return nil, err
	}
	takes := plan.DeviceBytes
	if t.Room = room(d.Info().Memory, plan); plan.AsideBytes <= t.Room {
		takes += plan.AsideBytes
	}
	warm := 1
	if d.Info().Kind == "cuda" {
		warm = 3
	}
	var times []float64
	last, begun := time.Now(), time.Now()
	err = t.Train(b.s.ctx, d, func(e generator.StepEvent) bool {
		now := time.Now()
		if e.Step <= warm {
			begun = now
		} else {
			times = append(times, now.Sub(last).Seconds())
		}
		last = now
		return len(times) < 3 || now.Sub(begun) < b.least
	})
	if err != nil {
		return nil, err
	}
	seconds := middle(times)
	share := plan.StepFLOP / seconds / b.peakOf(d)
	shape := fmt.Sprintf("%d of %d tokens of %d", plan.StepTokens, t.Config.Batch*plan.Tokens, t.Config.TokenDim)
	return []benchRow{{Name: name, Shape: shape, Value: seconds, Unit: "s/step", OfPeak: &share, Tokens: plan.Tokens, forecast: takes}}, nil
}

// generate measures sampling without the reading of weights, after one turn that warms up.
func (b *bench) generate(d compute.Device, name string, t generator.Trial, models int) ([]benchRow, error) {
	plan, err := b.forecast(d, t)
	if err != nil {
		return nil, err
	}
	o := generator.DefaultSampling()
	o.Count, o.Steps = models, max(2, o.Steps/b.shrink)
	var times []float64
	begun, warm := time.Now(), d.Info().Kind == "cuda"
	err = t.Sample(b.s.ctx, d, o, func(took generator.Timing) bool {
		if warm {
			begun, warm = time.Now(), false
			return true
		}
		times = append(times, (took.Prototypes + took.Denoise).Seconds())
		return time.Since(begun) < b.least
	})
	if err != nil {
		return nil, err
	}
	seconds := middle(times) / float64(models)
	share := plan.SampleFLOP / seconds / b.peakOf(d) // of 60 steps, also in a rehearsal
	shape := fmt.Sprintf("%d x %d tokens of %d, %d steps", models, plan.Tokens, t.Config.TokenDim, o.Steps)
	return []benchRow{{Name: name, Shape: shape, Value: seconds, Unit: "s/model", OfPeak: &share, Tokens: plan.Tokens, forecast: plan.SampleBytes}}, nil
}

// peakOf is peak of the bench's device of d's precision.
func (b *bench) peakOf(d compute.Device) float64 {
	if d != b.device && d != b.bfloat {
		d = b.on(d.Info().BF16)
	}
	return b.peak(d)
}

// benchZoo is what a target's generator learns from: the 50 embedded CNN(m)
// checkpoints, or models of the same weights with normal numbers for values: 50
// ResNet-20, and of the published ones as many as a step takes.
func (b *bench) benchZoo(target, preset string) (generator.Trial, error) {
	resolve := func(parameters int) (generator.Config, error) {
		r, err := generator.Resolve(parameters, []generator.Override{{Key: "preset", Value: preset, Origin: "bench"}})
		return r.Config, err
	}
	names := fixtures.ZooNames()
	switch target {
	case "cnnm":
		models := make([]*onnxio.Model, len(names))
		parameters := 0
		for i, name := range names {
			m, err := embeddedModel(name)
			if err != nil {
				return generator.Trial{}, err
			}
			models[i] = m
		}
		for _, w := range models[0].Weights() {
			parameters += w.Elements
		}
		c, err := resolve(parameters)
		if err != nil {
			return generator.Trial{}, err
		}
		zoo, err := b.s.loadZoo(models, c)
		return generator.Trial{Config: c, Zoo: zoo}, err
	case "resnet20":
		weights, parameters := resnet20()
		c, err := resolve(parameters)
		return generator.Trial{Config: c, Zoo: normalZoo(weights, c, len(names))}, err
	}
	weights, parameters := publishedWeights(target)
	c, err := resolve(parameters)
	if err != nil {
		return generator.Trial{}, err
	}
	if by := b.shrink; by > 1 {
		c.TokenDim, c.Width, c.OutWidth, c.DiffusionBatch = c.TokenDim/by, c.Width/by, c.OutWidth/by, c.DiffusionBatch/by
		weights = weights[:max(2, len(weights)/by)]
		for i := range weights {
			w := &weights[i]
			w.Elements = (w.Elements + by*by - 1) / (by * by)
			w.Shape = []int{w.Elements}
		}
	}
	return generator.Trial{Config: c, Zoo: normalZoo(weights, c, c.Batch)}, nil
}
