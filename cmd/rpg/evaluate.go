package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"rpg/evaluate"
	"rpg/evaluate/dataset"
	"rpg/evaluate/fetch"
	"rpg/evaluate/report"
	"rpg/internal/atomicfile"
)

func (s *session) evaluateVerb() verb {
	return verb{
		name: "evaluate", alias: "eval", usage: "accuracy of each model; with --against also novelty and baselines",
		arguments: "MODEL... --data DATA",
		description: "With --against the models are compared with the originals they were learned from, and\n" +
			"with trivial baselines: noise, averages, interpolations, Gaussians (rpg help novelty).\n" +
			"A folder stands for the .onnx files in it.",
		examples: "rpg evaluate resnet20.onnx --data cifar10\n" +
			"rpg evaluate gen/*.onnx --against zoo/*.onnx --data cifar10 --json\n" +
			"rpg evaluate gen --against zoo --data cifar10:test_batch.bin --subset 1000 --csv models.csv\n" +
			"rpg evaluate gen/*.onnx --data cifar10 --min-top1 70%\n" +
			"rpg evaluate resnet50.onnx --data ILSVRC2012_img_val.tar --labels val.txt --preprocess torchvision\n" +
			"rpg evaluate vit.onnx --data imagenet/val --preprocess timm:0.9,bicubic --on-bad-image skip\n" +
			"rpg evaluate mlp.onnx --data digits/test.npz --preprocess values:8,1,1",
		flags: append(append(computeFlags(), dataFlags()...),
			&cli.StringFlag{Name: "data", Usage: "`DATA` to score on: a folder, .tar, .npz or .bin file, or cifar10 (rpg help data)"},
			&cli.StringSliceFlag{Name: severalValues, Usage: "the originals, `MODEL...`: every word up to the next flag"},
			&cli.StringFlag{Name: "shift", Usage: "change the pictures first: `KIND` or KIND:SEVERITY of " + strings.Join(dataset.ShiftKinds(), ", ")},
			&cli.IntFlag{Name: "batch", Usage: "`N` images in one run of ONNX Runtime; 0: chosen"},
			&cli.StringFlag{Name: "provider", Value: "auto", Usage: "of ONNX Runtime: `NAME` auto, cpu or cuda; auto is CUDA where all it needs is there"},
			&cli.BoolFlag{Name: "no-cache", Usage: "score everything anew, and keep no scores for the next evaluation"},
			&cli.StringFlag{Name: "noise", Value: "0.01,0.02,0.05,0.1,0.2", Usage: "`SIGMA,...` of the noise baselines, in standard deviations of each tensor"},
			&cli.StringFlag{Name: "spread-noise", Usage: "`SIGMA,...` of more of them, in standard deviations of each value over the originals"},
			&cli.StringFlag{Name: "without", Usage: "leave out `NAME,...`: " + strings.Join(evaluate.BaselineNames(), ", ")},
			&cli.StringFlag{Name: "good", Usage: "top-1 `X` from which a model counts as good; otherwise one point below the originals' mean"},
			&cli.StringFlag{Name: "min-top1", Usage: "exit with 3 if a model is below `X`: 0.7, 70 or 70%"},
			&cli.StringFlag{Name: "csv", Usage: "write one row for each model to `FILE` too, timm's columns first"},
			&cli.StringFlag{Name: "report", Usage: "write one HTML page to `FILE` too, as rpg report does"},
		),
		run: s.evaluate,
	}
}

// evaluateJob is one evaluation.
type evaluateJob struct {
	paths, against []string
	request        dataRequest
	data           *evaluate.Dataset // instead of request, if not nil
	shift          *dataset.Shift
	batch          int
	provider       string
	keep           bool // scores, and take those kept
	noise, spread  []float64
	without        []string
	good           float64
	machine        machine
	seed           uint64
}

func (s *session) evaluate(c *cli.Context) error {
	if err := someArguments(c, "at least one model"); err != nil {
		return err
	}
	if c.String("data") == "" {
		return usagef("--data cifar10, after rpg fetch cifar10; or a folder of pictures (rpg help data)", "evaluate needs --data, the images to score on")
	}
	if c.Int("batch") < 0 {
		return usagef("", "--batch: expected 0 or more, found %d", c.Int("batch"))
	}
	job := evaluateJob{batch: c.Int("batch"), provider: c.String("provider"), keep: !c.Bool("no-cache"), seed: c.Uint64("seed")}
	if !slices.Contains(evaluate.Providers(), job.provider) {
		return usagef("", "--provider: expected one of %s, found %q", strings.Join(evaluate.Providers(), " "), job.provider)
	}
	least, err := fraction("--min-top1", c.String("min-top1"))
	if err != nil {
		return err
	}
	if job.good, err = fraction("--good", c.String("good")); err != nil {
		return err
	}
	if job.noise, err = numbers("--noise", c.String("noise")); err != nil {
		return err
	}
	if c.String("spread-noise") != "" {
		if job.spread, err = numbers("--spread-noise", c.String("spread-noise")); err != nil {
			return err
		}
	}
	if c.String("without") != "" {
		job.without = strings.Split(c.String("without"), ",")
	}
	for _, name := range job.without {
		if !slices.Contains(evaluate.BaselineNames(), name) {
			return usagef("", "--without: expected names of %s, found %q", strings.Join(evaluate.BaselineNames(), ", "), name)
		}
	}
	if job.machine, err = machineOf(c); err != nil {
		return err
	}
	if job.paths, err = modelPaths(c.Args().Slice()); err != nil {
		return err
	}
	if job.against, err = modelPaths(c.StringSlice(severalValues)); err != nil {
		return err
	}
	if c.String("shift") != "" {
		shift, err := dataset.ParseShift(c.String("shift"), job.seed)
		if err != nil {
			return usagef("", "--%s", strings.TrimPrefix(err.Error(), "evaluate: "))
		}
		job.shift = &shift
	}
	table, page := c.String("csv"), c.String("report")
	for _, file := range []string{table, page} {
		if file != "" {
			if err := s.newFile(file, append(job.paths, job.against...)); err != nil {
				return err
			}
		}
	}
	if job.request, err = readData(c); err != nil {
		return err
	}
	result, err := s.runEvaluation(job)
	if err != nil {
		return err
	}
	if table != "" {
		if err := atomicfile.Write(table, s.force, func(w io.Writer) error { return writeCSV(w, result) }); err != nil {
			return err
		}
	}
	if page != "" {
		p := report.Page{Results: []*evaluate.Result{result}, Version: versionText()}
		if err := atomicfile.Write(page, s.force, func(w io.Writer) error { return report.Write(w, p) }); err != nil {
			return err
		}
	}
	if s.json {
		err = s.answerJSON(result)
	} else {
		err = result.WriteTable(s.out)
	}
	if err != nil {
		return err
	}
	return s.enough(result, least)
}

// runEvaluation scores the models, and the originals and baselines when there
// are originals.
func (s *session) runEvaluation(job evaluateJob) (*evaluate.Result, error) {
	models, closeModels, err := s.openModels(job.paths)
	defer closeModels()
	if err != nil {
		return nil, err
	}
	originals, closeOriginals, err := s.openModels(job.against)
	defer closeOriginals()
	if err != nil {
		return nil, err
	}
	data := job.data
	if data == nil {
		if data, err = s.openData(job.request, models[0]); err != nil {
			return nil, err
		}
	}
	if job.shift != nil {
		if data, err = data.Shifted(*job.shift); err != nil {
			return nil, explain(err)
		}
	}
	keep := ""
	if job.keep {
		if cache, err := fetch.CacheDir(); err != nil {
			s.say("scores are not kept for the next evaluation: %v", err)
		} else {
			keep = filepath.Join(cache, "evaluate-results")
		}
	}
	rt, err := s.openRuntime()
	if err != nil {
		return nil, err
	}
	defer rt.Close()
	why, err := rt.UseProvider(job.provider)
	if err != nil {
		return nil, explain(err)
	}
	s.say("ONNX Runtime computes on %s: %s", rt.Provider, why)
	p := s.progress("scoring", "images")
	defer p.close()
	result, err := evaluate.Evaluate(s.ctx, evaluate.Options{
		Runtime: rt, Data: data, Models: models, Against: originals, Noise: job.noise, SpreadNoise: job.spread, Without: job.without, Bar: job.good, Seed: job.seed,
		Threads: job.machine.threads, Batch: job.batch, Keep: keep, Progress: p.at,
	})
	switch {
	case errors.Is(err, context.Canceled) && keep != "":
		return nil, &failure{code: exitInterrupted, err: errors.New("interrupted; the scores of the models that were finished are kept"),
			hint: "continue with: " + commandLine(), own: true}
	case err != nil:
		return nil, explain(err)
	}
	result.Version, result.Command = versionText(), s.words
	s.tellBad("could not be read and is left out", "could not be read and are left out", result.Data.Skipped)
	s.tellBad("is damaged, and is scored as far as it could be decoded", "are damaged, and are scored as far as they could be decoded", result.Data.Damaged)
	return result, nil
}

// tellBad warns of pictures, all in number and a few by name.
func (s *session) tellBad(one, many string, list []dataset.Bad) {
	const named = 5
	switch len(list) {
	case 0:
		return
	case 1:
		s.warn("1 picture %s:", one)
	default:
		s.warn("%d pictures %s:", len(list), many)
	}
	for _, b := range list[:min(named, len(list))] {
		s.note("  %s: %s\n", b.Name, strings.TrimPrefix(b.What, "evaluate: "+b.Name+": "))
	}
	if n := len(list) - named; n > 0 {
		s.note("  and %d more; --json has all\n", n)
	}
}

// enough is the answer to --min-top1: "no" when a model that was given is below.
func (s *session) enough(r *evaluate.Result, least float64) error {
	below := 0
	for _, m := range r.Models {
		given := m.Group == evaluate.GroupModels || m.Group == evaluate.GroupGenerated
		if given && !(m.Top1 >= least) {
			below++
			s.say("%s: top-1 %.2f %% is below %.2f %%", m.Path, 100*m.Top1, 100*least)
		}
	}
	if below > 0 {
		return errNo
	}
	return nil
}

// newFile refuses an output that is an input or, without --force, exists.
func (s *session) newFile(path string, inputs []string) error {
	if err := s.refuseInput(path, inputs); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err == nil && !s.force {
		return failedf("--force overwrites it", "%s: the file exists", path)
	}
	return nil
}

// fraction reads 0.7, 70 or 70% as 0.7; "" is 0.
func fraction(flag, text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	digits, percent := strings.CutSuffix(text, "%")
	x, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if percent || x > 1 {
		x /= 100
	}
	if err != nil || !(x >= 0 && x <= 1) {
		return 0, usagef("", "%s: expected a fraction or a percentage, found %q", flag, text)
	}
	return x, nil
}

// numbers reads a list like 0.01,0.05.
func numbers(flag, text string) ([]float64, error) {
	list := []float64{}
	for part := range strings.SplitSeq(text, ",") {
		x, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil || !(x > 0 && x < 1e6) {
			return nil, usagef("", "%s: expected numbers above 0 separated by commas, found %q", flag, text)
		}
		list = append(list, x)
	}
	return list, nil
}
