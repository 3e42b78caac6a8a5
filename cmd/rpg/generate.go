package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"rpg/generator"
	"rpg/onnxio"
)

func (s *session) generateVerb() verb {
	d := generator.DefaultSampling()
	return verb{
		name: "generate", alias: "gen", usage: "sample new weights into ONNX", arguments: "RUN -o DIR",
		description: "Writes DIR/0000.onnx, 0001.onnx, ... and answers with their paths. Model i is made with\n" +
			"seed SEED+i and does not depend on how many are made. What made a file is in its\n" +
			"metadata; --like MODEL repeats it exactly.",
		examples: "rpg generate run -n 10 -o gen\nrpg generate run -n 4 -o gen --sampler ddpm --state mean\nrpg generate --like gen/0003.onnx -o again",
		flags: append(computeFlags(), precisionFlag(),
			&cli.IntFlag{Name: "count", Aliases: []string{"n"}, Value: 1, Usage: "make `N` models"},
			&cli.StringFlag{Name: "sampler", Value: d.Sampler, Usage: "`NAME` of the sampler: " + strings.Join(generator.Samplers, ", ")},
			&cli.IntFlag{Name: "sample-steps", Value: d.Steps, Usage: "`N` steps of ddim; ddpm takes all diffusion steps"},
			&cli.Float64Flag{Name: "eta", Value: d.Eta, Usage: "`ETA` of ddim: 0 deterministic, 1 as noisy as ddpm"},
			&cli.StringFlag{Name: "state", Value: d.State, Usage: "learned state: `random`, mean, or the number K of a checkpoint"},
			externalFlag(),
			&cli.StringFlag{Name: "like", Usage: "repeat exactly what made `MODEL`"},
		),
		ownOutput: true,
		run:       s.generate,
	}
}

// generateJob is one sampling. names are the files to write into output,
// metadata, when given, replaces what is written about a model's origin, and
// replace allows files to be overwritten.
type generateJob struct {
	run, output string
	names       []string
	options     generator.SampleOptions
	machine     machine
	metadata    map[string]string
	replace     bool
	external    bool
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
	if job.output == "" {
		return usagef("rpg generate RUN -n 10 -o gen", "generate needs -o DIR, the folder for the models")
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
	result, err := s.runGenerating(job)
	if err != nil {
		return err
	}
	if s.json {
		return s.answerJSON(result)
	}
	for _, m := range result.Models {
		s.printf("%s\n", m.Path)
	}
	s.say("%d new in %s, %.1f s (denoising %.1f s)", len(result.Models), job.output, result.Seconds.total(), result.Seconds.Denoise)
	s.say("next: rpg evaluate %s --against ORIGINALS --data cifar10", quote(job.output))
	return nil
}

// The keys of metadata_props that say what made a model.
const (
	metaVersion = "rpg.version"
	metaRun     = "rpg.run" // path of the run folder, relative to the model's folder
	metaSeed    = "rpg.seed"
	metaState   = "rpg.state"
	metaConfig  = "rpg.config_sha256"
	metaLearned = "rpg.model_sha256" // of model.safetensors: what was sampled from
	metaSampler = "rpg.sampler"
	metaSteps   = "rpg.sample_steps"
	metaEta     = "rpg.eta"
	metaDevice  = "rpg.device" // the kind

	metaPrecision = "rpg.precision"
)

// like makes a job that repeats a generated model, by what its metadata says. Without a run
// folder on the command line it is looked for where the model says it is.
func (s *session) like(job *generateJob, path string) error {
	m, err := onnxio.OpenWith(path, s.limits)
	if err != nil {
		return explain(err)
	}
	defer m.Close()
	meta := m.Info().Metadata
	for _, key := range []string{metaRun, metaSeed, metaState, metaConfig, metaLearned, metaSampler, metaSteps, metaEta, metaPrecision} {
		if _, ok := meta[key]; !ok {
			return failedf("--like takes a model that rpg generate made", "%s: metadata: expected %s, found none", path, key)
		}
	}
	seed, err1 := strconv.ParseUint(meta[metaSeed], 10, 64)
	steps, err2 := strconv.Atoi(meta[metaSteps])
	eta, err3 := strconv.ParseFloat(meta[metaEta], 64)
	if !slices.Contains(precisions, meta[metaPrecision]) {
		err3 = errors.Join(err3, fmt.Errorf("%s is %q", metaPrecision, meta[metaPrecision]))
	}
	if err := errors.Join(err1, err2, err3); err != nil {
		return failedf("the metadata of the model was changed", "%s: metadata: %w", path, err)
	}
	if v := meta[metaVersion]; v != versionText() {
		s.warn("%s was made by rpg %s, this is %s: the weights may differ in the last digits", path, v, versionText())
	}
	job.options = generator.SampleOptions{Count: 1, Seed: seed, State: meta[metaState], Sampler: meta[metaSampler], Steps: steps, Eta: eta}
	job.metadata = map[string]string{}
	for key, value := range meta {
		if strings.HasPrefix(key, "rpg.") {
			job.metadata[key] = value
		}
	}
	job.machine.precision = meta[metaPrecision]
	job.names = []string{filepath.Base(path)}
	if job.run == "" {
		job.run = filepath.FromSlash(meta[metaRun])
		if !filepath.IsAbs(job.run) {
			job.run = filepath.Join(filepath.Dir(path), job.run)
		}
		if _, err := os.Stat(job.run); err != nil {
			return failedf("name the run folder: rpg generate RUN --like MODEL -o DIR", "%s: the run folder is not where it was: %w", path, err)
		}
	}
	return nil
}

// The JSON answer, rpg.generate/1.
type (
	generation struct {
		Schema  string            `json:"schema"`
		Version string            `json:"version"`
		Command []string          `json:"command"`
		Models  []generatedModel  `json:"models"`
		Seconds generationSeconds `json:"seconds"`
		Peak    int64             `json:"peak_rss_bytes"`
		Device  string            `json:"device"`
	}
	generatedModel struct {
		Path   string `json:"path"`
		Seed   uint64 `json:"seed"`
		State  string `json:"state"`
		SHA256 string `json:"sha256"`
	}
	generationSeconds struct {
		Load       float64 `json:"load"`
		Prototypes float64 `json:"prototypes"`
		Denoise    float64 `json:"denoise"`
		Write      float64 `json:"write"`
	}
)

func (t generationSeconds) total() float64 { return t.Load + t.Prototypes + t.Denoise + t.Write }

func (s *session) runGenerating(job generateJob) (*generation, error) {
	run, err := generator.Open(job.run)
	if err != nil {
		return nil, withHint(err, "rpg train MODEL... -o "+quote(job.run)+" makes it")
	}
	template, err := s.openTemplate(run.Template(), run.Tokenizer)
	if err != nil {
		return nil, err
	}
	defer template.Close()
	learned, err := fileSHA256(filepath.Join(run.Dir, "model.safetensors"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, failedf("train for at least one checkpoint first", "%s: nothing is learned yet: no model.safetensors", run.Dir)
	}
	if err != nil {
		return nil, err
	}
	meta := job.metadata
	if meta == nil {
		meta = s.provenance(job, run, learned)
	} else if meta[metaConfig] != run.Config.SHA256() || meta[metaLearned] != learned {
		return nil, failedf("the run has been trained further or anew since; its bytes cannot be repeated from it",
			"%s: not what made this model: expected model.safetensors with SHA-256 %.16s…, found %.16s…", run.Dir, meta[metaLearned], learned)
	}
	if err := s.prepareFolder(job, run); err != nil {
		return nil, err
	}
	device, err := s.openDevice(job.machine)
	if err != nil {
		return nil, err
	}
	defer device.Close()
	if kind := meta[metaDevice]; kind != "" && kind != device.Info().Kind {
		s.warn("the model was made on %s, this is %s: the weights may differ in the last digits", kind, device.Info().Kind)
	}
	meta[metaDevice] = device.Info().Kind

	out := &generation{Schema: "rpg.generate/1", Version: versionText(), Command: s.words, Models: []generatedModel{}, Device: device.Info().Name}
	p := s.progress("generating", "models")
	defer p.close()
	made, writing := 0, error(nil)
	took, err := run.Sample(s.ctx, device, job.options, func(part float64) {
		p.at(int(part*float64(job.options.Count)), job.options.Count)
	}, func(group []generator.Sample) error {
		begun := time.Now()
		defer func() { out.Seconds.Write += time.Since(begun).Seconds() }()
		for _, sample := range group {
			if writing = s.ctx.Err(); writing != nil {
				break
			}
			var model generatedModel
			model, writing = s.writeModel(job, run, template, meta, job.names[made], sample)
			if writing != nil {
				break
			}
			made++
			out.Models = append(out.Models, model)
		}
		return writing
	})
	out.Seconds.Load, out.Seconds.Prototypes, out.Seconds.Denoise = took.Load.Seconds(), took.Prototypes.Seconds(), took.Denoise.Seconds()
	switch {
	case writing != nil && errors.Is(err, writing):
		return nil, writing
	case err != nil && !errors.Is(err, context.Canceled):
		hint := "rpg generate -h explains the flags"
		if device.Sync() != nil {
			hint = "--device cpu generates on the CPU"
		}
		return nil, withHint(err, hint)
	case err != nil:
		return nil, err
	}
	out.Peak = peakMemory()
	return out, nil
}

// provenance is what every model of a job says about its origin; seed and
// state are its own.
func (s *session) provenance(job generateJob, run *generator.Run, learned string) map[string]string {
	return map[string]string{
		metaVersion: versionText(), metaRun: relativeTo(job.output, run.Dir),
		metaConfig: run.Config.SHA256(), metaLearned: learned,
		metaSampler: job.options.Sampler, metaSteps: strconv.Itoa(job.options.Steps),
		metaEta: strconv.FormatFloat(job.options.Eta, 'g', -1, 64), metaPrecision: job.machine.precision,
	}
}

// relativeTo is the way from folder to path: files that are moved together
// find each other, and no name of this machine gets into them.
func relativeTo(folder, path string) string {
	a, err1 := filepath.Abs(folder)
	b, err2 := filepath.Abs(path)
	if r, err := filepath.Rel(a, b); err == nil && err1 == nil && err2 == nil {
		return filepath.ToSlash(r)
	}
	return filepath.ToSlash(path)
}

// prepareFolder makes the folder and refuses files that are there already,
// before any work is done.
func (s *session) prepareFolder(job generateJob, run *generator.Run) error {
	if err := s.refuseInput(job.output, []string{run.Dir}); err != nil {
		return err
	}
	if err := os.MkdirAll(job.output, 0o777); err != nil {
		return err
	}
	for _, name := range job.names {
		path := filepath.Join(job.output, name)
		if err := s.refuseInput(path, []string{run.Template()}); err != nil {
			return err
		}
		if _, err := os.Lstat(path); err == nil && !s.force && !job.replace {
			return failedf("--force overwrites it, -o names another folder", "%s: the file exists", path)
		}
	}
	return nil
}

// writeModel writes one sample as an ONNX file.
func (s *session) writeModel(job generateJob, run *generator.Run, template *onnxio.Model, meta map[string]string, name string, sample generator.Sample) (generatedModel, error) {
	made := generatedModel{Path: filepath.Join(job.output, name), Seed: sample.Seed, State: sample.State}
	props := map[string]string{}
	for k, v := range meta {
		props[k] = v
	}
	props[metaSeed], props[metaState] = strconv.FormatUint(sample.Seed, 10), sample.State
	err := onnxio.Write(made.Path, template, run.Tokenizer.Decode(sample.Tokens), onnxio.WriteOptions{Metadata: props, Force: s.force || job.replace, External: job.external})
	if err != nil {
		return made, explain(err)
	}
	made.SHA256, err = fileSHA256(made.Path)
	return made, err
}

// fileSHA256 is the hex digest of a file.
func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
