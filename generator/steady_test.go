package generator

import (
	"math"
	"testing"

	"rpg/generator/compute"
)

// steadyConfigs are small trainings that go through every operation.
func steadyConfigs(t *testing.T) map[string]Config {
	configs := map[string]Config{}
	for _, c := range []struct{ name, preset, denoiser, picked string }{
		{"fast", "fast", "mlp", "0"}, {"fast-picked-conv", "fast", "conv", "40"},
		{"paper", "paper", "conv", "0"}, {"paper-picked-mlp", "paper", "mlp", "40"},
	} {
		configs[c.name] = small(t, Override{"preset", c.preset, ""}, Override{"denoiser", c.denoiser, ""},
			Override{"diffusion-batch", c.picked, ""}).Config
	}
	configs["paper-out-width"] = small(t, Override{"preset", "paper", ""}, Override{"out-width", "20", ""}).Config
	configs["adamw8bit"] = small(t, Override{"optimizer", "adamw8bit", ""}).Config
	for _, recurrent := range Recurrents[1:] {
		for _, picked := range []string{"0", "40"} {
			configs[recurrent+"-"+picked] = small(t, Override{"recurrent", recurrent, ""}, Override{"diffusion-batch", picked, ""},
				Override{"layers", "3", ""}).Config
		}
	}
	for _, recurrent := range []string{"mamba2", "lstm", "none"} {
		for _, picked := range []string{"0", "9", "40"} {
			configs["window-"+recurrent+"-"+picked] = small(t, Override{"recurrent", recurrent, ""}, Override{"diffusion-batch", picked, ""},
				Override{"window", "11", ""}).Config
		}
	}
	return configs
}

// TestThreads: training gives the same bytes with any number of threads.
func TestThreads(t *testing.T) {
	zoo, _ := testZoo(t, 4, 512)
	for name, cfg := range steadyConfigs(t) {
		t.Run(name, func(t *testing.T) {
			var want []float32
			for _, threads := range []int{1, 2, 3, 7} {
				dev := openCPU(t, threads)
				tr := newTrainer(dev, cfg, zoo)
				tr.start()
				for range 3 {
					if _, err := tr.next(); err != nil {
						t.Fatal(err)
					}
				}
				got := make([]float32, tr.net.ps.total)
				if err := dev.Download(got, tr.net.ps.value); err != nil {
					t.Fatal(err)
				}
				if want == nil {
					want = got
				}
				if i := firstDifference(want, got); i >= 0 {
					t.Errorf("%d threads: value %d is %v, with 1 thread %v", threads, i, got[i], want[i])
				}
			}
		})
	}
}

// TestMemory bounds what training on a zoo like the embedded one takes. Of the
// published denoiser's outputs, which it must keep, 126 MB are the least.
func TestMemory(t *testing.T) {
	zoo, _ := testZoo(t, 2, 256)
	for preset, most := range map[string]int64{"paper": 165e6, "fast": 35e6} {
		r, err := Resolve(10_853, []Override{{"preset", preset, ""}})
		if err != nil {
			t.Fatal(err)
		}
		if got := Plan(r.Config, zoo.Tokenizer, 50, compute.Info{}).DeviceBytes; got > most || got < most/2 {
			t.Errorf("preset %s takes %d bytes, want at most %d and not far less", preset, got, most)
		}
		whole := Plan(r.Config, zoo.Tokenizer, 50, compute.Info{})
		half := Plan(r.Config, zoo.Tokenizer, 50, compute.Info{BF16: true})
		if !(half.DeviceBytes < whole.DeviceBytes) && preset == "paper" { // preset fast has no signals of convolutions
			t.Errorf("preset %s takes %d bytes with bf16, %d without", preset, half.DeviceBytes, whole.DeviceBytes)
		}
		if got := whole.SampleBytes - half.SampleBytes; !(got > whole.SampleBytes/4) {
			t.Errorf("preset %s takes %d bytes for sampling with bf16, %d without: want much less", preset, half.SampleBytes, whole.SampleBytes)
		}
	}
}

// firstDifference compares bit for bit, -1 for none.
func firstDifference(a, b []float32) int {
	for i, v := range a {
		if math.Float32bits(v) != math.Float32bits(b[i]) {
			return i
		}
	}
	return -1
}
