package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"rpg/evaluate"
	"rpg/generator"
	"rpg/generator/compute"
	"rpg/onnxio"
)

// The JSON answer, rpg.generate/1. With --evaluate it holds an rpg.evaluate/1,
// whose models are in the same order and have the same paths.
type (
	generation struct {
		Schema     string            `json:"schema"`
		Version    string            `json:"version"`
		Command    []string          `json:"command"`
		Models     []generatedModel  `json:"models"`
		Seconds    generationSeconds `json:"seconds"`
		Peak       int64             `json:"peak_rss_bytes"`
		Device     string            `json:"device"`
		Evaluation *evaluate.Result  `json:"evaluation,omitempty"`
	}
	generatedModel struct {
		Path   string `json:"path"` // of a model that is not written: how it was made
		Seed   uint64 `json:"seed"`
		State  string `json:"state"`
		SHA256 string `json:"sha256"` // "" for one that is not written
	}
	// generationSeconds is the time that each part took. Models are written and
	// scored while others are sampled, so the parts may add up to more than Total.
	// Write has what was waited for the digest of what was learned.
	generationSeconds struct {
		Load       float64 `json:"load"`
		Prototypes float64 `json:"prototypes"`
		Denoise    float64 `json:"denoise"`
		Write      float64 `json:"write"`
		Score      float64 `json:"score"`
		Total      float64 `json:"total"`
	}
)

// generating is a job under way.
type generating struct {
	*session
	job      generateJob
	run      *generator.Run
	template *onnxio.Model
	learned  *digest // of model.safetensors; nil where nothing says it
	meta     map[string]string
	scoring  *streamScoring // nil without --evaluate
	out      *generation
}

func (s *session) runGenerating(job generateJob) (*generation, error) {
	begun := time.Now()
	run, err := generator.Open(job.run)
	if err != nil {
		return nil, withHint(err, "rpg train MODEL... -o "+quote(job.run)+" makes it")
	}
	template, err := s.openTemplate(run.Template(), run.Tokenizer)
	if err != nil {
		return nil, err
	}
	defer template.Close()
	g := &generating{session: s, job: job, run: run, template: template}
	if err := g.beginLearned(); err != nil {
		return nil, err
	}
	if g.learned != nil {
		defer g.learned.close()
	}
	if err := g.readOrigin(); err != nil {
		return nil, err
	}
	if job.evaluate != nil {
		if g.scoring, err = s.openStream(*job.evaluate, template, job.options.Count); err != nil {
			return nil, err
		}
		defer g.scoring.close()
	}
	if err := s.prepareFolder(job, run); err != nil {
		return nil, err
	}
	device, err := s.openDevice(job.machine)
	if err != nil {
		return nil, err
	}
	defer device.Close()
	if kind := g.meta[metaDevice]; kind != "" && kind != device.Info().Kind {
		s.warn("the model was made on %s, this is %s: the weights may differ in the last digits", kind, device.Info().Kind)
	}
	g.meta[metaDevice] = device.Info().Kind
	g.out = &generation{Schema: "rpg.generate/1", Version: versionText(), Command: s.words, Models: []generatedModel{}, Device: device.Info().Name}
	if err := g.sample(device); err != nil {
		return nil, g.interrupted(err)
	}
	if g.scoring != nil {
		scoring := time.Now()
		if g.out.Evaluation, err = g.scoring.finish(s); err != nil {
			return nil, g.interrupted(err)
		}
		g.out.Seconds.Score += time.Since(scoring).Seconds()
	}
	g.out.Peak, g.out.Seconds.Total = peakMemory(), time.Since(begun).Seconds()
	return g.out, nil
}

// beginLearned begins with the digest of what was learned, if models are written or
// repeated: only they say it. It is there by the time the first one is written.
func (g *generating) beginLearned() (err error) {
	path := filepath.Join(g.run.Dir, "model.safetensors")
	if g.job.output == "" && g.job.metadata == nil {
		_, err = os.Stat(path)
	} else {
		g.learned, err = beginDigest(g.ctx, path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return failedf("train for at least one checkpoint first", "%s: nothing is learned yet: no model.safetensors", g.run.Dir)
	}
	return err
}

// readOrigin finds what the models' metadata will say, but for the digest, and
// refuses to repeat a model from a run that is not the one that made it: for that
// it waits for the digest, so that nothing is made in vain.
func (g *generating) readOrigin() error {
	g.meta = g.job.metadata
	if g.meta == nil {
		g.meta = g.provenance(g.job, g.run)
		return nil
	}
	learned, err := g.learned.wait()
	if err != nil {
		return err
	}
	if g.meta[metaConfig] != g.run.Config.SHA256() || g.meta[metaLearned] != learned {
		return failedf("the run has been trained further or anew since; its bytes cannot be repeated from it",
			"%s: not what made this model: expected model.safetensors with SHA-256 %.16s…, found %.16s…", g.run.Dir, g.meta[metaLearned], learned)
	}
	return nil
}

// sample makes the models. A group of them is written and scored while the next
// one is sampled; two groups are in memory, see generator.Run.Sample.
func (g *generating) sample(device compute.Device) error {
	p := g.progress("generating", "models")
	defer p.close()
	progress := func(part float64) { p.at(int(part*float64(g.job.options.Count)), g.job.options.Count) }
	if g.scoring != nil {
		progress = g.scoring.sampled
	}
	var taking error
	took, err := g.run.Sample(g.ctx, device, g.job.options, progress, func(group []generator.Sample) error {
		taking = g.take(group)
		return taking
	})
	g.out.Seconds.Load, g.out.Seconds.Prototypes, g.out.Seconds.Denoise = took.Load.Seconds(), took.Prototypes.Seconds(), took.Denoise.Seconds()
	if err == nil || err == taking || errors.Is(err, context.Canceled) {
		return err
	}
	hint := "rpg generate -h explains the flags"
	if device.Sync() != nil {
		hint = "--device cpu generates on the CPU"
	}
	return withHint(err, hint)
}

// take writes a group of samples, where there is a folder for them, and scores
// them from memory.
func (g *generating) take(group []generator.Sample) error {
	begun := time.Now()
	models := make([]onnxio.Values, len(group))
	for i, sample := range group {
		if err := g.ctx.Err(); err != nil {
			return err
		}
		v := named{g.run.Tokenizer.Decode(sample.Tokens), fmt.Sprintf("seed=%d,state=%s", sample.Seed, sample.State)}
		made := generatedModel{Seed: sample.Seed, State: sample.State}
		if g.job.output != "" {
			v.name = filepath.Join(g.job.output, g.job.names[len(g.out.Models)])
			var err error
			if made.SHA256, err = g.write(v, made); err != nil {
				return err
			}
		}
		made.Path = v.name
		models[i] = v
		g.out.Models = append(g.out.Models, made)
	}
	written := time.Now()
	g.out.Seconds.Write += written.Sub(begun).Seconds()
	if g.scoring == nil {
		return nil
	}
	err := g.scoring.stream.Add(g.ctx, models)
	g.out.Seconds.Score += time.Since(written).Seconds()
	return explain(err)
}

// named are the weights of a model under its name.
type named struct {
	onnxio.Values
	name string
}

func (n named) Name() string { return n.name }

// write writes a model as the ONNX file of its name and gives the file's SHA-256.
func (g *generating) write(v named, made generatedModel) (string, error) {
	learned, err := g.learned.wait()
	if err != nil {
		return "", err
	}
	props := maps.Clone(g.meta)
	props[metaSeed], props[metaState], props[metaLearned] = strconv.FormatUint(made.Seed, 10), made.State, learned
	err = onnxio.Write(v.name, g.template, v, onnxio.WriteOptions{Metadata: props, Force: g.force || g.job.replace, External: g.job.external})
	if err != nil {
		return "", explain(err)
	}
	return fileSHA256(v.name)
}

// interrupted says what is left when a job with --evaluate is interrupted, and
// leaves other errors as they are.
func (g *generating) interrupted(err error) error {
	if g.scoring == nil || !g.scoring.keeps || !errors.Is(err, context.Canceled) {
		return err
	}
	hint := "continue with: " + commandLine()
	if g.job.output != "" && !g.force {
		hint += ", and --force for the models that are written"
	}
	return &failure{code: exitInterrupted, err: errors.New(scoresKept), hint: hint, own: true}
}

// prepareFolder makes the folder, if there is to be one, and refuses files that
// are there already, before any work is done.
func (s *session) prepareFolder(job generateJob, run *generator.Run) error {
	if job.output == "" {
		return nil
	}
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
