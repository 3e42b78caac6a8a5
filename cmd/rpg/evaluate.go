package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"rpg/evaluate"
	"rpg/evaluate/dataset"
	"rpg/evaluate/report"
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
			"rpg evaluate gen --against zoo --data cifar10 --csv models.csv\n" +
			"rpg evaluate gen/*.onnx --data cifar10 --min-top1 70%\n" +
			"rpg evaluate resnet50.onnx --data imagenet-val.tar --labels val.txt\n" +
			"rpg evaluate vit.onnx --data imagenet/val --preprocess timm:0.9,bicubic\n" +
			"rpg evaluate mlp.onnx --data digits/test.npz --preprocess values:8,1,1",
		flags: append(append(computeFlags(),
			&cli.StringFlag{Name: "data", Usage: "`DATA` to score on: a folder, .tar, .npz or .bin file, or cifar10 (rpg help data)"}),
			evaluationFlags("")...),
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

	table, page string  // files to write too, "" for none
	least       float64 // of --min-top1
}

func (s *session) evaluate(c *cli.Context) error {
	if err := someArguments(c, "at least one model"); err != nil {
		return err
	}
	if c.String("data") == "" {
		return usagef("--data cifar10, after rpg fetch cifar10; or a folder of pictures (rpg help data)", "evaluate needs --data, the images to score on")
	}
	job, err := s.readEvaluation(c, "data")
	if err != nil {
		return err
	}
	if job.paths, err = modelPaths(c.Args().Slice()); err != nil {
		return err
	}
	if err := s.newFiles(job, job.paths); err != nil {
		return err
	}
	result, err := s.runEvaluation(job)
	if err != nil {
		return err
	}
	page := report.Page{Results: []*evaluate.Result{result}, Version: versionText()}
	if err := s.writeEvaluation(job, result, page); err != nil {
		return err
	}
	if s.json {
		err = s.answerJSON(result)
	} else {
		err = result.WriteTable(s.out)
	}
	if err != nil {
		return err
	}
	return s.judge(result, job.least)
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
	o, err := s.openScoring(job, models[0])
	if err != nil {
		return nil, err
	}
	defer o.Runtime.Close()
	p := s.progress("scoring", "images")
	defer p.close()
	o.Models, o.Against, o.Progress = models, originals, p.at
	result, err := evaluate.Evaluate(s.ctx, o)
	switch {
	case errors.Is(err, context.Canceled) && o.Keep != "":
		return nil, &failure{code: exitInterrupted, err: errors.New(scoresKept), hint: "continue with: " + commandLine(), own: true}
	case err != nil:
		return nil, explain(err)
	}
	result.Version, result.Command = versionText(), s.words
	s.tellPictures(result)
	return result, nil
}
