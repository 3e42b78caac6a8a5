package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/urfave/cli/v2"

	"rpg/internal/atomicfile"
	"rpg/onnxio"
	"rpg/tokenize"
	"rpg/tokenize/tokenset"
)

func (s *session) tokenizeVerb() verb {
	return verb{
		name: "tokenize", usage: "weights to tokens, for use without our generator", arguments: "MODEL... -o SET.safetensors",
		description: "Writes one safetensors file: tokens [count,L,D], the valid length of each token [L], and in the\n" +
			"header's metadata layout, statistics and the names of the models. A folder stands for the .onnx\n" +
			"files in it. What another generator makes of it, rpg detokenize turns into ONNX again.",
		examples: "rpg tokenize zoo/*.onnx -o set.safetensors\nrpg tokenize zoo -o set.safetensors --token-dim 1024 --exclude 'head.*'",
		flags: append([]cli.Flag{
			&cli.IntFlag{Name: "token-dim", Value: 256, Usage: "width of a token, `D` values"},
			&cli.StringFlag{Name: "stats", Value: tokenize.StatsPooled, Usage: "normalization: `pooled` or paper"},
			&cli.StringFlag{Name: "granularity", Value: tokenize.GranularityTensor, Usage: "how weights are cut into tokens: `tensor`"},
		}, selectionFlags()...),
		ownOutput: true,
		run:       s.tokenize,
	}
}

// The JSON answer, rpg.tokenize/1.
type tokenizing struct {
	Schema    string          `json:"schema"`
	Path      string          `json:"path"`
	Bytes     int64           `json:"bytes"`
	Signature string          `json:"signature"`
	Models    []string        `json:"models"`
	Tokens    inspectedTokens `json:"tokens"`   // of one model
	Constant  []string        `json:"constant"` // weights that are the same in every model
}

func (s *session) tokenize(c *cli.Context) error {
	if err := someArguments(c, "at least one model"); err != nil {
		return err
	}
	if s.output == "" {
		return usagef("rpg tokenize MODEL... -o set.safetensors", "tokenize needs -o SET, the file for the tokens")
	}
	o := tokenize.Options{TokenDim: c.Int("token-dim"), Stats: c.String("stats"), Granularity: c.String("granularity")}
	if err := checkTokenOptions(o); err != nil {
		return err
	}
	paths, err := modelPaths(c.Args().Slice())
	if err != nil {
		return err
	}
	if err := s.refuseOutput(s.output, paths); err != nil {
		return err
	}
	models, closeModels, err := s.openModels(paths)
	defer closeModels()
	if err != nil {
		return err
	}
	if err := selectWeights(models, selectionOf(c)); err != nil {
		return err
	}
	if err := sameGraphs(models); err != nil {
		return err
	}
	t, err := tokenize.Build(models, o)
	if err != nil {
		return explain(err)
	}
	names := make([]string, len(paths))
	for i, path := range paths {
		names[i] = relativeTo(filepath.Dir(s.output), path)
	}
	p := s.progress("writing", "models")
	defer p.close()
	if err := tokenset.Write(s.ctx, s.output, t, models, names, s.force, p.at); err != nil {
		return explain(err)
	}
	p.close()
	return s.answerTokenize(t, paths)
}

// checkTokenOptions refuses options out of range in the words of the flags.
func checkTokenOptions(o tokenize.Options) error {
	methods := []string{tokenize.StatsPooled, tokenize.StatsPaper}
	switch {
	case o.TokenDim < 1 || o.TokenDim > tokenize.MaxTokenDim:
		return usagef("", "--token-dim: expected 1 to %d, found %d", tokenize.MaxTokenDim, o.TokenDim)
	case !slices.Contains(methods, o.Stats):
		return usagef(didYouMean(o.Stats, methods, "--stats ", ""), "--stats: expected pooled or paper, found %q", o.Stats)
	case o.Granularity != tokenize.GranularityTensor:
		return usagef("", "--granularity: expected %s, the only one there is, found %q", tokenize.GranularityTensor, o.Granularity)
	}
	return nil
}

// refuseOutput refuses, before any work is done, a file that is an input, or
// that exists and may not be overwritten.
func (s *session) refuseOutput(output string, inputs []string) error {
	if err := s.refuseInput(output, inputs); err != nil {
		return err
	}
	if _, err := os.Lstat(output); err == nil && !s.force {
		return failedf("--force overwrites it", "%s: the file exists", output)
	}
	return nil
}

func (s *session) answerTokenize(t *tokenize.Tokenizer, paths []string) error {
	L, D := t.Layout.Tokens(), t.Layout.TokenDim
	values := 0
	answer := tokenizing{
		Schema: "rpg.tokenize/1", Path: s.output, Signature: t.Layout.Signature, Models: paths,
		Tokens: inspectedTokens{Width: D, Count: L}, Constant: []string{},
	}
	for _, w := range t.Layout.Weights {
		if w.Constant() {
			answer.Constant = append(answer.Constant, w.Name)
			s.warn("%s is the same in every model: it is in the layout, not in the tokens", w.Name)
		} else {
			values += w.Elements
		}
	}
	answer.Tokens.Fill = float64(values) / float64(L*D)
	if info, err := os.Stat(s.output); err == nil {
		answer.Bytes = info.Size()
	}
	if s.json {
		return s.answerJSON(answer)
	}
	s.printf("%s\n", s.output)
	s.say("%s of %s of %d, %.1f %% filled, %s", several(len(paths), "model"), several(L, "token"), D, 100*answer.Tokens.Fill, size(answer.Bytes))
	s.say("next: rpg detokenize %s --template %s -o DIR", quote(s.output), quote(paths[0]))
	return nil
}

func (s *session) detokenizeVerb() verb {
	return verb{
		name: "detokenize", usage: "tokens back to ONNX models", arguments: "SET.safetensors --template MODEL -o DIR",
		description: "Writes DIR/0000.onnx, 0001.onnx, ..., one for each row of the tokens, and answers with their\n" +
			"paths. Everything but the weights is that of the template, a model of the graph that was\n" +
			"tokenized. The set may be made by any program that kept the header's metadata.",
		examples: "rpg detokenize set.safetensors --template zoo/0.onnx -o out",
		flags: []cli.Flag{
			&cli.StringFlag{Name: "template", Usage: "take everything but the weights from `MODEL`"},
			externalFlag(),
		},
		ownOutput: true,
		run:       s.detokenize,
	}
}

// The JSON answer, rpg.detokenize/1.
type (
	detokenizing struct {
		Schema string             `json:"schema"`
		Models []detokenizedModel `json:"models"`
	}
	detokenizedModel struct {
		Path   string `json:"path"`
		Row    int    `json:"row"`
		Source string `json:"source"` // "" when the set does not say
		SHA256 string `json:"sha256"`
	}
)

// What the metadata of a detokenized model says besides the version.
const (
	metaSet    = "rpg.set"    // path of the set, relative to the model's folder
	metaRow    = "rpg.row"    // its row there
	metaSource = "rpg.source" // the name that the set gives the row
)

func (s *session) detokenize(c *cli.Context) error {
	const form = "rpg detokenize SET.safetensors --template MODEL -o DIR"
	if c.NArg() != 1 {
		return usagef(form, "detokenize needs one set of tokens, found %d arguments", c.NArg())
	}
	if c.String("template") == "" {
		return usagef(form, "detokenize needs --template MODEL, a model of the graph")
	}
	if s.output == "" {
		return usagef(form, "detokenize needs -o DIR, the folder for the models")
	}
	set, err := tokenset.Open(c.Args().First())
	if err != nil {
		return withHint(err, "give a file that rpg tokenize wrote, or one with its metadata and tensors")
	}
	defer set.Close()
	template, err := s.openTemplate(c.String("template"), set.Tokenizer)
	if err != nil {
		return withHint(err, "give a model of the graph that was tokenized; rpg inspect shows signatures")
	}
	defer template.Close()
	answer := detokenizing{Schema: "rpg.detokenize/1"}
	for k := range set.Count {
		row := detokenizedModel{Path: filepath.Join(s.output, fmt.Sprintf("%04d.onnx", k)), Row: k}
		if set.Sources != nil {
			row.Source = set.Sources[k]
		}
		answer.Models = append(answer.Models, row)
		if err := s.refuseOutput(row.Path, []string{set.Path, template.Path}); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(s.output, 0o777); err != nil {
		return err
	}
	p := s.progress("writing", "models")
	defer p.close()
	for k := range answer.Models {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if err := s.writeRow(set, template, &answer.Models[k], c.Bool("external")); err != nil {
			return err
		}
		p.at(k+1, set.Count)
	}
	p.close()
	if s.json {
		return s.answerJSON(answer)
	}
	for _, m := range answer.Models {
		s.printf("%s\n", m.Path)
	}
	s.say("%s of the graph of %s", several(set.Count, "model"), template.Path)
	return nil
}

// writeRow writes the model of one row and completes what is said about it.
func (s *session) writeRow(set *tokenset.Set, template *onnxio.Model, row *detokenizedModel, external bool) error {
	meta := map[string]string{metaVersion: versionText(), metaSet: relativeTo(s.output, set.Path), metaRow: strconv.Itoa(row.Row)}
	if row.Source != "" {
		meta[metaSource] = row.Source
	}
	err := onnxio.Write(row.Path, template, set.Values(row.Row), onnxio.WriteOptions{Metadata: meta, Force: s.force, External: external})
	var system syscall.Errno // of the file that is written, or exists: it is named
	if errors.As(err, &system) || errors.Is(err, atomicfile.ErrExists) {
		return explain(err)
	}
	if err != nil {
		return explain(fmt.Errorf("%s: row %d: %w", set.Path, row.Row, err))
	}
	row.SHA256, err = fileSHA256(row.Path)
	return err
}

// openTemplate opens the model that gives a tokenizer's weights their graph,
// under the selection they were tokenized with.
func (s *session) openTemplate(path string, t *tokenize.Tokenizer) (*onnxio.Model, error) {
	m, err := onnxio.OpenWith(path, s.limits)
	if err != nil {
		return nil, explain(err)
	}
	err = m.Select(t.Layout.Selection)
	if err == nil {
		err = t.Fits(m)
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}
