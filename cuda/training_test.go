package cuda

import (
	"context"
	"math"
	"slices"
	"testing"

	"rpg/generator"
	"rpg/generator/compute"
	"rpg/generator/compute/cpu"
	"rpg/internal/zootest"
)

func TestTraining(t *testing.T) { testTraining(t, openShim, float32Training) }

// With bf16 the conv denoiser's signals are stored so too.
func TestTrainingBF16(t *testing.T) {
	testTraining(t, func(t *testing.T) *device { return openWith(t, shimLibrary(t, plain), true) }, bf16Training)
}

// trainingCase is a training of 20 steps, and how far its losses and then what is
// sampled may be from those of the CPU in float32.
type trainingCase struct {
	name, denoiser, recurrent, layers, window, optimizer string
	channels, rows                                       string
	records, parts                                       int   // graphs in a step, and different ones of these
	room                                                 int64 // see generator.Hooks
	lossTol, tokenTol                                    float64
}

var float32Training = []trainingCase{
	{"mlp", "mlp", "mamba2", "2", "0", "adamw", "1,8,1", "8", 1, 1, 0, 1e-5, 1e-5},
	{"conv", "conv", "mamba2", "2", "0", "adamw", "1,2,4,2,1", "8", 1, 1, 0, 1e-5, 1e-5},
	{"conv in windows", "conv", "mamba2", "2", "12", "adamw", "1,2,4,2,1", "8", 2*3 + 4, 6, 0, 1e-5, 1e-5},
	{"conv in windows with room", "conv", "mamba2", "2", "12", "adamw", "1,2,4,2,1", "8", 2*3 + 4, 6, 1 << 30, 1e-5, 1e-5},
	{"lstm in windows", "mlp", "lstm", "1", "17", "adamw", "1,8,1", "8", 2*2 + 2, 4, 0, 1e-5, 1e-5},
	{"mlp-8bit", "mlp", "mamba2", "2", "0", "adamw8bit", "1,8,1", "8", 1, 1, 0, 1e-4, 1e-5},
	{"none in windows", "mlp", "none", "2", "17", "adamw", "1,8,1", "8", 2*2 + 2, 4, 0, 1e-5, 1e-5},
	{"transformer", "mlp", "transformer", "1", "17", "adamw", "1,8,1", "8", 1, 1, 0, 1e-5, 1e-5},
}

var bf16Training = []trainingCase{
	{"conv", "conv", "mamba2", "2", "0", "adamw", "1,8,16,8,1", "3", 1, 1, 0, 5e-3, 1e-2},
	{"mlp in windows", "mlp", "mamba2", "2", "12", "adamw", "1,8,1", "8", 2*3 + 4, 6, 0, 5e-3, 1e-2},
	{"mlp in windows with room", "mlp", "mamba2", "2", "12", "adamw", "1,8,1", "8", 2*3 + 5, 7, 1 << 30, 5e-3, 1e-2},
}

// testTraining: 20 steps on what open gives have the losses of 20 steps on the CPU,
// and what is then sampled from the CPU's weights is alike. Sums are taken in other
// orders on the two, and AdamW, which divides gradients by their size, makes
// much of a small difference. With states of 8 bits, a difference in the last digit
// may give another code.
func testTraining(t *testing.T, open func(t *testing.T) *device, cases []trainingCase) {
	zoo, template := smallZoo(t)
	var without []float64 // losses of the case before this one
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			const steps, sampleSteps = 20, 6
			host, err := cpu.Open(2)
			if err != nil {
				t.Fatal(err)
			}
			defer host.Close()
			gpu := open(t)
			defer gpu.Close()
			r, err := generator.Resolve(10_853, []generator.Override{
				{Key: "recurrent", Value: c.recurrent}, {Key: "denoiser", Value: c.denoiser}, {Key: "layers", Value: c.layers}, {Key: "window", Value: c.window},
				{Key: "optimizer", Value: c.optimizer}, {Key: "token-dim", Value: "512"},
				{Key: "width", Value: "16"}, {Key: "state", Value: "8"}, {Key: "head-dim", Value: "8"}, {Key: "denoiser-width", Value: "16"},
				{Key: "blocks", Value: "1"}, {Key: "channels", Value: c.channels}, {Key: "kernel", Value: "3"}, {Key: "batch", Value: "2"},
				{Key: "diffusion-batch", Value: c.rows}, {Key: "steps", Value: "20"}, {Key: "warmup", Value: "2"},
			})
			if err != nil {
				t.Fatal(err)
			}
			train := func(dev compute.Device) (*generator.Run, []float64) {
				run, err := generator.Create(t.TempDir(), r, zoo, template, false)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { run.Close() })
				var losses []float64
				hooks := generator.Hooks{Room: c.room, Step: func(e generator.StepEvent) { losses = append(losses, e.Loss) }}
				if err := run.Train(context.Background(), dev, zoo, hooks); err != nil {
					t.Fatal(err)
				}
				return run, losses
			}
			run, want := train(host)
			_, got := train(gpu)
			if len(got) != steps || len(want) != steps {
				t.Fatalf("%d and %d steps, want %d", len(got), len(want), steps)
			}
			worst := 0.0
			for i, w := range want {
				diff := math.Abs(got[i]-w) / w
				if worst = max(worst, diff); !(diff <= c.lossTol) {
					t.Errorf("step %d: the loss is %v, on the CPU %v", i+1, got[i], w)
				}
			}
			if c.room > 0 && !slices.Equal(got, without) {
				t.Errorf("the losses with room are %v, and without %v", got, without)
			}
			without = got
			if want[0] == want[1] || want[1] == want[steps-1] {
				t.Error("the losses do not change")
			}
			if want := steps*c.records - c.parts; gpu.replays != want { // the first of each is no graph
				t.Errorf("training launched %d graphs, want %d", gpu.replays, want)
			}

			sample := func(dev compute.Device) []float32 {
				var tokens []float32
				o := generator.SampleOptions{Count: 1, Seed: 5, State: "mean", Sampler: "ddim", Steps: sampleSteps, Eta: 0.5}
				if _, err := run.Sample(context.Background(), dev, o, nil, func(group []generator.Sample) error {
					tokens = append(tokens, group[0].Tokens...)
					return nil
				}); err != nil {
					t.Fatal(err)
				}
				return tokens
			}
			trained := gpu.replays
			tokens, expected := sample(gpu), sample(host)
			var error2, size2 float64
			for i, v := range expected {
				d := float64(tokens[i]) - float64(v)
				error2, size2 = error2+d*d, size2+float64(v)*float64(v)
			}
			distance := math.Sqrt(error2 / size2)
			if !(distance <= c.tokenTol) {
				t.Errorf("sampled tokens are %v of their size apart, want at most %v", distance, c.tokenTol)
			}
			// The last step, without noise, is of another kind than the others.
			if n := gpu.replays - trained; n != sampleSteps-2 {
				t.Errorf("sampling launched %d graphs, want %d", n, sampleSteps-2)
			}
			if gpu.info.BF16 {
				for i, v := range sample(plainWeights{gpu}) {
					if math.Float32bits(v) != math.Float32bits(tokens[i]) {
						t.Fatalf("value %d of the tokens is %v, and %v with weights that every product rounds", i, tokens[i], v)
					}
				}
			}
			t.Logf("from %.7g to %.7g, losses differ by %.2g, tokens by %.2g", want[0], want[steps-1], worst, distance)
		})
	}
}

// plainWeights is a device that seems to compute in float32, so that weights are kept
// so.
type plainWeights struct{ *device }

func (d plainWeights) Info() compute.Info {
	info := d.device.Info()
	info.BF16 = false
	return info
}

// smallZoo is two checkpoints. It also returns what writes the first one.
func smallZoo(t *testing.T) (*generator.Zoo, func(path string) error) {
	t.Helper()
	const checkpoints = 2
	z := zootest.Read(t, checkpoints, 512)
	return &generator.Zoo{Tokenizer: z.Tokenizer, Count: checkpoints, Tokens: z.Tokens, Sources: z.Sources}, z.Template
}
