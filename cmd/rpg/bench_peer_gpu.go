package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"rpg/internal/peer"
)

// gpuContest is a row of ours on a GPU and the same work in PyTorch.
type gpuContest struct {
	name, target string
	work         string // train or sample
	precision    string // as gpu.py calls it
	ours         string // the row of ours: with TF32 the peer rounds more than we do
}

// gpuContests are those with what was published. bf16 comes first, as is published, and
// TF32 last.
func gpuContests() []gpuContest {
	var list []gpuContest
	for _, target := range []string{"cnnm", "resnet-18", "vit-base", "convnext-large"} {
		train, sample := "train/"+target+"/paper", "generate/"+target+"/paper/1"
		for _, k := range []struct{ precision, name, ours string }{{"bf16", "/bf16", "/bf16"}, {"f32", "", ""}, {"tf32", "/tf32", ""}} {
			list = append(list,
				gpuContest{train + k.name, target, "train", k.precision, train + k.ours},
				gpuContest{sample + k.name, target, "sample", k.precision, sample + k.ours})
		}
	}
	return list
}

// benchPeerGPU takes turns with PyTorch on the same GPU. What one side has no room for,
// or fails at, is a row that says so.
func (s *session) benchPeerGPU(c *cli.Context, m machine) error {
	all := gpuContests()
	var cases []benchCase
	for _, k := range all {
		cases = append(cases, benchCase{name: k.name})
	}
	chosen, err := selectCases(c.Args().Slice(), cases)
	if err != nil {
		return err
	}
	rounds, err := peerRounds(c)
	if err != nil {
		return err
	}
	if c.String("official") == "" {
		return usagef("", "bench: %s beside the peer needs --official", chosen[0].name)
	}
	shrink, err := shrinkBy()
	if err != nil {
		return err
	}
	d, err := s.openDevice(m) // to say its name
	if err != nil {
		return err
	}
	device := d.Info()
	d.Close()
	p, err := s.peerProgram(c, 1)
	if err != nil {
		return err
	}
	b := &bench{s: s, shrink: shrink}
	rows := []benchRow{}
	for _, k := range all {
		if !slices.ContainsFunc(chosen, func(n benchCase) bool { return n.name == k.name }) {
			continue
		}
		more, err := b.gpuContest(c, m, k, p, rounds)
		rows = append(rows, more...)
		if err != nil && s.ctx.Err() != nil && len(rows) > 0 { // what was measured is not lost
			return errors.Join(s.answerBench(device, rows), err)
		}
		if err != nil {
			return err
		}
	}
	return s.answerBench(device, rows)
}

// gpuContest takes turns, ours first, then PyTorch as it is and, but with TF32, compiled:
// the better one counts.
func (b *bench) gpuContest(c *cli.Context, m machine, k gpuContest, p *peer.Program, rounds int) ([]benchRow, error) {
	model, device, err := b.peerModel(k.target)
	if err != nil {
		return nil, err
	}
	if device != "cpu" {
		device = fmt.Sprint("cuda:", m.gpu)
	}
	var ours benchRow
	var oursTimes, oursMemory []float64
	plain, compiled := new(peerSide), new(peerSide)
	var cut error
	for i := range rounds {
		b.s.say("%s: round %d of %d", k.name, i+1, rounds)
		own, err := b.s.benchChild(c, []string{k.ours})
		if err != nil && b.s.ctx.Err() == nil {
			b.s.say("%v", err)
			return []benchRow{{Name: k.name, Shape: "rpg: failed", Wanted: k.wanted()}}, nil
		}
		if err != nil {
			return nil, err
		}
		for _, r := range own.Rows {
			switch r.Name {
			case k.ours:
				ours, oursTimes = r, append(oursTimes, r.Value)
			case k.ours + " memory":
				oursMemory = append(oursMemory, r.Value)
			}
		}
		if len(oursTimes) == 0 {
			return []benchRow{{Name: k.name, Shape: "rpg: no room on this GPU", Wanted: k.wanted()}}, nil
		}
		words := []string{k.work, "--precision", k.precision}
		if err := plain.run(b.s, p, model, c.String("official"), device, words); err != nil {
			return nil, err
		}
		if k.precision != "tf32" {
			cut = compiled.run(b.s, p, model, c.String("official"), device, append(words, "--compile"))
		}
		if cut != nil { // the other way is there
			break
		}
		if n := max(plain.tokens, compiled.tokens); n > 0 && n != ours.Tokens {
			return nil, failedf("", "bench: %s: the peer's model: expected %d tokens as in rpg, found %d", k.name, ours.Tokens, n)
		}
	}
	rows := k.rows(ours, middle(oursTimes), middle(oursMemory), plain, compiled)
	for _, r := range rows {
		b.s.say("%s", r.sentence())
	}
	return rows, cut
}

// wanted is what the ratio, or the value, should be.
func (k gpuContest) wanted() string {
	bar := "4 x"
	if k.work == "sample" {
		bar = "8 x"
	}
	if k.target == "convnext-large" && k.work == "sample" {
		bar += ", 10 s"
	}
	return bar
}

// rows are the time, the same without PyTorch's recurrent model, which mamba2_torch.py
// may stand in for, and the memory.
func (k gpuContest) rows(ours benchRow, seconds, memory float64, plain, compiled *peerSide) []benchRow {
	best := plain
	if len(compiled.seconds) > 0 && (len(plain.seconds) == 0 || middle(compiled.seconds) < middle(plain.seconds)) {
		best = compiled
	}
	ours.Name, ours.Wanted = k.name, k.wanted()
	if len(best.seconds) == 0 {
		ours.Value, ours.OfPeak, ours.Shape = seconds, nil, "PyTorch: "+plain.why
		return []benchRow{ours}
	}
	rows := []benchRow{compared(ours, seconds, middle(best.seconds), true)}
	if len(best.rest) > 0 {
		rows = append(rows, compared(benchRow{Name: k.name + " bound", Shape: "PyTorch without its recurrent model (" + best.mamba + ")", Unit: ours.Unit},
			seconds, middle(best.rest), true))
	}
	shape, wanted := "tensors", "1.67 x"
	if best.states {
		shape += "; PyTorch's less 6 bytes a parameter, as for 8-bit states"
	}
	if k.target == "convnext-large" && k.work == "sample" {
		wanted += ", 12 GB"
	}
	least := middle(best.memory)
	for _, side := range []*peerSide{plain, compiled} {
		if len(side.memory) > 0 {
			least = min(least, middle(side.memory))
		}
	}
	return append(rows, compared(benchRow{Name: k.name + " memory", Shape: shape, Unit: "MiB", Wanted: wanted}, memory, least, true))
}

// sentence is a row in one line, for those who wait.
func (r benchRow) sentence() string {
	if r.Ratio == nil {
		return fmt.Sprintf("%s: %.4g %s, %s", r.Name, r.Value, r.Unit, r.Shape)
	}
	return fmt.Sprintf("%s: %.4g and %.4g %s, %.2f x", r.Name, r.Value, *r.Peer, r.Unit, *r.Ratio)
}

// peerLimit is the time for a measurement of PyTorch, which may compile for long.
const peerLimit = 5 * time.Minute

// peerSide is what PyTorch reached in one way of running it.
type peerSide struct {
	seconds, rest, memory []float64 // rest: without the recurrent model
	tokens                int
	mamba                 string
	states                bool   // of its optimizer 6 bytes a parameter are taken off the memory
	why                   string // there is nothing
}

// run adds a measurement. That PyTorch fails is no error: it is said, and is not there.
func (side *peerSide) run(s *session, p *peer.Program, m peer.Model, official, device string, words []string) error {
	ctx, stop := context.WithTimeout(s.ctx, peerLimit)
	defer stop()
	a, err := p.RunGPU(ctx, m, official, device, words...)
	if s.ctx.Err() != nil {
		return s.ctx.Err()
	}
	if err != nil {
		side.why = "failed"
		s.say("PyTorch, %s: %v", strings.Join(words, " "), err)
		return nil
	}
	if a["oom"] == true {
		side.why = "out of memory"
		s.say("PyTorch, %s: out of memory: %v", strings.Join(words, " "), a["what"])
		return nil
	}
	seconds, err := a.Number("seconds")
	if err != nil {
		return err
	}
	bytes, err := a.Number("allocated")
	if err != nil {
		return err
	}
	tokens, err := a.Number("tokens")
	if err != nil {
		return err
	}
	side.tokens, side.mamba = int(tokens), fmt.Sprint(a["mamba"])
	side.seconds = append(side.seconds, seconds)
	if recurrent, err := a.Number("recurrent_s"); err == nil && recurrent < seconds {
		side.rest = append(side.rest, seconds-recurrent)
	}
	if m.EightBit && a["optimizer"] == "torch AdamW" && device != "cpu" {
		parameters, err := a.Number("generator_params")
		if err != nil {
			return err
		}
		side.states, bytes = true, bytes-6*parameters
	}
	side.memory = append(side.memory, bytes/(1<<20))
	s.detail("PyTorch, %s: %.4g s, %.4g MiB (%v, %v)", strings.Join(words, " "), seconds, bytes/(1<<20), a["torch"], a["device"])
	return nil
}

// peerModel is the published model for a target, and where PyTorch computes: in a
// rehearsal, where the host stands for a GPU, on the CPU.
func (b *bench) peerModel(target string) (peer.Model, string, error) {
	t, err := b.benchZoo(target, "paper")
	if err != nil {
		return peer.Model{}, "", err
	}
	c := t.Config
	m := peer.Model{Token: c.TokenDim, Width: c.Width, Out: c.OutWidth, State: c.State, Batch: min(c.Batch, t.Zoo.Count), Rows: c.DiffusionBatch,
		Channels: c.Channels, LR: c.LR, Models: t.Zoo.Count, Steps: max(2, 60/b.shrink), EightBit: c.Optimizer == "adamw8bit"}
	for _, w := range t.Zoo.Tokenizer.Layout.Weights {
		m.Elements = append(m.Elements, w.Elements)
	}
	device := "cuda"
	if b.shrink > 1 {
		device = "cpu"
	}
	return m, device, nil
}
