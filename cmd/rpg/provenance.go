package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"rpg/generator"
	"rpg/onnxio"
)

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

// provenance is what every model of a job says about its origin; seed and
// state are its own, and metaLearned comes when it is known.
func (s *session) provenance(job generateJob, run *generator.Run) map[string]string {
	return map[string]string{
		metaVersion: versionText(), metaRun: relativeTo(job.output, run.Dir),
		metaConfig:  run.Config.SHA256(),
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
