package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"rpg/fixtures"
	"rpg/generator"
	"rpg/generator/compute"
	"rpg/onnxio"
)

// benchTargets are the models whose generator is trained and sampled.
var benchTargets = []string{"cnnm", "resnet20"}

// learning is a run folder after a few steps.
type learning struct {
	run     *generator.Run
	plan    generator.Forecast
	seconds float64 // median time of a step
}

// trainCases are training steps, whole: forward, backward, clipping, AdamW, the
// average and the line of metrics.
func trainCases() []benchCase {
	var cases []benchCase
	for _, target := range benchTargets {
		for _, preset := range slices.Backward(generator.Presets) {
			for _, bf16 := range []bool{false, true} {
				name := withPrecision("train/"+target+"/"+preset, bf16)
				cases = append(cases, benchCase{name, func(b *bench) ([]benchRow, error) {
					d := b.on(bf16)
					if d == nil {
						return nil, nil
					}
					l, err := b.learn(d, target, preset, b.least)
					if err != nil {
						return nil, err
					}
					share := l.plan.StepFLOP / l.seconds / b.peak(d)
					shape := fmt.Sprintf("%d of %d tokens of %d", l.plan.StepTokens, l.run.Config.Batch*l.plan.Tokens, l.run.Config.TokenDim)
					return []benchRow{{Name: name, Shape: shape, Value: l.seconds, Unit: "s/step", OfPeak: &share, Tokens: l.plan.Tokens}}, nil
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
		for _, preset := range slices.Backward(generator.Presets) {
			for _, models := range []int{1, 16} {
				if models > 1 && target == "resnet20" {
					continue // minutes, and nothing to learn beyond CNN(m)
				}
				for _, bf16 := range []bool{false, true} {
					name := withPrecision(fmt.Sprintf("generate/%s/%s/%d", target, preset, models), bf16)
					cases = append(cases, benchCase{name, func(b *bench) ([]benchRow, error) {
						d := b.on(bf16)
						if d == nil {
							return nil, nil
						}
						return b.generate(d, name, target, preset, models)
					}})
				}
			}
		}
	}
	return cases
}

// learn trains the published or our settings for a target: one step to warm up
// and, unless the time is 0, at least three more that are measured. What was
// learned before on the same device is used again for a time of 0.
func (b *bench) learn(d compute.Device, target, preset string, least time.Duration) (*learning, error) {
	key := fmt.Sprintf("%s-%s-%s", target, preset, d.Info().Name)
	if l := b.learned[key]; l != nil && least == 0 {
		return l, nil
	}
	if b.folder == "" {
		var err error
		if b.folder, err = os.MkdirTemp("", "rpg-bench-"); err != nil {
			return nil, err
		}
	}
	zoo, resolved, template, err := b.benchZoo(target, preset)
	if err != nil {
		return nil, err
	}
	run, err := generator.Create(filepath.Join(b.folder, fmt.Sprintf("%s-%s-%d", target, preset, len(b.learned))), resolved, zoo, template, true)
	if err != nil {
		return nil, err
	}
	defer run.Close()
	ctx, stop := context.WithCancel(b.s.ctx)
	defer stop()
	var times []float64
	last, begun, first := time.Now(), time.Now(), true
	err = run.Train(ctx, d, zoo, generator.Hooks{Step: func(generator.StepEvent) {
		now := time.Now()
		if first {
			begun, first = now, false
		} else {
			times = append(times, now.Sub(last).Seconds())
		}
		if least == 0 || len(times) >= 3 && now.Sub(begun) >= least {
			stop()
		}
		last = now
	}})
	if err := b.s.ctx.Err(); err != nil {
		return nil, err
	}
	if err != nil && !errors.Is(err, generator.ErrInterrupted) {
		return nil, err
	}
	l := &learning{run: run, plan: generator.Plan(resolved.Config, zoo.Tokenizer, zoo.Count, d.Info())}
	if len(times) > 0 {
		l.seconds = middle(times)
	}
	b.learned[key] = l
	return l, nil
}

// generate measures sampling without the reading of the run folder.
func (b *bench) generate(d compute.Device, name, target, preset string, models int) ([]benchRow, error) {
	l, err := b.learn(d, target, preset, 0)
	if err != nil {
		return nil, err
	}
	o := generator.DefaultSampling()
	o.Count = models
	var times []float64
	for begun := time.Now(); len(times) == 0 || time.Since(begun) < b.least; {
		took, err := l.run.Sample(b.s.ctx, d, o, nil, func([]generator.Sample) error { return nil })
		if err != nil {
			return nil, err
		}
		times = append(times, (took.Prototypes + took.Denoise).Seconds())
	}
	seconds := middle(times) / float64(models)
	share := l.sampleFLOP(o.Steps) / seconds / b.peak(d)
	shape := fmt.Sprintf("%d x %d tokens of %d, %d steps", models, l.plan.Tokens, l.run.Config.TokenDim, o.Steps)
	return []benchRow{{Name: name, Shape: shape, Value: seconds, Unit: "s/model", OfPeak: &share, Tokens: l.plan.Tokens}}, nil
}

// sampleFLOP is the work of denoising one model: a token's part of a training
// step, which is three times its forward pass, is the difference that one more
// token makes.
func (l *learning) sampleFLOP(steps int) float64 {
	c := l.run.Config
	step := func(tokens int) float64 {
		c.DiffusionBatch = tokens
		return generator.Plan(c, l.run.Tokenizer, l.run.Zoo.Count, compute.Info{}).StepFLOP
	}
	return float64(steps*l.plan.Tokens) * (step(2) - step(1)) / 3
}

// benchZoo is what a target's generator learns from: the 50 embedded CNN(m)
// checkpoints, or 50 ResNet-20 with normal numbers for weights, and how to write
// the graph of the generated models.
func (b *bench) benchZoo(target, preset string) (*generator.Zoo, generator.Resolved, func(path string) error, error) {
	names := fixtures.ZooNames()
	models := make([]*onnxio.Model, len(names))
	for i, name := range names {
		m, err := embeddedModel(name)
		if err != nil {
			return nil, generator.Resolved{}, nil, err
		}
		models[i] = m
	}
	template := func(path string) error {
		return onnxio.Write(path, models[0], models[0], onnxio.WriteOptions{Force: true})
	}
	resolve := func(parameters int) (generator.Resolved, error) {
		return generator.Resolve(parameters, []generator.Override{{Key: "preset", Value: preset, Origin: "bench"}})
	}
	if target == "resnet20" {
		weights, parameters := resnet20()
		r, err := resolve(parameters)
		if err != nil {
			return nil, r, nil, err
		}
		return normalZoo(weights, r.Config, len(names)), r, template, nil
	}
	parameters := 0
	for _, w := range models[0].Weights() {
		parameters += w.Elements
	}
	r, err := resolve(parameters)
	if err != nil {
		return nil, r, nil, err
	}
	zoo, err := b.s.loadZoo(models, r.Config)
	return zoo, r, template, err
}
