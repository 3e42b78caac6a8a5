package main

import (
	"fmt"
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
	"rpg/onnxio"
)

// evaluationFlags are those of evaluate and generate that say how to score,
// besides the one that names the data.
func evaluationFlags(category string) []cli.Flag {
	return append(dataFlags(category),
		&cli.StringSliceFlag{Name: severalValues, Usage: "the originals, `MODEL...`: every word up to the next flag", Category: category},
		&cli.StringFlag{Name: "shift", Usage: "change the pictures first: `KIND` or KIND:SEVERITY of " + strings.Join(dataset.ShiftKinds(), ", "), Category: category},
		&cli.IntFlag{Name: "batch", Usage: "`N` images in one run of ONNX Runtime; 0: chosen", Category: category},
		&cli.StringFlag{Name: "provider", Value: "auto", Usage: "of ONNX Runtime: `NAME` auto, cpu or cuda; auto is CUDA where all it needs is there", Category: category},
		&cli.BoolFlag{Name: "no-cache", Usage: "score everything anew, and keep no scores for the next evaluation", Category: category},
		&cli.StringFlag{Name: "noise", Value: "0.01,0.02,0.05,0.1,0.2", Usage: "`SIGMA,...` of the noise baselines, in standard deviations of each tensor", Category: category},
		&cli.StringFlag{Name: "spread-noise", Usage: "`SIGMA,...` of more of them, in standard deviations of each value over the originals", Category: category},
		&cli.StringFlag{Name: "without", Usage: "leave out `NAME,...`: " + strings.Join(evaluate.BaselineNames(), ", "), Category: category},
		&cli.StringFlag{Name: "good", Usage: "top-1 `X` from which a model counts as good; otherwise one point below the originals' mean", Category: category},
		&cli.StringFlag{Name: "min-top1", Usage: "exit with 3 if a model is below `X`: 0.7, 70 or 70%", Category: category},
		&cli.StringFlag{Name: "csv", Usage: "write one row for each model to `FILE` too, timm's columns first", Category: category},
		&cli.StringFlag{Name: "report", Usage: "write one HTML page to `FILE` too, as rpg report does", Category: category},
	)
}

// readEvaluation reads them; data is the flag that names the images.
func (s *session) readEvaluation(c *cli.Context, data string) (evaluateJob, error) {
	job := evaluateJob{batch: c.Int("batch"), provider: c.String("provider"), keep: !c.Bool("no-cache"), seed: c.Uint64("seed"),
		table: c.String("csv"), page: c.String("report")}
	if c.Int("batch") < 0 {
		return job, usagef("", "--batch: expected 0 or more, found %d", c.Int("batch"))
	}
	if !slices.Contains(evaluate.Providers(), job.provider) {
		return job, usagef("", "--provider: expected one of %s, found %q", strings.Join(evaluate.Providers(), " "), job.provider)
	}
	var err error
	if job.least, err = fraction("--min-top1", c.String("min-top1")); err != nil {
		return job, err
	}
	if job.good, err = fraction("--good", c.String("good")); err != nil {
		return job, err
	}
	if job.noise, err = numbers("--noise", c.String("noise")); err != nil {
		return job, err
	}
	if c.String("spread-noise") != "" {
		if job.spread, err = numbers("--spread-noise", c.String("spread-noise")); err != nil {
			return job, err
		}
	}
	if c.String("without") != "" {
		job.without = strings.Split(c.String("without"), ",")
	}
	for _, name := range job.without {
		if !slices.Contains(evaluate.BaselineNames(), name) {
			return job, usagef("", "--without: expected names of %s, found %q", strings.Join(evaluate.BaselineNames(), ", "), name)
		}
	}
	if job.machine, err = machineOf(c); err != nil {
		return job, err
	}
	if job.against, err = modelPaths(c.StringSlice(severalValues)); err != nil {
		return job, err
	}
	if c.String("shift") != "" {
		shift, err := dataset.ParseShift(c.String("shift"), job.seed)
		if err != nil {
			return job, usagef("", "--%s", strings.TrimPrefix(err.Error(), "evaluate: "))
		}
		job.shift = &shift
	}
	job.request, err = readData(c, data)
	return job, err
}

// scoresKept says what an evaluation leaves when it is interrupted.
const scoresKept = "interrupted; the scores of the models that were finished are kept"

// openScoring opens what a job scores with, for models of template's graph: the
// images, ONNX Runtime, which the caller closes, and the folder of scores.
func (s *session) openScoring(job evaluateJob, template *onnxio.Model) (o evaluate.Options, err error) {
	o = evaluate.Options{Data: job.data, Noise: job.noise, SpreadNoise: job.spread, Without: job.without, Bar: job.good, Seed: job.seed,
		Threads: job.machine.threads, Batch: job.batch}
	if o.Data == nil {
		if o.Data, err = s.openData(job.request, template); err != nil {
			return o, err
		}
	}
	if job.shift != nil {
		if o.Data, err = o.Data.Shifted(*job.shift); err != nil {
			return o, explain(err)
		}
	}
	if job.keep {
		if cache, err := fetch.CacheDir(); err != nil {
			s.say("scores are not kept for the next evaluation: %v", err)
		} else {
			o.Keep = filepath.Join(cache, "evaluate-results")
		}
	}
	if o.Runtime, err = s.openRuntime(); err != nil {
		return o, err
	}
	o.Runtime.GPU = job.machine.gpu
	why, err := o.Runtime.UseProvider(job.provider)
	if err != nil {
		o.Runtime.Close()
		return o, explain(err)
	}
	s.say("ONNX Runtime computes on %s: %s", o.Runtime.Provider, why)
	return o, nil
}

// newFiles refuses the files that are to be written if they are inputs or, without
// --force, exist.
func (s *session) newFiles(job evaluateJob, inputs []string) error {
	for _, file := range []string{job.table, job.page} {
		if file != "" {
			if err := s.newFile(file, slices.Concat(inputs, job.against)); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeEvaluation writes the files that are to be written besides the answer.
func (s *session) writeEvaluation(job evaluateJob, result *evaluate.Result, page report.Page) error {
	if job.table != "" {
		if err := atomicfile.Write(job.table, s.force, func(w io.Writer) error { return writeCSV(w, result) }); err != nil {
			return err
		}
	}
	if job.page == "" {
		return nil
	}
	return atomicfile.Write(job.page, s.force, func(w io.Writer) error { return report.Write(w, page) })
}

// tellPictures warns of the pictures that were left out or are damaged.
func (s *session) tellPictures(r *evaluate.Result) {
	s.tellBad("could not be read and is left out", "could not be read and are left out", r.Data.Skipped)
	s.tellBad("is damaged, and is scored as far as it could be decoded", "are damaged, and are scored as far as they could be decoded", r.Data.Damaged)
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

// judge is the answer to --min-top1, and an error if models that were given do not
// give numbers: the rest of the result stands.
func (s *session) judge(r *evaluate.Result, least float64) error {
	no := s.enough(r, least)
	var broken []string
	for _, m := range r.Models {
		given := m.Group == evaluate.GroupModels || m.Group == evaluate.GroupGenerated || m.Group == evaluate.GroupOriginals
		if given && m.NaN > 0 {
			broken = append(broken, fmt.Sprintf("%s on %d of %d images", m.Path, m.NaN, r.Data.Images))
		}
	}
	if len(broken) == 0 {
		return no
	}
	const named = 5
	list := strings.Join(broken[:min(named, len(broken))], ", ")
	if n := len(broken) - named; n > 0 {
		list += fmt.Sprintf(" and %d more", n)
	}
	return &failure{code: exitFailed, err: fmt.Errorf("NaN logits, which count as wrong: %s", list),
		hint: "rpg check MODEL says whether its weights are finite", own: true, told: true}
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
