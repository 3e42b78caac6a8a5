package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"rpg/evaluate"
	"rpg/fixtures"
	"rpg/generator"
	"rpg/internal/atomicfile"
)

func (s *session) demoVerb() verb {
	return verb{
		name: "demo", usage: "everything once: train on an embedded zoo, generate, score", arguments: "[-o DIR]",
		description: "Writes 50 embedded checkpoints of a CIFAR-10 network and 1,000 test images into DIR\n" +
			"(rpg-demo), trains on the checkpoints, generates new models, and compares them with the\n" +
			"originals and with trivial baselines. Needs libonnxruntime: rpg fetch onnxruntime.\n" +
			"A demo that was stopped goes on where it was.",
		examples: "rpg demo\nrpg demo -o /tmp/demo -n 20 --seed 7\nrpg demo --set steps=800",
		flags: append(computeFlags(),
			&cli.IntFlag{Name: "count", Aliases: []string{"n"}, Value: 10, Usage: "generate `N` models"},
			&cli.BoolFlag{Name: "fresh", Usage: "train anew in a folder that holds another training"},
		),
		keys:      generator.Keys,
		ownOutput: true,
		run:       s.demo,
	}
}

// The JSON answer, rpg.demo/1.
type demonstration struct {
	Schema     string           `json:"schema"`
	Folder     string           `json:"folder"`
	Seconds    demoSeconds      `json:"seconds"`
	Evaluation *evaluate.Result `json:"evaluation"`
}

type demoSeconds struct {
	Train    float64 `json:"train"`
	Generate float64 `json:"generate"`
	Evaluate float64 `json:"evaluate"`
}

func (s *session) demo(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	if c.Int("count") < 1 {
		return usagef("", "--count: expected 1 or more, found %d", c.Int("count"))
	}
	m, err := machineOf(c)
	if err != nil {
		return err
	}
	rt, err := s.openRuntime() // before minutes of training are spent
	if err != nil {
		return err
	}
	if err := rt.Close(); err != nil {
		return err
	}
	folder := s.output
	if folder == "" {
		folder = "rpg-demo"
	}
	answer := demonstration{Schema: "rpg.demo/1", Folder: folder}
	zoo, err := writeFixtures(folder)
	if err != nil {
		return err
	}
	data, err := evaluate.CIFAR10FromBytes("embedded images", fixtures.Images())
	if err != nil {
		return err
	}

	train := trainJob{paths: zoo, output: filepath.Join(folder, "run"), machine: m, fresh: c.Bool("fresh"), part: true}
	if s.origin["seed"] != "" {
		train.overrides = append(train.overrides, generator.Override{Key: "seed", Value: fmt.Sprint(c.Uint64("seed")), Origin: s.origin["seed"]})
	}
	for _, e := range s.settings {
		train.overrides = append(train.overrides, generator.Override{Key: e.key, Value: e.value, Origin: e.origin})
	}
	begun := time.Now()
	if err := s.runTraining(train); err != nil {
		return err
	}
	answer.Seconds.Train = time.Since(begun).Seconds()

	generate := generateJob{run: train.output, output: filepath.Join(folder, "gen"), machine: m, options: generator.DefaultSampling(), replace: true}
	generate.options.Count, generate.options.Seed = c.Int("count"), c.Uint64("seed")
	generate.number()
	made, err := s.runGenerating(generate)
	if err != nil {
		return err
	}
	answer.Seconds.Generate = made.Seconds.Total
	s.say("generated %d models in %.1f s", len(made.Models), answer.Seconds.Generate)

	score := evaluateJob{provider: "auto", against: zoo, data: data, noise: []float64{0.01, 0.05}, machine: m, seed: c.Uint64("seed")}
	for _, model := range made.Models {
		score.paths = append(score.paths, model.Path)
	}
	begun = time.Now()
	if answer.Evaluation, err = s.runEvaluation(score); err != nil {
		return err
	}
	answer.Seconds.Evaluate = time.Since(begun).Seconds()
	if s.json {
		return s.answerJSON(answer)
	}
	if err := answer.Evaluation.WriteTable(s.out); err != nil {
		return err
	}
	s.printf("\nTraining %.0f s, generating %.1f s, scoring %.1f s, on %s.\n", answer.Seconds.Train, answer.Seconds.Generate, answer.Seconds.Evaluate, made.Device)
	s.printf("New models: %s   originals: %s   what was learned: %s\n", filepath.Join(folder, "gen"), filepath.Join(folder, "zoo"), train.output)
	s.printf("Next:\n  rpg generate %s -n 5 --seed 100 -o more\n", quote(train.output))
	s.printf("  rpg fetch cifar10 && rpg evaluate %s --against %s --data cifar10\n", quote(filepath.Join(folder, "gen")), quote(filepath.Join(folder, "zoo")))
	s.printf("  rpg train YOUR-CHECKPOINTS/*.onnx -o run\n")
	return nil
}

// writeFixtures writes the embedded checkpoints to folder/zoo and the images to
// folder/images, and gives the paths of the checkpoints. Files that are there
// and right are left alone.
func writeFixtures(folder string) (zoo []string, err error) {
	write := func(path string, data []byte) error {
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
			return nil
		}
		return atomicfile.Write(path, true, func(w io.Writer) error {
			_, err := w.Write(data)
			return err
		})
	}
	for _, sub := range []string{"zoo", "images"} {
		if err := os.MkdirAll(filepath.Join(folder, sub), 0o777); err != nil {
			return nil, err
		}
	}
	for _, name := range fixtures.ZooNames() {
		data, err := fs.ReadFile(fixtures.Zoo(), name)
		if err != nil {
			return nil, err
		}
		path := filepath.Join(folder, "zoo", name)
		if err := write(path, data); err != nil {
			return nil, err
		}
		zoo = append(zoo, path)
	}
	slices.Sort(zoo)
	return zoo, write(filepath.Join(folder, "images", "test_1000.bin"), fixtures.Images())
}
