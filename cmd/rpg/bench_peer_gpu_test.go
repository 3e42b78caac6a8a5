package main

import (
	"testing"
)

func TestGPUContestRows(t *testing.T) {
	train := gpuContest{name: "train/vit-base/paper/bf16", target: "vit-base", work: "train"}
	side := func(seconds, rest, memory float64) *peerSide {
		return &peerSide{seconds: []float64{seconds}, rest: []float64{rest}, memory: []float64{memory}, mamba: "stand-in"}
	}
	type row struct {
		name   string
		peer   float64 // 0: none
		ratio  float64
		wanted string
	}
	for _, c := range []struct {
		name            string
		contest         gpuContest
		plain, compiled *peerSide
		want            []row
	}{
		{"compiled is faster, and takes more memory", train, side(4, 3, 200), side(3, 2, 300), []row{
			{"train/vit-base/paper/bf16", 3, 6, "4 x"}, {"train/vit-base/paper/bf16 bound", 2, 4, ""}, {"train/vit-base/paper/bf16 memory", 200, 2, "1.67 x"}}},
		{"compiled is slower", train, side(2, 1, 200), side(3, 2, 150), []row{
			{"train/vit-base/paper/bf16", 2, 4, "4 x"}, {"train/vit-base/paper/bf16 bound", 1, 2, ""}, {"train/vit-base/paper/bf16 memory", 150, 1.5, "1.67 x"}}},
		{"compiled failed, the recurrent share is not known", train, &peerSide{seconds: []float64{2}, memory: []float64{50}}, &peerSide{why: "failed"}, []row{
			{"train/vit-base/paper/bf16", 2, 4, "4 x"}, {"train/vit-base/paper/bf16 memory", 50, 0.5, "1.67 x"}}},
		{"no room for either", train, &peerSide{why: "out of memory"}, &peerSide{why: "out of memory"}, []row{
			{"train/vit-base/paper/bf16", 0, 0, "4 x"}}},
		{"only compiled has room", train, &peerSide{why: "out of memory"}, side(8, 6, 400), []row{
			{"train/vit-base/paper/bf16", 8, 16, "4 x"}, {"train/vit-base/paper/bf16 bound", 6, 12, ""}, {"train/vit-base/paper/bf16 memory", 400, 4, "1.67 x"}}},
		{"the largest sample", gpuContest{name: "generate/convnext-large/paper/1", target: "convnext-large", work: "sample"}, side(4, 3, 200), new(peerSide), []row{
			{"generate/convnext-large/paper/1", 4, 8, "8 x, 10 s"}, {"generate/convnext-large/paper/1 bound", 3, 6, ""},
			{"generate/convnext-large/paper/1 memory", 200, 2, "1.67 x, 12 GB"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows := c.contest.rows(benchRow{Unit: "s/step"}, 0.5, 100, c.plain, c.compiled)
			if len(rows) != len(c.want) {
				t.Fatalf("%d rows, want %d", len(rows), len(c.want))
			}
			for i, want := range c.want {
				r := rows[i]
				got := row{name: r.Name, wanted: r.Wanted}
				if r.Peer != nil {
					got.peer, got.ratio = *r.Peer, *r.Ratio
				}
				if got != want {
					t.Errorf("got %+v, want %+v", got, want)
				}
				if r.sentence() == "" {
					t.Errorf("%s says nothing", r.Name)
				}
			}
		})
	}
}

// Rehearsals have models that can be planned, of both sides alike.
func TestShrunkTargets(t *testing.T) {
	b := &bench{shrink: 64}
	for _, target := range []string{"resnet-18", "vit-base", "convnext-large"} {
		trial, err := b.benchZoo(target, "paper")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := trial.Zoo.Tokenizer.Marshal(); err != nil {
			t.Errorf("%s: %v", target, err)
		}
		m, device, err := b.peerModel(target)
		if err != nil {
			t.Fatal(err)
		}
		tokens := 0
		for _, n := range m.Elements {
			tokens += (n + m.Token - 1) / m.Token
		}
		if tokens != trial.Zoo.Tokenizer.Layout.Tokens() || device != "cpu" || m.Steps != 2 {
			t.Errorf("%s: the peer has %d tokens on %s, want %d on the CPU", target, tokens, device, trial.Zoo.Tokenizer.Layout.Tokens())
		}
	}
}

// Of the published targets all weights are there, by their roles.
func TestPublishedWeights(t *testing.T) {
	weights, values := publishedWeights("resnet-18")
	variances := 0
	for _, w := range weights {
		if w.Role == "variance" {
			variances++
		}
	}
	if len(weights) != 102 || values != 11_699_112 || variances != 20 {
		t.Errorf("%d weights of %d values, %d variances, want 102 of 11,699,112 and 20", len(weights), values, variances)
	}
}
