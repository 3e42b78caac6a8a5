package generator

import (
	"math"
	"slices"
	"testing"

	"rpg/generator/compute"
	"rpg/tokenize"
)

// stepGradients returns the loss and the gradients of a step that is not the first
// one, away from the zeros that the parameters start with.
func stepGradients(t *testing.T, dev compute.Device, c Config, zoo *Zoo, room bool) (loss float64, grad []float32, tr *trainer) {
	t.Helper()
	tr = newTrainer(dev, c, zoo)
	if room {
		tr.keepAside(1 << 30)
	}
	ps := &tr.net.ps
	start := ps.initial(7)
	for i := range start[:ps.trained] {
		start[i] += 0.1 * float32(2*compute.Uniform(7, stream(purposeInit, 1<<40), uint64(i))-1)
	}
	dev.Upload(ps.value, start)
	for range 2 { // the second time, memory holds what the first one left
		tr.draw(tr.step)
		tr.gradients()
		tr.step++
	}
	grad = make([]float32, ps.trained)
	if err := dev.Download(grad, ps.grad); err != nil {
		t.Fatal(err)
	}
	var x [1]float32
	if err := dev.Download(x[:], tr.loss); err != nil {
		t.Fatal(err)
	}
	return float64(x[0]), grad, tr
}

// TestWindows: the loss and every gradient of a step in windows are those of the
// step on whole sequences. Of the embedded zoo a model has 48 tokens of 256 values.
func TestWindows(t *testing.T) {
	zoo, _ := testZoo(t, 4, 256)
	for _, recurrent := range []string{"mamba2", "lstm", "none"} {
		for _, c := range []struct {
			name      string
			window    string
			tokens    int // of a window
			overrides []Override
		}{
			{"two layers, odd windows", "7", 7, nil},
			{"the shortest windows", "4", 4, nil},
			{"a window of all but one token", "47", 24, nil},
			{"one layer", "10", 10, []Override{{"layers", "1", ""}}},
			{"three layers without residuals", "17", 16, []Override{{"layers", "3", ""}, {"residual", "false", ""}}},
			{"one layer without residual", "17", 16, []Override{{"layers", "1", ""}, {"residual", "false", ""}}},
			{"rows that miss windows", "5", 5, []Override{{"diffusion-batch", "3", ""}}},
			{"rows that miss windows, one layer", "5", 5, []Override{{"diffusion-batch", "3", ""}, {"layers", "1", ""}}},
			{"repeated rows", "20", 16, []Override{{"diffusion-batch", "150", ""}}},
			{"all tokens", "10", 10, []Override{{"diffusion-batch", "0", ""}}},
			{"all tokens, one layer", "11", 10, []Override{{"diffusion-batch", "0", ""}, {"layers", "1", ""}, {"batch", "3", ""}}},
			{"conv", "9", 8, []Override{{"denoiser", "conv", ""}}},
			{"another width at the end", "9", 8, []Override{{"out-width", "28", ""}, {"residual", "false", ""}, {"denoiser", "conv", ""}}},
		} {
			if recurrent != "mamba2" && slices.ContainsFunc(c.overrides, func(o Override) bool { return o.Key == "out-width" }) {
				continue
			}
			t.Run(recurrent+", "+c.name, func(t *testing.T) {
				overrides := append([]Override{{"token-dim", "256", ""}, {"recurrent", recurrent, ""}}, c.overrides...)
				wantLoss, want, whole := stepGradients(t, openCPU(t, 2), small(t, overrides...).Config, zoo, false)
				inWindows := small(t, append(overrides, Override{"window", c.window, ""})...).Config
				gotLoss, got, parts := stepGradients(t, openCPU(t, 3), inWindows, zoo, false)
				if whole.l != 48 || whole.net.rec.windows != nil || parts.net.rec.l != c.tokens || parts.net.rec.windows.count != (47+c.tokens)/c.tokens {
					t.Fatalf("%d tokens in windows of %d, want 48 in windows of %d", whole.l, parts.net.rec.l, c.tokens)
				}
				_, kept, with := stepGradients(t, openCPU(t, 2), inWindows, zoo, true)
				without, room := parts.net.rec.windows, with.net.rec.windows
				if without.placed != nil || without.aside != nil || room.placed == nil || (room.aside != nil) != (recurrent == "mamba2") {
					t.Error("positions and products of mamba layers are to be kept with room for them, and without it not")
				}
				if i := firstDifference(got, kept); i >= 0 {
					t.Errorf("with what is kept, gradient %d is %v, without it %v", i, kept[i], got[i])
				}
				if diff := math.Abs(gotLoss - wantLoss); !(diff <= 1e-6*wantLoss) {
					t.Errorf("the loss is %v, want %v", gotLoss, wantLoss)
				}
				var all2 float64
				for _, v := range want {
					all2 += float64(v) * float64(v)
				}
				for _, p := range parts.net.ps.within(0, parts.net.ps.trained) {
					var diff2, size2 float64
					for i, v := range want[p.at : p.at+p.n] {
						d := float64(got[p.at+i]) - float64(v)
						diff2, size2 = diff2+d*d, size2+float64(v)*float64(v)
					}
					if !(diff2 <= 1e-10*size2+1e-16*all2) { // of a bias before a BatchNorm it is rounding alone
						t.Errorf("%s: the gradient is %.3g of its size away", p.name, math.Sqrt(diff2/size2))
					}
				}
			})
		}
	}
}

// TestWindowMemory: with windows, all that four times the tokens take more is the
// states at the starts of the windows.
func TestWindowMemory(t *testing.T) {
	for _, recurrent := range []string{"mamba2", "lstm", "none"} {
		for _, denoiser := range []string{"mlp", "conv"} {
			c := small(t, Override{"recurrent", recurrent, ""}, Override{"denoiser", denoiser, ""}, Override{"window", "256", ""}).Config
			need := func(tokens int) int64 {
				return Plan(c, &tokenize.Tokenizer{Layout: *longLayout(tokens, c.TokenDim)}, 3, compute.Info{}).DeviceBytes
			}
			states := int64(0) // values that the layers carry on
			for _, k := range declareNetwork(c, 256, 3, c.Batch, 1).rec.layers {
				states += int64(k.carries())
			}
			if got, want := need(8*256)-need(2*256), 6*4*states; got != want {
				t.Errorf("%s, %s: 1536 tokens more take %d bytes more, want %d", recurrent, denoiser, got, want)
			}
			c.Window = 0
			if more := need(8*256) - need(2*256); more < 100*4*states {
				t.Errorf("%s, %s: without windows, 1536 tokens more take only %d bytes more", recurrent, denoiser, more)
			}
		}
	}
}
