package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"rpg/evaluate/report"
	"rpg/generator"
)

func (s *session) generateVerb() verb {
	d := generator.DefaultSampling()
	return verb{
		name: "generate", alias: "gen", usage: "sample new weights into ONNX", arguments: "RUN [-o DIR] [--evaluate DATA]",
		description: "Writes DIR/0000.onnx, 0001.onnx, ... and answers with their paths. Model i is made with\n" +
			"seed SEED+i and does not depend on how many are made. What made a file is in its\n" +
			"metadata; --like MODEL repeats it exactly.\n\n" +
			"With --evaluate the models are scored as they are made, from memory, and the answer is\n" +
			"that of rpg evaluate; -o DIR is then needed only to keep them. In the JSON it is \"evaluation\".",
		examples: "rpg generate run -n 10 -o gen\nrpg generate run -n 4 -o gen --sampler ddpm --state mean\n" +
			"rpg generate run -n 50 --evaluate cifar10 --against zoo/*.onnx\nrpg generate --like gen/0003.onnx -o again",
		flags: append(append(computeFlags(), precisionFlag(),
			&cli.IntFlag{Name: "count", Aliases: []string{"n"}, Value: 1, Usage: "make `N` models"},
			&cli.StringFlag{Name: "sampler", Value: d.Sampler, Usage: "`NAME` of the sampler: " + strings.Join(generator.Samplers, ", ")},
			&cli.IntFlag{Name: "sample-steps", Value: d.Steps, Usage: "`N` steps of ddim; ddpm takes all diffusion steps"},
			&cli.Float64Flag{Name: "eta", Value: d.Eta, Usage: "`ETA` of ddim: 0 deterministic, 1 as noisy as ddpm"},
			&cli.StringFlag{Name: "state", Value: d.State, Usage: "learned state: `random`, mean, or the number K of a checkpoint"},
			externalFlag(),
			&cli.StringFlag{Name: "like", Usage: "repeat exactly what made `MODEL`"},
			&cli.StringFlag{Name: evaluateFlag, Usage: "score the models on `DATA` as they are made: a folder, .tar, .npz or .bin file, or cifar10", Category: scoringCategory}),
			evaluationFlags(scoringCategory)...),
		ownOutput: true,
		run:       s.generate,
	}
}

// evaluateFlag is the flag of generate without which those of scoringCategory make
// no sense.
const (
	evaluateFlag    = "evaluate"
	scoringCategory = "Scoring, with --evaluate:"
)

// generateJob is one sampling. names are the files to write into output,
// which is "" when none are to be written. metadata, when given, replaces what is
// written about a model's origin, and replace allows files to be overwritten.
type generateJob struct {
	run, output string
	names       []string
	options     generator.SampleOptions
	machine     machine
	metadata    map[string]string
	replace     bool
	external    bool
	evaluate    *evaluateJob // how to score the models, nil for not at all
}

// externalFlag moves the values of written models into side files.
func externalFlag() cli.Flag {
	return &cli.BoolFlag{Name: "external", Usage: "write large tensors to a file of their own, MODEL.data (above 2 GB always)"}
}

// number names the files 0000.onnx, 0001.onnx, ...
func (job *generateJob) number() {
	for i := range job.options.Count {
		job.names = append(job.names, fmt.Sprintf("%04d.onnx", i))
	}
}

func (s *session) generate(c *cli.Context) error {
	job := generateJob{output: s.output, external: c.Bool("external"), options: generator.SampleOptions{
		Count: c.Int("count"), Seed: c.Uint64("seed"), State: c.String("state"),
		Sampler: c.String("sampler"), Steps: c.Int("sample-steps"), Eta: c.Float64("eta"),
	}}
	var err error
	if job.machine, err = machineOf(c); err != nil {
		return err
	}
	if job.evaluate, err = s.evaluationOf(c); err != nil {
		return err
	}
	if job.output == "" && job.evaluate == nil {
		return usagef("rpg generate RUN -n 10 -o gen", "generate needs -o DIR, the folder for the models, or --evaluate DATA")
	}
	if c.NArg() > 1 || c.NArg() == 0 && c.String("like") == "" {
		return usagef("rpg generate RUN -n 10 -o gen", "generate needs one run folder, found %d arguments", c.NArg())
	}
	job.run = c.Args().First()
	if like := c.String("like"); like != "" {
		for _, name := range []string{"count", "seed", "state", "sampler", "sample-steps", "eta", "precision"} {
			if s.origin[name] != "" {
				return usagef("--like repeats what made the model", "--%s and --like do not go together", name)
			}
		}
		if err := s.like(&job, like); err != nil {
			return err
		}
	} else {
		if job.options.Count < 1 {
			return usagef("", "--count: expected 1 or more, found %d", job.options.Count)
		}
		if !slices.Contains(generator.Samplers, job.options.Sampler) {
			return usagef(didYouMean(job.options.Sampler, generator.Samplers, "--sampler ", ""),
				"--sampler: expected %s, found %q", strings.Join(generator.Samplers, " or "), job.options.Sampler)
		}
		job.number()
	}
	if job.evaluate != nil {
		if err := s.newFiles(*job.evaluate, nil); err != nil {
			return err
		}
	}
	result, err := s.runGenerating(job)
	if err != nil {
		return err
	}
	return s.answerGeneration(job, result)
}

// evaluationOf reads the flags on scoring; nil without --evaluate.
func (s *session) evaluationOf(c *cli.Context) (*evaluateJob, error) {
	if c.String(evaluateFlag) == "" {
		for _, name := range flagNames(evaluationFlags("")) {
			if s.origin[name] != "" {
				return nil, usagef("--evaluate cifar10, after rpg fetch cifar10; or a folder of pictures (rpg help data)", "--%s needs --evaluate, the images to score on", name)
			}
		}
		return nil, nil
	}
	job, err := s.readEvaluation(c, evaluateFlag)
	return &job, err
}

// answerGeneration tells what was made and, with --evaluate, what it is worth.
func (s *session) answerGeneration(job generateJob, result *generation) error {
	scores := result.Evaluation
	if scores != nil {
		page := report.Page{Version: versionText()}
		if job.evaluate.page != "" {
			text, err := json.Marshal(result)
			if err != nil {
				return err
			}
			if err := page.Read("the answer", text); err != nil {
				return err
			}
		}
		if err := s.writeEvaluation(*job.evaluate, scores, page); err != nil {
			return err
		}
	}
	switch {
	case s.json:
		if err := s.answerJSON(result); err != nil {
			return err
		}
	case scores != nil:
		if err := scores.WriteTable(s.out); err != nil {
			return err
		}
	default:
		for _, m := range result.Models {
			s.printf("%s\n", m.Path)
		}
	}
	if where := job.output; where != "" {
		s.say("%d new in %s, %.1f s (denoising %.1f s)", len(result.Models), where, result.Seconds.Total, result.Seconds.Denoise)
	} else {
		s.say("%d made and scored, %.1f s (denoising %.1f s); none is written: -o DIR keeps them", len(result.Models), result.Seconds.Total, result.Seconds.Denoise)
	}
	if scores != nil {
		return s.judge(scores, job.evaluate.least)
	}
	s.say("next: rpg evaluate %s --against ORIGINALS --data cifar10", quote(job.output))
	return nil
}
