package main

import (
	"context"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"rpg/evaluate"
	"rpg/evaluate/dataset"
	"rpg/evaluate/fetch"
	"rpg/evaluate/picture"
	"rpg/generator"
	"rpg/generator/compute"
	"rpg/onnxio"
)

// dataNames are the kinds of data that --data and --eval-data take.
func dataNames() []string { return dataset.Kinds() }

// dataRequest is what to score on, as the flags say it.
type dataRequest struct {
	flag       string // --data, --evaluate or --eval-data
	kind, path string // "" for what is found at path, and for what is in the cache
	labels     string
	task       string
	preprocess string
	subset     int
	skipBad    bool
}

// dataFlags are the flags of readData besides the one that names the data.
func dataFlags(category string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "preprocess", Usage: "how pictures become input: `NAME` (rpg help data) or a .json or .yaml file", Category: category},
		&cli.StringFlag{Name: "labels", Usage: "`FILE` with the classes of the pictures, where folders and names do not say them", Category: category},
		&cli.StringFlag{Name: "task", Usage: "score a binary task: `BITS` of 0 and 1, one for each class, as in 0100010111", Category: category},
		&cli.StringFlag{Name: "on-bad-image", Value: "fail", Usage: "`POLICY` for pictures that cannot be read: fail, or skip them and say how many", Category: category},
		&cli.IntFlag{Name: "subset", Usage: "score on `N` images: the first, or of pictures spread evenly; 0: all", Category: category},
	}
}

// readData reads the flags on data, which flag names: data or evaluate.
func readData(c *cli.Context, flag string) (dataRequest, error) {
	d, err := parseData("--"+flag, c.String(flag))
	if err != nil {
		return d, err
	}
	d.labels, d.task, d.preprocess, d.subset = c.String("labels"), c.String("task"), c.String("preprocess"), c.Int("subset")
	if d.subset < 0 {
		return d, usagef("0 takes all images", "--subset: expected 0 or more, found %d", d.subset)
	}
	switch policy := c.String("on-bad-image"); policy {
	case "fail":
	case "skip":
		d.skipBad = true
	default:
		return d, usagef("", "--on-bad-image: expected fail or skip, found %q", policy)
	}
	return d, nil
}

// parseData reads what a flag names: KIND (from the cache), KIND:PATH, or PATH.
func parseData(flag, name string) (dataRequest, error) {
	d := dataRequest{flag: flag}
	kind, path, hasPath := strings.Cut(name, ":")
	switch {
	case slices.Contains(dataNames(), kind) && path != "", kind == "cifar10" && !hasPath:
		d.kind, d.path = kind, path
		return d, nil
	case slices.Contains(dataNames(), kind):
		return d, usagef("", "%s: expected %s:PATH, found %q", flag, kind, name)
	}
	if _, err := os.Stat(name); err == nil {
		d.path = name
		return d, nil
	}
	return d, usagef(didYouMean(kind, dataNames(), flag+" ", "cifar10 is from the cache, a path is that of a folder or file of images"),
		"%s: expected a path or KIND:PATH, where KIND is one of %s, found %q, which does not exist", flag, strings.Join(dataNames(), " "), name)
}

// openData opens what was asked for, as input for model.
func (s *session) openData(d dataRequest, model *onnxio.Model) (*evaluate.Dataset, error) {
	o := dataset.Options{Kind: d.kind, Path: d.path, Labels: d.labels, Task: d.task, Subset: d.subset, SkipBad: d.skipBad}
	if d.kind == "cifar10" && d.path == "" {
		var err error
		if o.Path, err = fetch.FindCIFAR10(); err != nil {
			return nil, err
		}
	}
	o.Shape, o.Classes = takes(model.Info(), d.task != "")
	if err := choosePreprocess(&o, d, model); err != nil {
		return nil, err
	}
	data, err := dataset.Open(s.ctx, o)
	if err != nil {
		return nil, explain(err)
	}
	for _, note := range data.Notes {
		s.say("%s", note)
	}
	s.detail("%s: %d images, sha256 %s, %s", data.Source, data.Count, data.SHA256, data.Preprocess)
	return data, nil
}

// choosePreprocess takes what the flag says, else what the model's metadata says,
// else leaves it to the data.
func choosePreprocess(o *dataset.Options, d dataRequest, model *onnxio.Model) error {
	if d.preprocess != "" {
		p, err := picture.Named(d.preprocess)
		if err != nil {
			return usagef("rpg help data", "--preprocess: %s", strings.TrimPrefix(err.Error(), "evaluate: "))
		}
		o.Preprocess = &p
		return nil
	}
	p, ok, err := picture.FromMetadata(model.Info().Metadata)
	if err != nil {
		return failedf("--preprocess overrides it", "%s: metadata: %s", model.Path, strings.TrimPrefix(err.Error(), "evaluate: "))
	}
	if ok {
		o.Preprocess = &p
	}
	return nil
}

// takes gives the shape of one image that a model takes and how many classes it
// tells apart, as far as its ports say it. binary leaves the classes to the task.
func takes(info onnxio.Info, binary bool) (shape []int, classes int) {
	if len(info.Inputs) > 0 {
		for i, n := range info.Inputs[0].Shape {
			if i > 0 {
				shape = append(shape, int(n))
			}
		}
	}
	if len(info.Outputs) > 0 && !binary {
		if dims := info.Outputs[0].Shape; len(dims) == 2 {
			classes = int(max(dims[1], 0))
		}
	}
	return shape, classes
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
	s       *session
	count   int
	runtime *evaluate.Runtime
	scorer  *evaluate.Scorer
	data    *evaluate.Dataset
}

// newMidway opens everything before the training begins, so that what is
// missing is said at once.
func (s *session) newMidway(job trainJob, template *onnxio.Model) (*midway, error) {
	request, err := parseData("--eval-data", job.evalData)
	if err != nil {
		return nil, err
	}
	data, err := s.openData(request, template)
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
	return &midway{s: s, count: job.evalCount, runtime: rt, scorer: scorer, data: data}, nil
}

// score samples models from the last checkpoint and gives mean and standard
// deviation of their top-1 accuracy, fractions. The seeds are always the same.
func (m *midway) score(ctx context.Context, run *generator.Run, device compute.Device) (mean, std float64, err error) {
	o := generator.DefaultSampling()
	o.Count = m.count
	var models []onnxio.Values
	_, err = run.Sample(ctx, device, o, nil, func(group []generator.Sample) error {
		for _, sample := range group {
			models = append(models, run.Tokenizer.Decode(sample.Tokens))
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	scores, err := m.scorer.Score(ctx, models, nil)
	if err != nil {
		return 0, 0, err
	}
	broken := 0
	for _, score := range scores {
		if score.NaN != nil {
			broken++
		}
		mean += float64(score.Correct) / float64(score.N) / float64(len(scores))
	}
	for _, score := range scores {
		d := float64(score.Correct)/float64(score.N) - mean
		std += d * d / float64(max(1, len(scores)-1))
	}
	if broken > 0 {
		m.s.warn("%d of %d generated models give NaN logits, which count as wrong", broken, len(scores))
	}
	return mean, math.Sqrt(std), nil
}

func (m *midway) close() {
	m.scorer.Close()
	m.runtime.Close()
}
