package main

import (
	"context"
	"math"
	"strings"

	"rpg/evaluate"
	"rpg/evaluate/fetch"
	"rpg/generator"
	"rpg/generator/compute"
	"rpg/onnxio"
)

// dataNames are the kinds of data that --data and --eval-data take.
var dataNames = []string{"cifar10"}

// openData opens what --data names: cifar10 (from the cache) or cifar10:PATH,
// the first subset images of it, or all when subset is 0.
func openData(flag, name string, subset int) (*evaluate.Dataset, error) {
	kind, path, hasPath := strings.Cut(name, ":")
	if kind != "cifar10" {
		return nil, usagef(didYouMean(kind, dataNames, flag+" ", "cifar10 is from the cache, cifar10:PATH a file or folder in its binary format"),
			"%s: expected cifar10 or cifar10:PATH, found %q", flag, name)
	}
	if subset < 0 {
		return nil, usagef("0 takes all images", "--subset: expected 0 or more, found %d", subset)
	}
	if !hasPath {
		var err error
		if path, err = fetch.FindCIFAR10(); err != nil {
			return nil, err
		}
	}
	d, err := evaluate.OpenCIFAR10(path)
	if err != nil {
		return nil, err
	}
	return d.First(subset), nil
}

// openRuntime finds libonnxruntime on this machine and loads it. It never
// fetches: the hint of the error says how to.
func (s *session) openRuntime() (*evaluate.Runtime, error) {
	lib, version, how, err := fetch.FindRuntime()
	if err != nil {
		return nil, withHint(err, "rpg fetch onnxruntime")
	}
	s.detail("onnxruntime %s, %s: %s", version, how, lib)
	return evaluate.OpenRuntime(lib)
}

// midway scores models that a training has learned to make so far.
type midway struct {
	count   int
	runtime *evaluate.Runtime
	scorer  *evaluate.Scorer
	data    *evaluate.Dataset
}

// newMidway opens everything before the training begins, so that what is
// missing is said at once.
func (s *session) newMidway(job trainJob, template *onnxio.Model) (*midway, error) {
	data, err := openData("--eval-data", job.evalData, 0)
	if err != nil {
		return nil, err
	}
	rt, err := s.openRuntime()
	if err != nil {
		return nil, err
	}
	scorer, err := rt.NewScorer(template, data, evaluate.ScorerOptions{Threads: job.machine.threads})
	if err != nil {
		rt.Close()
		return nil, err
	}
	return &midway{count: job.evalCount, runtime: rt, scorer: scorer, data: data}, nil
}

// score samples models from the last checkpoint and gives mean and standard
// deviation of their top-1 accuracy, fractions. The seeds are always the same.
func (m *midway) score(ctx context.Context, run *generator.Run, device compute.Device) (mean, std float64, err error) {
	o := generator.DefaultSampling()
	o.Count = m.count
	var models []onnxio.Values
	_, err = run.Sample(ctx, device, o, nil, func(sample generator.Sample) error {
		models = append(models, run.Tokenizer.Decode(sample.Tokens))
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	scores, err := m.scorer.Score(ctx, models, nil)
	if err != nil {
		return 0, 0, err
	}
	for _, score := range scores {
		mean += float64(score.Correct) / float64(score.N) / float64(len(scores))
	}
	for _, score := range scores {
		d := float64(score.Correct)/float64(score.N) - mean
		std += d * d / float64(max(1, len(scores)-1))
	}
	return mean, math.Sqrt(std), nil
}

func (m *midway) close() {
	m.scorer.Close()
	m.runtime.Close()
}
