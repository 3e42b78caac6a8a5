package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"rpg/generator"
	"rpg/generator/compute"
	"rpg/onnxio"
	"rpg/tokenize"
)

func (s *session) trainVerb() verb {
	flags := append(computeFlags(), precisionFlag())
	for _, u := range trainUsage {
		flags = append(flags, &cli.StringFlag{Name: u.key, Usage: u.usage, Category: "Generator (defaults: the preset):"})
	}
	flags = append(flags,
		&cli.IntFlag{Name: "save-every", Usage: "save after every `N` steps; 0: every minute"},
		&cli.IntFlag{Name: "eval-every", Usage: "score generated models after every `N` steps; 0: at the end only"},
		&cli.StringFlag{Name: "eval-data", Usage: "score on this `DATA`: cifar10, cifar10:PATH"},
		&cli.IntFlag{Name: "eval-count", Value: 8, Usage: "score `N` models each time"},
	)
	flags = append(flags, selectionFlags()...)
	flags = append(flags,
		&cli.BoolFlag{Name: "fresh", Usage: "start anew in a folder that holds another training"},
	)
	return verb{
		name: "train", usage: "learn to generate; the same command resumes", arguments: "MODEL... -o RUN",
		description: "A folder stands for the .onnx files in it. All models must have one graph.\n" +
			"Ctrl-C saves; the same command goes on where it stopped, to the same bytes.",
		examples: "rpg train zoo/*.onnx -o run\nrpg train zoo -o run --steps 3000 --eval-data cifar10 --eval-every 500\n" +
			"rpg train zoo/*.onnx --preset paper --dry-run",
		flags: flags, ownOutput: true, ownPlan: true,
		run: s.train,
	}
}

// trainJob is one training.
type trainJob struct {
	paths                           []string
	output                          string
	overrides                       []generator.Override
	machine                         machine
	selection                       onnxio.Selection
	fresh                           bool
	saveEvery, evalEvery, evalCount int
	evalData                        string
	room                            int64 // of the device's memory, beyond the forecast
	part                            bool  // of a larger work: no answer of its own
}

func (s *session) train(c *cli.Context) error {
	if err := someArguments(c, "the models of a zoo"); err != nil {
		return err
	}
	job := trainJob{
		output: s.output, fresh: c.Bool("fresh"), saveEvery: c.Int("save-every"),
		evalEvery: c.Int("eval-every"), evalCount: c.Int("eval-count"), evalData: c.String("eval-data"),
		selection: selectionOf(c),
	}
	for _, f := range []struct {
		name     string
		n, least int
	}{{"save-every", job.saveEvery, 0}, {"eval-every", job.evalEvery, 0}, {"eval-count", job.evalCount, 1}} {
		if f.n < f.least {
			return usagef("", "--%s: expected %d or more, found %d", f.name, f.least, f.n)
		}
	}
	if job.evalEvery > 0 && job.evalData == "" {
		return usagef("--eval-data cifar10, after rpg fetch cifar10", "--eval-every needs --eval-data")
	}
	if job.output == "" && !s.dryRun {
		return usagef("rpg train MODEL... -o run", "train needs -o RUN, the folder for what it learns")
	}
	var err error
	if job.machine, err = machineOf(c); err != nil {
		return err
	}
	for _, key := range generator.Keys() {
		if s.origin[key] != "" {
			job.overrides = append(job.overrides, generator.Override{Key: key, Value: fmt.Sprint(c.Value(key)), Origin: s.origin[key]})
		}
	}
	if job.paths, err = modelPaths(c.Args().Slice()); err != nil {
		return err
	}
	if slices.Contains(job.paths, job.output) {
		return usagef("-o names the folder for what is learned", "%s: the output is also an input", job.output)
	}
	return s.runTraining(job)
}

// independent is the spread of a zoo above which its models count as trained
// independently: zoos of one training have 0.01 and less, independent seeds 1.
const independent = 0.3

// runTraining does the job, or with --dry-run says what it would do.
func (s *session) runTraining(job trainJob) error {
	models, closeModels, err := s.openModels(job.paths)
	defer closeModels()
	if err != nil {
		return err
	}
	if err := selectWeights(models, job.selection); err != nil {
		return err
	}
	if err := sameGraphs(models); err != nil {
		return err
	}
	parameters := 0
	for _, w := range models[0].Weights() {
		parameters += w.Elements
	}
	resolved, err := generator.Resolve(parameters, job.overrides)
	if err != nil {
		return &failure{code: exitUsage, err: fromWhere(err, job.overrides), hint: unknownKeyHint(err)}
	}
	if len(models) == 1 {
		s.warn("one single model: it can only be memorised; give more checkpoints to generate new models")
	}
	zoo, err := s.loadZoo(models, resolved.Config)
	if err != nil {
		return err
	}
	if spread := zoo.Spread(); spread > independent && resolved.Origins["steps"] == "preset fast" {
		s.warn("the models are far from each other (%.2f of a tensor's deviation from their mean), as independent trainings are: "+
			"preset fast is for what models have in common; --batch 16 --steps 1500 learns each", spread)
	}
	if s.dryRun {
		return s.finish(s.planTraining(resolved, zoo, job.machine))
	}
	var eval *midway
	if job.evalData != "" {
		if eval, err = s.newMidway(job, models[0]); err != nil {
			return err
		}
		defer eval.close()
	}
	device, err := s.openDevice(job.machine)
	if err != nil {
		return err
	}
	defer device.Close()
	forecast, err := s.forecast(resolved.Config, zoo.Tokenizer, zoo.Count, job.machine, device)
	if err != nil {
		return err
	}
	if err := checkMemory(device, resolved.Config, forecast); err != nil {
		return err
	}
	job.room = room(device.Info().Memory, forecast)
	if eval != nil { // which samples beside the training
		job.room -= forecast.SampleBytes
	}
	run, err := generator.Create(job.output, resolved, zoo, func(path string) error {
		return onnxio.Write(path, models[0], models[0], onnxio.WriteOptions{Force: true})
	}, job.fresh)
	if err != nil {
		return explainRun(err)
	}
	defer run.Close()
	return s.follow(run, device, zoo, job, eval)
}

// fromWhere puts before an error about a setting where it was set, if that is
// not the command line.
func fromWhere(err error, overrides []generator.Override) error {
	for _, o := range slices.Backward(overrides) {
		if strings.HasPrefix(err.Error(), "generator: "+o.Key+" is ") && o.Origin != "flag" {
			return fmt.Errorf("%s: %s", o.Origin, plain(err))
		}
	}
	return err
}

// unknownKeyHint offers the nearest setting for an unknown one.
func unknownKeyHint(err error) string {
	var unknown *generator.UnknownKeyError
	if errors.As(err, &unknown) {
		return didYouMean(unknown.Key, generator.Keys(), "", "rpg train -h lists the settings")
	}
	return "rpg train -h lists the settings"
}

// explainRun adds exit code and hint to the errors of a run folder.
func explainRun(err error) error {
	var mismatch *generator.MismatchError
	var locked *generator.LockedError
	switch {
	case errors.As(err, &mismatch):
		return &failure{code: exitUsage, err: err, hint: "give the settings and models of that run to resume it, another -o, or --fresh to start anew"}
	case errors.As(err, &locked):
		return withHint(err, "wait for the other training, or choose another -o")
	}
	return err
}

// loadZoo learns layout and statistics and turns every model into tokens.
func (s *session) loadZoo(models []*onnxio.Model, c generator.Config) (*generator.Zoo, error) {
	t, err := tokenize.Build(models, tokenize.Options{TokenDim: c.TokenDim, Stats: c.Stats, Granularity: c.Granularity, Zeros: true})
	if err != nil {
		return nil, explain(err)
	}
	for _, w := range t.Layout.Weights {
		if w.Constant() {
			s.warn("%s is the same in every model: it is copied, not generated", w.Name)
		}
	}
	values := t.Layout.Tokens() * c.TokenDim
	zoo := &generator.Zoo{Tokenizer: t, Count: len(models), Tokens: make([]float32, len(models)*values)}
	p := s.progress("reading", "models")
	defer p.close()
	for i, m := range models {
		if err := s.ctx.Err(); err != nil {
			return nil, err
		}
		if err := t.Encode(m, zoo.Tokens[i*values:(i+1)*values]); err != nil {
			return nil, explain(err)
		}
		zoo.Sources = append(zoo.Sources, m.Path)
		p.at(i+1, len(models))
	}
	return zoo, nil
}

// The JSON lines of train.
type (
	stepLine struct {
		Event    string  `json:"event"`
		Step     int     `json:"step"`
		Loss     float64 `json:"loss"`
		GradNorm float64 `json:"grad_norm"`
		LR       float64 `json:"lr"`
		Rate     float64 `json:"tokens_per_s"`
		Elapsed  float64 `json:"elapsed_s"`
	}
	evalLine struct {
		Event string  `json:"event"`
		Step  int     `json:"step"`
		Mean  float64 `json:"top1_mean"`
		Std   float64 `json:"top1_std"`
	}
	savedLine struct {
		Event string `json:"event"`
		Step  int    `json:"step"`
		Path  string `json:"path"`
	}
	doneLine struct {
		Event   string  `json:"event"`
		Step    int     `json:"step"`
		Seconds float64 `json:"seconds"`
		Peak    int64   `json:"peak_rss_bytes"`
		Device  string  `json:"device"`
	}
)

// saveAfter is the time between two checkpoints when --save-every is not given.
const saveAfter = time.Minute

// follow trains and tells about it.
func (s *session) follow(run *generator.Run, device compute.Device, zoo *generator.Zoo, job trainJob, eval *midway) error {
	config, begun := run.Config, time.Now()
	rows := config.Batch * zoo.Tokenizer.Layout.Tokens()
	if config.DiffusionBatch > 0 {
		rows = min(rows, config.DiffusionBatch)
	}
	s.say("training on %s models of %s tokens, %s steps, into %s", count(zoo.Count), count(zoo.Tokenizer.Layout.Tokens()), count(config.Steps), run.Dir)
	p := s.progress("training", "steps")
	defer p.close()
	last, first, writing := 0, 0, error(nil)
	emit := func(v any) {
		if s.json && !job.part && writing == nil {
			writing = s.event(v)
		}
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	hooks := generator.Hooks{
		Step: func(e generator.StepEvent) {
			if first == 0 {
				if first = e.Step; first > 1 {
					s.say("resuming after step %s", count(first-1))
				}
				p.from = first - 1
			}
			last = e.Step
			spent := time.Since(begun).Seconds()
			rate := float64((e.Step-first+1)*rows) / spent
			emit(stepLine{"step", e.Step, e.Loss, e.GradNorm, e.LR, rate, spent})
			p.note = fmt.Sprintf("loss %.4f", e.Loss)
			p.at(e.Step, config.Steps)
			if writing != nil { // nobody reads the answer any more
				cancel()
			}
		},
		Saved: func(step int, path string) {
			emit(savedLine{"saved", step, path})
			s.detail("saved %s at step %s", path, count(step))
		},
		SaveEvery: job.saveEvery,
		Room:      job.room,
	}
	if job.saveEvery == 0 {
		hooks.SaveAfter = saveAfter
	}
	if eval != nil {
		hooks.EvalEvery = job.evalEvery
		hooks.Evaluate = func(ctx context.Context, step int) error {
			mean, std, err := eval.score(ctx, run, device)
			if err == nil {
				line := evalLine{"eval", step, mean, std}
				emit(line)
				err = run.Note(line)
				s.say("step %s: %d generated models score %.2f ± %.2f %% top-1", count(step), eval.count, 100*mean, 100*std)
			}
			return err
		}
	}
	err := run.Train(ctx, device, zoo, hooks)
	p.close()
	var diverged *generator.DivergedError
	switch {
	case writing != nil:
		return fmt.Errorf("standard output: %w", writing)
	case errors.Is(err, generator.ErrInterrupted):
		return &failure{code: exitInterrupted, err: fmt.Errorf("interrupted; %s holds step %s of %s", run.Dir, count(last), count(config.Steps)),
			hint: "resume with: " + commandLine(), own: true}
	case errors.As(err, &diverged):
		return &failure{code: exitNumerics, err: err, hint: "the last good checkpoint is kept in " + run.Dir + "; try a smaller --lr"}
	case err != nil:
		return trainingFailed(err, device, run, last)
	}
	seconds := time.Since(begun).Seconds()
	if first == 0 {
		last = config.Steps
		s.say("%s is complete already", run.Dir)
	}
	emit(doneLine{"done", last, seconds, peakMemory(), device.Info().Name})
	if !s.json && !job.part {
		s.printf("%s\n", run.Dir)
	}
	s.say("trained to step %s in %s, peak memory %s", count(last), time.Duration(seconds*float64(time.Second)).Round(time.Second/10), size(peakMemory()))
	if !job.part {
		s.say("next: rpg generate %s -n 10 -o gen", quote(run.Dir))
	}
	return writing
}

// commandLine is this command as one would type it.
func commandLine() string {
	var words []string
	for _, w := range os.Args {
		words = append(words, quote(w))
	}
	text := strings.Join(words, " ")
	if len(text) > 200 { // a shell wrote out a long list of files
		return "the same command"
	}
	return text
}
