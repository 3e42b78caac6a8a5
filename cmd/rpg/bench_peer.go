package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"rpg/evaluate/fetch"
	"rpg/fixtures"
	"rpg/internal/peer"
)

func peerFlags() []cli.Flag {
	const heading = "Comparison:"
	return []cli.Flag{
		&cli.StringFlag{Name: "peer", Usage: "take turns with peer.py in `FOLDER` (PyTorch), same work, same cores", Category: heading},
		&cli.StringFlag{Name: "official", Usage: "`FOLDER` with the published model/, for train and generate", Category: heading},
		&cli.StringFlag{Name: "resnet20", Usage: "`FOLDER` of ResNet-20 checkpoints, for the peer's resnet20", Category: heading},
		&cli.StringFlag{Name: "python", Usage: "`INTERPRETER` with torch, onnx, onnxruntime and numpy; else one is installed into the cache", Category: heading},
		&cli.IntFlag{Name: "rounds", Value: 3, Usage: "take turns `N` times", Category: heading},
	}
}

// contest is work that rpg and the peer both do.
type contest struct {
	name   string   // as the command line selects it
	ours   []string // arguments of `rpg bench`
	theirs []string // arguments of peer.py
	rows   []contestRow
	memory bool // the peak memory of both processes is compared too
	needs  map[string]string
}

// contestRow is a row of ours and the key of the peer's answer beside it.
type contestRow struct {
	ours, key string
	less      bool // less is better
}

// contests are all comparisons. zoo is a folder of CNN(m) checkpoints, few one of
// those that are scored, images a file in CIFAR-10's format, work a folder for
// large files.
func contests(c *cli.Context, zoo, few, images, work string) []contest {
	official, resnet := c.String("official"), c.String("resnet20")
	model := func(name string, ours []string, theirs []string, config, zoo string) contest {
		k := contest{name: name, ours: ours, theirs: append(theirs, "--config", config, "--zoo", zoo, "--official", official),
			rows: []contestRow{{name, "seconds", true}}, memory: true, needs: map[string]string{"official": official}}
		if config == "resnet20" {
			k.needs["resnet20"] = resnet
		}
		return k
	}
	list := []contest{{name: "gemm", ours: []string{"gemm/1024", "gemm/1024/bf16", "ops/conv-128-64-both"}, theirs: []string{"gemm"},
		rows: []contestRow{{"gemm/1024", "mm1024_fp32_gflops", false}, {"gemm/1024/bf16", "mm1024_bf16_gflops", false},
			{"ops/conv-128-64-both", "conv1d_fp32_gflops", false}}}}
	for _, k := range []struct{ config, zoo, short string }{{"cnnm", zoo, "0"}, {"resnet20", resnet, "6"}} {
		for _, bf16 := range []bool{false, true} {
			dtype := "fp32"
			if bf16 {
				dtype = "bf16"
			}
			train := withPrecision("train/"+k.config+"/paper", bf16)
			sample := withPrecision("generate/"+k.config+"/paper/1", bf16)
			list = append(list,
				model(train, []string{train}, []string{"train", "--dtype", dtype}, k.config, k.zoo),
				model(sample, []string{sample}, []string{"sample", "--dtype", dtype, "--sampler", "ddim", "--short", k.short}, k.config, k.zoo))
		}
	}
	return append(list,
		contest{name: "evaluate", ours: []string{"evaluate"}, theirs: []string{"eval", "--zoo", few, "--images", images, "--batch", "64"},
			rows: []contestRow{{"evaluate own", "images_per_s", false}}},
		contest{name: "io", ours: []string{"io", "--mb", "100", "--work", work}, theirs: []string{"io", "--mb", "100", "--work", work},
			rows: []contestRow{{"io rewrite", "mb_per_s", false}}})
}

// benchPeer takes turns with the peer and prints both medians and their ratio.
func (s *session) benchPeer(c *cli.Context, m machine) error {
	if m.kind == "cuda" {
		return s.benchPeerGPU(c, m)
	}
	folder, err := os.MkdirTemp(c.String("work"), "rpg-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	zoo, few, images := filepath.Join(folder, "zoo"), filepath.Join(folder, "few"), filepath.Join(folder, "images.bin")
	all := contests(c, zoo, few, images, folder)
	chosen, err := selectContests(c.Args().Slice(), all)
	if err != nil {
		return err
	}
	rounds, err := peerRounds(c)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(chosen, func(k contest) bool { return slices.Contains(k.theirs, zoo) || slices.Contains(k.theirs, images) }) {
		if err := writePeerData(folder, few, images); err != nil {
			return err
		}
	}
	if err := pinTo(m.threads); err != nil {
		return err
	}
	d, err := s.openDevice(m) // to say its name and threads
	if err != nil {
		return err
	}
	device := d.Info()
	d.Close()
	p, err := s.peerProgram(c, device.Threads)
	if err != nil {
		return err
	}
	rows := []benchRow{}
	for _, k := range chosen {
		more, err := s.contest(c, k, p, rounds)
		if err != nil {
			return err
		}
		rows = append(rows, more...)
	}
	return s.answerBench(device, rows)
}

// peerRounds is how often turns are taken.
func peerRounds(c *cli.Context) (int, error) {
	rounds := c.Int("rounds")
	if rounds < 1 {
		return 0, usagef("", "--rounds: expected 1 or more, found %d", rounds)
	}
	return rounds, nil
}

// peerProgram is the peer in an interpreter that has what it needs.
func (s *session) peerProgram(c *cli.Context, threads int) (*peer.Program, error) {
	p := &peer.Program{Python: c.String("python"), Folder: c.String("peer"), Threads: threads, Seconds: c.Float64("seconds"), Repeats: 5}
	if err := p.Check(); err != nil {
		return nil, withHint(err, "--peer names the folder of peer.py and mamba2_torch.py")
	}
	if p.Python != "" {
		return p, nil
	}
	cache, err := fetch.CacheDir()
	if err != nil {
		return nil, err
	}
	if p.Python, err = peer.Python(s.ctx, cache, func(line string) { s.say("%s", line) }); err != nil {
		return nil, withHint(err, "--python names an interpreter that has the packages already")
	}
	return p, nil
}

// writePeerData writes the embedded checkpoints to folder/zoo, those that
// benchEvaluate scores to few, and its images.
func writePeerData(folder, few, images string) error {
	zoo, err := writeFixtures(folder)
	if err != nil {
		return err
	}
	if err := os.Mkdir(few, 0o777); err != nil {
		return err
	}
	for _, path := range zoo[:benchModels] {
		if err := os.Link(path, filepath.Join(few, filepath.Base(path))); err != nil {
			return err
		}
	}
	return os.WriteFile(images, bytes.Repeat(fixtures.Images(), imagesTimes), 0o666)
}

// selectContests gives those that the arguments name, by their own name or that
// of a row, else all; what lacks a folder is left out of all.
func selectContests(arguments []string, all []contest) ([]contest, error) {
	var named []benchCase
	for _, k := range all {
		named = append(named, benchCase{name: k.name})
	}
	chosen, err := selectCases(arguments, named)
	if err != nil {
		return nil, err
	}
	var list []contest
	for _, k := range all {
		if !slices.ContainsFunc(chosen, func(n benchCase) bool { return n.name == k.name }) {
			continue
		}
		missing := ""
		for flag, value := range k.needs {
			if value == "" {
				missing = flag
			}
		}
		switch {
		case missing == "":
			list = append(list, k)
		case len(arguments) > 0:
			return nil, usagef("", "bench: %s beside the peer needs --%s", k.name, missing)
		}
	}
	return list, nil
}

// contest takes turns, ours first, and gives the rows of both.
func (s *session) contest(c *cli.Context, k contest, p *peer.Program, rounds int) ([]benchRow, error) {
	var rows []benchRow
	ours, theirs := map[string][]float64{}, map[string][]float64{}
	for i := range rounds {
		s.say("%s: round %d of %d", k.name, i+1, rounds)
		own, err := s.benchChild(c, k.ours)
		if err != nil {
			return nil, err
		}
		other, err := p.Run(s.ctx, k.theirs...)
		if err != nil {
			return nil, err
		}
		rows = rows[:0]
		for _, want := range k.rows {
			at := slices.IndexFunc(own.Rows, func(r benchRow) bool { return r.Name == want.ours })
			if at < 0 {
				continue // no bf16 here
			}
			value, err := other.Number(want.key)
			if err != nil {
				return nil, err
			}
			row := own.Rows[at]
			if n, _ := other.Number("tokens"); row.Tokens > 0 && n != float64(row.Tokens) {
				return nil, failedf("give checkpoints of the same architecture", "bench: %s: the peer's model: expected %d tokens as in rpg, found %v", k.name, row.Tokens, n)
			}
			ours[row.Name], theirs[row.Name] = append(ours[row.Name], row.Value), append(theirs[row.Name], value)
			rows = append(rows, compared(row, middle(slices.Clone(ours[row.Name])), middle(slices.Clone(theirs[row.Name])), want.less))
		}
		if k.memory && len(rows) > 0 {
			value, err := other.Number("rss_mb")
			if err != nil {
				return nil, err
			}
			ours["memory"], theirs["memory"] = append(ours["memory"], float64(own.Peak)/(1<<20)), append(theirs["memory"], value)
			rows = append(rows, compared(benchRow{Name: k.name, Shape: "peak memory", Unit: "MiB"},
				middle(slices.Clone(ours["memory"])), middle(slices.Clone(theirs["memory"])), true))
		}
	}
	return rows, nil
}

// compared fills both values and the ratio into a row.
func compared(r benchRow, ours, theirs float64, less bool) benchRow {
	ratio := ours / theirs
	if less {
		ratio = theirs / ours
	}
	r.Value, r.Peer, r.Ratio, r.OfPeak = ours, &theirs, &ratio, nil
	return r
}

// childAnswer is what `rpg bench --json` says.
type childAnswer struct {
	Rows []benchRow `json:"rows"`
	Peak int64      `json:"peak_rss_bytes"`
}

// benchChild measures ours in a process of its own, as the peer does, so that
// its peak memory is its own.
func (s *session) benchChild(c *cli.Context, arguments []string) (*childAnswer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	words := append([]string{"bench", "--json", "-q", "--threads", strconv.Itoa(c.Int("threads")), "--device", c.String("device"),
		"--seconds", fmt.Sprint(c.Float64("seconds"))}, arguments...)
	cmd := exec.CommandContext(s.ctx, self, words...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, errors.Join(s.ctx.Err(), fmt.Errorf("bench: rpg %v: %w: %s", words, err, complaint.String()))
	}
	a := new(childAnswer)
	if err := json.Unmarshal(out.Bytes(), a); err != nil {
		return nil, fmt.Errorf("bench: rpg %v: %w", words, err)
	}
	return a, nil
}
