package generator

import (
	"testing"

	"rpg/generator/compute"
)

// downloaded returns the values of a whole matrix.
func downloaded(t *testing.T, dev compute.Device, m compute.Matrix) []float32 {
	t.Helper()
	out := make([]float32, m.Data.Len())
	if err := dev.Download(out, m.Data); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestCausal: a token has a part in its own prototype and in those behind it, and
// in none before; without a recurrent model in its own one only.
func TestCausal(t *testing.T) {
	const l, m, moved = 90, 16, 40
	for _, recurrent := range Recurrents {
		t.Run(recurrent, func(t *testing.T) {
			c := small(t, Override{"token-dim", "8", ""}, Override{"recurrent", recurrent, ""}).Config
			dev := openCPU(t, 2)
			net := declareNetwork(c, l, 3, 1, 1)
			net.ps.alloc(dev, false)
			dev.Upload(net.ps.value, net.ps.initial(7))
			positions := make([]float32, l*m)
			c.fillPositions(positions, longLayout(l, 8), 0)
			net.rec.alloc(dev, positions, false, 0)
			table := net.rec.stateTable(net.rec.states.value)
			before := downloaded(t, dev, net.rec.piece(dev, table, 1, positions, true))
			for i := range m {
				positions[moved*m+i] += float32(i%3) - 0.9
			}
			after := downloaded(t, dev, net.rec.piece(dev, table, 1, positions, true))
			for token := range l {
				lo, hi := token*m, (token+1)*m
				changed := firstDifference(before[lo:hi], after[lo:hi]) >= 0
				want := token == moved || token > moved && recurrent != "none"
				if token > moved+1 && recurrent != "transformer" {
					continue // a state may forget
				}
				if changed != want {
					t.Errorf("token %d changed: %v, want %v", token, changed, want)
				}
			}
		})
	}
}

// TestPublishedSizes: the published generators, with 50 states, have the published
// number of parameters. Their one number of a condition, 2·M values, is not here.
func TestPublishedSizes(t *testing.T) {
	for _, c := range []struct {
		tokenDim, width, outWidth, channels string
		parameters                          int
	}{
		{"8192", "8192", "0", "1,32,64,128,64,32,1", 950_789_505},
		{"16384", "12288", "16384", "1,64,96,64,1", 2_807_614_113},
	} {
		r, err := Resolve(50_000_000, []Override{{"preset", "paper", ""}, {"token-dim", c.tokenDim, ""}, {"width", c.width, ""},
			{"out-width", c.outWidth, ""}, {"channels", c.channels, ""}})
		if err != nil {
			t.Fatal(err)
		}
		net := declareNetwork(r.Config, 808, 50, 1, 1)
		net.ps.alloc(new(meter), false)
		if got := net.ps.trained; got != c.parameters {
			t.Errorf("token width %s: %d parameters, want %d", c.tokenDim, got, c.parameters)
		}
	}
}

// TestForecastMemory: what a plan says of the memory is what is allocated. Of a
// transformer, sampling needs the keys and values of all tokens.
func TestForecastMemory(t *testing.T) {
	zoo, _ := testZoo(t, 3, 512)
	steps := []samplerStep{{T: 3, X: 0.5, Pred: 0.5, Noise: 0.1}, {T: 0, Pred: 1}}
	for _, recurrent := range Recurrents {
		c := small(t, Override{"recurrent", recurrent, ""}).Config
		for _, window := range []int{0, 16} {
			c.Window = window
			counted, real := new(meter), &countingDevice{Device: openCPU(t, 1)}
			newTrainer(counted, c, zoo)
			newTrainer(real, c, zoo)
			if got := int64(4 * real.values); got != counted.bytes {
				t.Errorf("%s, windows of %d: training allocates %d bytes, the forecast is %d", recurrent, window, got, counted.bytes)
			}
		}
		sampling := func(tokens int) int64 {
			counted, real := new(meter), &countingDevice{Device: openCPU(t, 1)}
			newSampler(counted, c, longLayout(tokens, 512), 3, 1, steps)
			newSampler(real, c, longLayout(tokens, 512), 3, 1, steps)
			if got := int64(4 * real.values); got != counted.bytes {
				t.Errorf("%s: sampling allocates %d bytes, the forecast is %d", recurrent, got, counted.bytes)
			}
			return counted.bytes
		}
		want := int64(0)
		if recurrent == "transformer" {
			want = 4 * 2048 * 2 * int64(c.Width) * int64(c.Layers)
		}
		if got := sampling(4096) - sampling(2048); got != want {
			t.Errorf("%s: 2048 tokens more take %d bytes more, want %d", recurrent, got, want)
		}
	}
}
