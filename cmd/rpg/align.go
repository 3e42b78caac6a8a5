package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"rpg/onnxio"
	"rpg/tokenize"
	"rpg/tokenize/align"
)

func (s *session) alignVerb() verb {
	return verb{
		name: "align", usage: "permute hidden channels so that models lie close together; same outputs", arguments: "MODEL... -o DIR",
		description: "Networks of independent seeds find the same features in another order. This writes copies of\n" +
			"the models, under their names, whose channels are in one common order: they give the same\n" +
			"outputs, and their weights can be compared, averaged and learned. Which channels may be\n" +
			"permuted is found from the graph; what it does not show stays as it is (-v says why). All are\n" +
			"matched to the first model, then to the mean of all; with --reference to that model only.\n" +
			"Distances are in standard deviations of each tensor, as evaluate prints them.",
		examples: "rpg align zoo -o aligned\nrpg align new/*.onnx --reference zoo/000.onnx -o aligned --json\nrpg align zoo -o aligned --rounds 10 --force",
		flags: append(computeFlags()[1:], // no --device: the processor does it
			&cli.StringFlag{Name: "reference", Usage: "match every model to `MODEL`, which stays as it is"},
			&cli.IntFlag{Name: "rounds", Value: align.DefaultRounds, Usage: "match to the mean of all so often, `N`; not with --reference"},
			externalFlag(),
		),
		ownOutput: true,
		run:       s.align,
	}
}

// What the metadata of an aligned model says besides the version and the source.
const metaAligned = "rpg.aligned" // the number of channels that were moved

// The JSON answer, rpg.align/1.
type (
	aligning struct {
		Schema    string          `json:"schema"`
		Signature string          `json:"signature"`
		Reference string          `json:"reference"` // "" without --reference
		Groups    []alignedGroup  `json:"groups"`
		Pinned    []alignedPinned `json:"pinned"`
		// Distances are to the reference if there is one, else to the nearest other
		// model, in token space.
		Median alignedDistance `json:"median_distance"`
		Models []alignedModel  `json:"models"`
	}
	alignedGroup struct {
		Channels int           `json:"channels"`
		Axes     []alignedAxis `json:"axes"`
	}
	alignedAxis struct {
		Tensor string `json:"tensor"`
		Axis   int    `json:"axis"`
	}
	alignedPinned struct {
		alignedAxis
		Places int    `json:"places"`
		Reason string `json:"reason"`
	}
	alignedModel struct {
		Path     string          `json:"path"`
		Source   string          `json:"source"`
		Moved    int             `json:"moved"` // channels
		Distance alignedDistance `json:"distance"`
		SHA256   string          `json:"sha256"`
	}
	alignedDistance struct {
		Before float64 `json:"before"`
		After  float64 `json:"after"`
	}
)

func (s *session) align(c *cli.Context) error {
	const form = "rpg align MODEL... -o DIR"
	reference := c.String("reference")
	threads, err := threadCount(c)
	switch {
	case err != nil:
		return err
	case s.output == "":
		return usagef(form, "align needs -o DIR, the folder for the copies")
	case c.Int("rounds") < 0 || c.Int("rounds") > 1000:
		return usagef("", "--rounds: expected 0 to 1000, found %d", c.Int("rounds"))
	case reference != "" && s.origin["rounds"] != "":
		return usagef("leave out one of the two", "--rounds and --reference: with a reference, nothing is matched to the mean")
	}
	if err := someArguments(c, "at least one model"); err != nil {
		return err
	}
	paths, err := modelPaths(c.Args().Slice())
	if err != nil {
		return err
	}
	if len(paths) < 2 && reference == "" {
		return usagef("rpg align MODEL --reference OTHER -o DIR", "align needs two models or more, or --reference, found one")
	}
	answer := &aligning{Schema: "rpg.align/1", Reference: reference}
	inputs := slices.Clone(paths)
	if reference != "" {
		inputs = append([]string{reference}, inputs...)
	}
	if answer.Models, err = s.alignedPaths(paths, inputs); err != nil {
		return err
	}
	models, closeModels, err := s.openModels(inputs)
	defer closeModels()
	if err != nil {
		return err
	}
	if err := sameGraphs(models); err != nil {
		return err
	}
	answer.Signature = models[0].Signature()
	return s.alignModels(answer, models, align.FrameOptions{Rounds: c.Int("rounds"), Seed: c.Uint64("seed"), Threads: threads}, c.Bool("external"))
}

// alignedPaths says where the copy of each model goes, and refuses before any
// work is done what may not be written.
func (s *session) alignedPaths(paths, inputs []string) ([]alignedModel, error) {
	var rows []alignedModel
	from := map[string]string{}
	for _, path := range paths {
		row := alignedModel{Path: filepath.Join(s.output, filepath.Base(path)), Source: path}
		if other, twice := from[row.Path]; twice {
			return nil, failedf("align them into folders of their own", "%s and %s would both become %s", other, path, row.Path)
		}
		from[row.Path] = path
		if err := s.refuseOutput(row.Path, inputs); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// alignModels does the work for models of one graph. With a reference it is the
// first of them, and the answer has one model less.
func (s *session) alignModels(answer *aligning, models []*onnxio.Model, o align.FrameOptions, external bool) error {
	symmetry := align.Find(models[0])
	answer.describe(models[0], symmetry)
	if err := s.saySymmetry(answer); err != nil {
		return err
	}
	tokenizer, err := tokenize.Build(models, tokenize.Options{TokenDim: 256, Stats: tokenize.StatsPooled, Granularity: tokenize.GranularityTensor})
	if err != nil {
		return explain(err)
	}
	matcher, err := align.NewMatcher(symmetry, &tokenizer.Layout)
	if err != nil {
		return err
	}
	tokens := make([][]float32, len(models))
	for i, m := range models {
		d, err := tokenizer.Tokens(m)
		if err != nil {
			return explain(err)
		}
		tokens[i] = d.Data().([]float32)
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if answer.Reference != "" {
		o.Rounds = 0
	}
	p := s.progress("matching", "models")
	defer p.close()
	o.Matched = func(round, done, total int) { p.at(round*total+done, (1+o.Rounds)*total) }
	frame, err := matcher.Frame(s.ctx, tokens, o)
	if err != nil {
		return err
	}
	p.close()
	aligned := make([][]float32, len(tokens))
	for i := range tokens {
		aligned[i] = matcher.Permute(frame.Permutations[i], tokens[i])
	}
	answer.measure(tokens, aligned)
	if err := os.MkdirAll(s.output, 0o777); err != nil {
		return err
	}
	first := len(models) - len(answer.Models) // models of the answer begin here
	for i := range answer.Models {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if err := s.writeAligned(&answer.Models[i], models[first+i], symmetry, frame.Permutations[first+i], external); err != nil {
			return err
		}
	}
	return s.answerAlign(answer)
}

// describe fills in what may be permuted and what may not.
func (a *aligning) describe(m *onnxio.Model, s *align.Symmetry) {
	a.Groups, a.Pinned = []alignedGroup{}, []alignedPinned{}
	at := func(x align.Axis) alignedAxis { return alignedAxis{m.Weights()[x.Weight].Name, x.Axis} }
	for _, g := range s.Groups {
		group := alignedGroup{Channels: g.Size}
		for _, x := range g.Axes {
			group.Axes = append(group.Axes, at(x))
		}
		a.Groups = append(a.Groups, group)
	}
	for _, p := range s.Pinned {
		a.Pinned = append(a.Pinned, alignedPinned{at(p.Axis), p.Size, p.Why})
	}
}

// saySymmetry narrates it, and fails when nothing may be permuted.
func (s *session) saySymmetry(a *aligning) error {
	channels, reasons := 0, map[string]bool{}
	for _, g := range a.Groups {
		channels += g.Channels
	}
	for _, p := range a.Pinned {
		s.detail("axis %d of %s: %s stay: %s", p.Axis, p.Tensor, several(p.Places, "place"), p.Reason)
		if !strings.HasPrefix(p.Reason, "the ") { // the ends of the graph always stay
			reasons[p.Reason] = true
		}
	}
	if len(a.Groups) == 0 {
		hint := "the graph has no hidden channels"
		if len(reasons) > 0 {
			hint = "rpg align -v says for each axis why"
		}
		return failedf(hint, "nothing may be permuted in this graph")
	}
	s.say("%s of %s may be permuted", several(channels, "channel"), several(len(a.Groups), "group"))
	if len(reasons) > 0 {
		s.say("others stay as they are, for %s; -v lists them", several(len(reasons), "reason"))
	}
	return nil
}

// measure fills in distances: to the first of the models when it is a reference,
// else to the nearest other one.
func (a *aligning) measure(tokens, aligned [][]float32) {
	first := len(tokens) - len(a.Models)
	nearest := func(all [][]float32, i int) float64 {
		if first > 0 {
			return tokenDistance(all[0], all[first+i])
		}
		least := math.Inf(1)
		for k := range all {
			if k != i {
				least = min(least, tokenDistance(all[k], all[i]))
			}
		}
		return least
	}
	var before, after []float64
	for i := range a.Models {
		d := alignedDistance{nearest(tokens, i), nearest(aligned, i)}
		a.Models[i].Distance = d
		before, after = append(before, d.Before), append(after, d.After)
	}
	middle := func(x []float64) float64 {
		slices.Sort(x)
		return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
	}
	a.Median = alignedDistance{middle(before), middle(after)}
}

// tokenDistance is the Euclidean distance of two models' tokens.
func tokenDistance(a, b []float32) float64 {
	sum := 0.0
	for i, v := range a {
		d := float64(v) - float64(b[i])
		sum += d * d
	}
	return math.Sqrt(sum)
}

// writeAligned writes one copy and completes what is said about it.
func (s *session) writeAligned(row *alignedModel, m *onnxio.Model, symmetry *align.Symmetry, p align.Permutation, external bool) error {
	row.Moved = p.Moved()
	meta := map[string]string{metaVersion: versionText(), metaSource: relativeTo(s.output, row.Source), metaAligned: strconv.Itoa(row.Moved)}
	for _, t := range m.Weights() {
		if t.DType == onnxio.Float64 {
			s.warn("%s: %s is float64: its values are rounded to float32", m.Path, t.Name)
			break
		}
	}
	err := onnxio.Write(row.Path, m, symmetry.Apply(p, m), onnxio.WriteOptions{Metadata: meta, Force: s.force, External: external})
	if err != nil {
		return explain(fmt.Errorf("%s: %w", row.Source, err))
	}
	row.SHA256, err = fileSHA256(row.Path)
	return err
}

func (s *session) answerAlign(a *aligning) error {
	if s.json {
		return s.answerJSON(a)
	}
	rows := table{{"MODEL", "MOVED", "BEFORE", "AFTER"}}
	for _, m := range a.Models {
		rows = append(rows, []string{m.Path, strconv.Itoa(m.Moved), fmt.Sprintf("%.4g", m.Distance.Before), fmt.Sprintf("%.4g", m.Distance.After)})
	}
	rows.write(s.out)
	to := "the nearest other model"
	if a.Reference != "" {
		to = a.Reference
	}
	s.say("median distance to %s: %.4g before, %.4g after", to, a.Median.Before, a.Median.After)
	return nil
}
