package generator

import (
	"math"
	"testing"

	"rpg/generator/compute"
)

// TestGradients holds the gradient of every parameter of whole networks
// against a central difference of the loss: moving one tensor along its own
// gradient g by ±h·g/|g| must change the loss by 2h|g|.
func TestGradients(t *testing.T) {
	for _, c := range []struct {
		name      string
		overrides []Override
	}{
		{"mlp-x0", []Override{{"denoiser", "mlp", ""}, {"prediction", "x0", ""}}},
		{"mlp-v-all-tokens", []Override{{"denoiser", "mlp", ""}, {"prediction", "v", ""}, {"diffusion-batch", "0", ""}}},
		{"mlp-no-residual-one-layer", []Override{{"denoiser", "mlp", ""}, {"residual", "false", ""}, {"layers", "1", ""}}},
		{"lstm", []Override{{"recurrent", "lstm", ""}}},
		{"lstm-no-residual-all-tokens", []Override{{"recurrent", "lstm", ""}, {"residual", "false", ""}, {"diffusion-batch", "0", ""}}},
		{"lstm-one-layer", []Override{{"recurrent", "lstm", ""}, {"layers", "1", ""}}},
		{"transformer", []Override{{"recurrent", "transformer", ""}}},
		{"transformer-one-layer", []Override{{"recurrent", "transformer", ""}, {"layers", "1", ""}}},
		{"transformer-all-tokens", []Override{{"recurrent", "transformer", ""}, {"layers", "3", ""}, {"diffusion-batch", "0", ""}}},
		{"none", []Override{{"recurrent", "none", ""}}},
		{"none-no-residual-all-tokens", []Override{{"recurrent", "none", ""}, {"residual", "false", ""}, {"diffusion-batch", "0", ""}}},
		{"none-one-layer", []Override{{"recurrent", "none", ""}, {"layers", "1", ""}}},
		{"conv-eps", []Override{{"denoiser", "conv", ""}, {"prediction", "eps", ""}}},
		{"conv-three-skips-lstm", []Override{{"denoiser", "conv", ""}, {"channels", "1,4,6,8,6,4,1", ""}, {"recurrent", "lstm", ""}}},
		{"conv-out-width", []Override{{"preset", "paper", ""}, {"out-width", "28", ""}}},
		{"mlp-out-width-one-layer", []Override{{"residual", "false", ""}, {"layers", "1", ""}, {"out-width", "12", ""}}},
		{"mlp-out-width-all-tokens", []Override{{"residual", "false", ""}, {"layers", "3", ""}, {"out-width", "12", ""}, {"diffusion-batch", "0", ""}}},
		{"conv-two-skips-repeated-tokens", []Override{{"denoiser", "conv", ""}, {"channels", "1,4,6,4,1", ""}, {"diffusion-batch", "70", ""}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			zoo, _ := testZoo(t, 3, 512)
			dev := openCPU(t, 2)
			tr := newTrainer(dev, small(t, c.overrides...).Config, zoo)
			ps := &tr.net.ps
			start := ps.initial(7)
			for i := range start[:ps.trained] { // away from the zeros of the start
				start[i] += 0.1 * float32(2*compute.Uniform(7, stream(purposeInit, 1<<40), uint64(i))-1)
			}
			loss := func(values []float32) float64 {
				dev.Upload(ps.value, values)
				tr.draw(tr.step)
				tr.gradients()
				var x [1]float32
				if err := dev.Download(x[:], tr.loss); err != nil {
					t.Fatal(err)
				}
				return float64(x[0])
			}
			loss(start)
			grad := make([]float32, ps.trained)
			if err := dev.Download(grad, ps.grad); err != nil {
				t.Fatal(err)
			}
			checked := 0
			for _, p := range ps.within(0, ps.trained) {
				norm, along := 0.0, grad[p.at:p.at+p.n]
				for _, g := range along {
					norm += float64(g) * float64(g)
				}
				norm = math.Sqrt(norm)
				if !(norm > 0) {
					if p.name != "state.weight" {
						t.Errorf("%s: the gradient is %v", p.name, norm)
					}
					continue
				}
				h := min(0.03, 2e-3/norm)
				moved := func(sign float64) []float32 {
					out := append([]float32(nil), start...)
					for i, g := range along {
						out[p.at+i] += float32(sign * h * float64(g) / norm)
					}
					return out
				}
				got := (loss(moved(1)) - loss(moved(-1))) / (2 * h)
				// The loss is about 1 in float32: what cannot be told from
				// its rounding is not judged.
				if noise := 4e-7 / h; !(math.Abs(got-norm) <= 0.02*norm+noise) {
					t.Errorf("%s: slope along the gradient is %v, want %v", p.name, got, norm)
				}
				checked++
			}
			if checked < len(ps.list)*2/3 {
				t.Errorf("only %d of %d tensors have a gradient", checked, len(ps.list))
			}
		})
	}
}
