package generator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"rpg/generator/compute"
	"rpg/tokenize"
)

// sampleAll collects what a run samples.
func sampleAll(t *testing.T, run *Run, threads int, o SampleOptions) []Sample {
	t.Helper()
	var all []Sample
	_, err := run.Sample(context.Background(), openCPU(t, threads), o, nil, func(group []Sample) error {
		all = append(all, group...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// refuseSample samples what may fail and returns why it did.
func refuseSample(t *testing.T, run *Run, o SampleOptions) error {
	t.Helper()
	_, err := run.Sample(context.Background(), openCPU(t, 1), o, nil, func([]Sample) error { return nil })
	return err
}

func sameTokens(t *testing.T, name string, got, want []float32) {
	t.Helper()
	if i := firstDifference(got, want); i >= 0 {
		t.Fatalf("%s: value %d is %v, want %v", name, i, got[i], want[i])
	}
}

// trained trains a small run for a few steps and opens it.
func trained(t *testing.T, overrides ...Override) *Run {
	t.Helper()
	zoo, template := testZoo(t, 3, 512)
	dir := t.TempDir()
	if err := trainIn(t, dir, small(t, overrides...), zoo, template, 2, Hooks{}); err != nil {
		t.Fatal(err)
	}
	run, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// TestSampleAlone: a model depends on its seed, not on what is sampled beside
// it, on windows, or on threads.
func TestSampleAlone(t *testing.T) {
	for _, denoiser := range []string{"mlp", "conv"} {
		t.Run(denoiser, func(t *testing.T) {
			run := trained(t, Override{"denoiser", denoiser, ""})
			o := DefaultSampling()
			o.Count, o.Seed, o.Steps, o.Eta = 30, 5, 4, 0.5
			many := sampleAll(t, run, 2, o)
			for _, i := range []int{0, 17, 29} {
				o.Count, o.Seed = 1, 5+uint64(i)
				one := sampleAll(t, run, 1, o)[0]
				if one.Seed != many[i].Seed || one.State != many[i].State {
					t.Fatalf("model %d is seed %d of state %s alone, %d of %s among 30", i, one.Seed, one.State, many[i].Seed, many[i].State)
				}
				sameTokens(t, fmt.Sprintf("model %d", i), one.Tokens, many[i].Tokens)
			}
			o.Count, o.Seed = 7, 5
			made := 0 // in groups of three
			_, err := run.sampleGroups(context.Background(), openCPU(t, 1), o, 3*len(many[0].Tokens), nil, func(group []Sample) error {
				for _, s := range group {
					sameTokens(t, fmt.Sprintf("model %d, in groups", made), s.Tokens, many[made].Tokens)
					made++
				}
				return nil
			})
			if err != nil || made != 7 {
				t.Errorf("%d models in groups, want 7: %v", made, err)
			}
			if slices.Equal(many[0].Tokens, many[1].Tokens) {
				t.Error("two seeds gave the same values")
			}
		})
	}
}

// TestSampleThreads: the number of threads plays no part.
func TestSampleThreads(t *testing.T) {
	for _, denoiser := range []string{"mlp", "conv"} {
		t.Run(denoiser, func(t *testing.T) {
			run := trained(t, Override{"denoiser", denoiser, ""})
			o := DefaultSampling()
			o.Count, o.Steps, o.Eta = 2, 3, 0.5
			want := sampleAll(t, run, 1, o)
			for _, threads := range []int{2, 3, 7} {
				for i, s := range sampleAll(t, run, threads, o) {
					sameTokens(t, fmt.Sprintf("%d threads, model %d", threads, i), s.Tokens, want[i].Tokens)
				}
			}
		})
	}
}

// TestSampleStates: a named state is used, the mean is none of them.
func TestSampleStates(t *testing.T) {
	run := trained(t)
	o := DefaultSampling()
	o.Steps = 3
	seen := map[string]string{}
	for _, state := range []string{"0", "2", "mean"} {
		o.State = state
		s := sampleAll(t, run, 1, o)[0]
		if s.State != state {
			t.Fatalf("state %s: sampled with %q", state, s.State)
		}
		text := fmt.Sprint(s.Tokens)
		if other, ok := seen[text]; ok {
			t.Errorf("states %s and %s gave the same values", state, other)
		}
		seen[text] = state
	}
	for _, state := range []string{"3", "-1", "none", ""} {
		o.State = state
		if refuseSample(t, run, o) == nil {
			t.Errorf("state %q was accepted", state)
		}
	}
}

// TestSampleEnds: an error of the caller and a cancelled context end a sampling.
func TestSampleEnds(t *testing.T) {
	run := trained(t)
	o := DefaultSampling()
	o.Steps = 3
	enough := errors.New("enough")
	if _, err := run.Sample(context.Background(), openCPU(t, 1), o, nil, func([]Sample) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("an error of each: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	_, err := run.Sample(ctx, openCPU(t, 1), o, func(float64) { cancel() }, func([]Sample) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled at its first step: %v", err)
	}
}

// longLayout is a model of so many tokens, in two weights.
func longLayout(tokens, D int) *tokenize.Layout {
	first := tokens / 3
	return &tokenize.Layout{TokenDim: D, Weights: []tokenize.Weight{
		{Elements: first * D, Tokens: first}, {Elements: (tokens - first) * D, First: first, Tokens: tokens - first},
	}}
}

// TestLongSequence: a sequence taken in pieces has the prototypes of one taken
// whole, whatever the recurrent model.
func TestLongSequence(t *testing.T) {
	const l, m = 1100, 16
	layout := longLayout(l, 8)
	for _, recurrent := range Recurrents {
		t.Run(recurrent, func(t *testing.T) {
			c := small(t, Override{"token-dim", "8", ""}, Override{"recurrent", recurrent, ""}).Config
			dev := openCPU(t, 2)
			whole := declareNetwork(c, l, 3, 1, 1)
			whole.ps.alloc(dev, false)
			values := whole.ps.initial(7)
			dev.Upload(whole.ps.value, values)
			positions := make([]float32, l*m)
			c.fillPositions(positions, layout, 0)
			whole.rec.alloc(dev, positions, false, 0)
			s := newSampler(dev, c, layout, 3, 1, []samplerStep{{T: 0, Pred: 1}})
			if err := startAt(s, values); err != nil {
				t.Fatal(err)
			}
			if s.piece >= l {
				t.Fatalf("a piece is %d tokens, want fewer than %d", s.piece, l)
			}
			for _, state := range []int{1, 0} {
				z := whole.rec.piece(dev, whole.rec.stateTable(whole.rec.states.value), state, positions, true)
				want, got := downloaded(t, dev, z), make([]float32, s.piece*m)
				for first := 0; first < l; first += s.piece {
					z, err := s.prototypes(state, first)
					if err != nil {
						t.Fatal(err)
					}
					if err := dev.Download(got, z.Data); err != nil {
						t.Fatal(err)
					}
					n := min(s.piece, l-first)
					sameTokens(t, fmt.Sprintf("state %d, tokens from %d on", state, first), got[:n*m], want[first*m:])
				}
			}
		})
	}
}

// countingDevice counts what is allocated.
type countingDevice struct {
	compute.Device
	values int
}

func (d *countingDevice) Alloc(n int) compute.Buffer {
	d.values += n
	return d.Device.Alloc(n)
}

func (d *countingDevice) AllocInts(n int) compute.Ints {
	d.values += n
	return d.Device.AllocInts(n)
}

// TestSampleMemory: what sampling allocates on the device has a bound that knows
// neither the number of tokens nor that of models.
func TestSampleMemory(t *testing.T) {
	for _, denoiser := range []string{"mlp", "conv"} {
		c := small(t, Override{"token-dim", "8", ""}, Override{"denoiser", denoiser, ""}).Config
		steps := []samplerStep{{T: 3, X: 0.5, Pred: 0.5, Noise: 0.1}, {T: 0, Pred: 1}}
		counted := &countingDevice{Device: new(meter)}
		newSampler(counted, c, longLayout(1<<22, 8), 3, 1000, steps)
		for _, size := range []struct{ tokens, models int }{{512, 3}, {1024, 1}, {4096, 2}, {1536, 9}} {
			dev := &countingDevice{Device: openCPU(t, 1)}
			s := newSampler(dev, c, longLayout(size.tokens, 8), 3, size.models, steps)
			if err := startAt(s, s.net.ps.initial(1)); err != nil {
				t.Fatal(err)
			}
			group := make([]sampleJob, size.models)
			for i := range group {
				group[i] = sampleJob{Sample{Seed: uint64(i), Tokens: make([]float32, size.tokens*8)}, i % 3}
			}
			if err := s.sample(context.Background(), group, func(float64) {}); err != nil {
				t.Fatal(err)
			}
			if dev.values > counted.values {
				t.Errorf("%s: %d models of %d tokens need %d values, want at most %d", denoiser, size.models, size.tokens, dev.values, counted.values)
			}
		}
	}
}

// TestSampleNoAllocations: denoising a window allocates nothing.
func TestSampleNoAllocations(t *testing.T) {
	for _, denoiser := range []string{"mlp", "conv"} {
		for _, threads := range []int{1, 3} {
			c := small(t, Override{"token-dim", "8", ""}, Override{"denoiser", denoiser, ""}).Config
			steps, err := newSchedule(c).steps("ddim", 5, 0.5, c.prediction())
			if err != nil {
				t.Fatal(err)
			}
			s := newSampler(openCPU(t, threads), c, longLayout(60, 8), 3, 1, steps)
			if err := startAt(s, s.net.ps.initial(1)); err != nil {
				t.Fatal(err)
			}
			model := &sampleJob{Sample: Sample{Tokens: make([]float32, 60*8)}}
			z, err := s.prototypes(1, 0)
			if err != nil {
				t.Fatal(err)
			}
			s.take(model, 0, z)
			rows := s.filled
			window := func() {
				s.filled = rows
				if err := s.denoise(context.Background(), func(float64) {}); err != nil {
					t.Fatal(err)
				}
			}
			window()
			if n := testing.AllocsPerRun(3, window); n != 0 {
				t.Errorf("%s, %d threads: a window allocates %v times, want never", denoiser, threads, n)
			}
		}
	}
}

// startAt makes a sampler ready with these values of the parameters.
func startAt(s *sampler, values []float32) error {
	s.dev.Upload(s.net.ps.value, values)
	return s.start()
}
