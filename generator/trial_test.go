package generator

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
)

// TestTrial: the steps of a trial are those of a training in a run folder, as no tensor
// of this one is so large that its first values come again.
func TestTrial(t *testing.T) {
	zoo, template := testZoo(t, 4, 512)
	r := small(t, Override{"state-init", "constant", ""}) // fill knows no spread of the checkpoints
	var want, got []float64
	if err := trainIn(t, t.TempDir(), r, zoo, template, 2, Hooks{Step: func(e StepEvent) { want = append(want, e.Loss) }}); err != nil {
		t.Fatal(err)
	}
	trial := Trial{Config: r.Config, Zoo: zoo}
	if err := trial.Train(context.Background(), openCPU(t, 2), func(e StepEvent) bool {
		got = append(got, e.Loss)
		return len(got) < 3
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want[:3]) {
		t.Errorf("losses %v, want %v", got, want[:3])
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := trial.Train(ctx, openCPU(t, 1), func(StepEvent) bool { return true }); err == nil {
		t.Error("a trial that is cancelled went on")
	}
}

// Sampling takes as many turns as it is asked for.
func TestTrialSamples(t *testing.T) {
	zoo, _ := testZoo(t, 4, 512)
	trial := Trial{Config: small(t).Config, Zoo: zoo}
	o := DefaultSampling()
	o.Count, o.Steps = 2, 3
	turns := 0
	if err := trial.Sample(context.Background(), openCPU(t, 2), o, func(Timing) bool {
		turns++
		return turns < 3
	}); err != nil {
		t.Fatal(err)
	}
	if turns != 3 {
		t.Errorf("%d turns, want 3", turns)
	}
	o.Sampler = "euler"
	if err := trial.Sample(context.Background(), openCPU(t, 1), o, func(Timing) bool { return false }); err == nil || !strings.Contains(err.Error(), "euler") {
		t.Errorf("error %v, want one that names the sampler", err)
	}
}

// Of a tensor that is larger than the block the same values come again, and none is left
// at zero.
func TestTrialFill(t *testing.T) {
	ps := &params{}
	ps.uniform(vectorParam, "small", 1, 5)
	large := ps.uniform(matrixParam, "large", 1, 3, trialBlock/2)
	dev := openCPU(t, 1)
	ps.alloc(dev, false)
	Trial{}.fill(dev, ps)
	values := make([]float32, large.n)
	if err := dev.Download(values, large.value); err != nil {
		t.Fatal(err)
	}
	for i, v := range values[trialBlock:] {
		if v != values[i] || !(math.Abs(float64(v)) > 0) {
			t.Fatalf("value %d is %v, want %v", trialBlock+i, v, values[i])
		}
	}
}
