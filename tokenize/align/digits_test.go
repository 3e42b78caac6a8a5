package align

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"rpg/internal/shareddata"
	"rpg/onnxio"
)

// digits are the 600 test images, as the networks take them, and their labels.
type digitSet struct {
	images [][]float64 // [600][64]
	labels []int
}

// npy gives the bytes behind the header of one array of an .npz file.
func npy(t *testing.T, z *zip.ReadCloser, name, dtype, shape string) []byte {
	t.Helper()
	f, err := z.Open(name + ".npy")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b, []byte("\x93NUMPY\x01\x00")) {
		t.Fatalf("%s is not version 1 of .npy", name)
	}
	end := 10 + int(binary.LittleEndian.Uint16(b[8:]))
	if header := string(b[10:end]); !strings.Contains(header, "'"+dtype+"'") || !strings.Contains(header, shape) || !strings.Contains(header, "'fortran_order': False") {
		t.Fatalf("%s: header %s", name, header)
	}
	return b[end:]
}

func loadDigits(t *testing.T) digitSet {
	t.Helper()
	z, err := zip.OpenReader(shareddata.Path(t, "digits/test.npz"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	images := npy(t, z, "images", "|u1", "(600, 8, 8)")
	labels := npy(t, z, "labels", "<i8", "(600,)")
	var d digitSet
	for k := range 600 {
		x := make([]float64, 64)
		for i := range x {
			x[i] = float64(images[64*k+i])/8 - 1
		}
		d.images = append(d.images, x)
		d.labels = append(d.labels, int(binary.LittleEndian.Uint64(labels[8*k:])))
	}
	return d
}

// predict computes the MLP 64-32-32-10 in float64, straight from its six weights:
// kernel [out,in] and bias of each layer.
func (d digitSet) predict(v memory) []int {
	var out []int
	for _, x := range d.images {
		for layer := range 3 {
			kernel, bias := v[2*layer], v[2*layer+1]
			y := make([]float64, len(bias))
			for o := range y {
				y[o] = float64(bias[o])
				for i, a := range x {
					y[o] += float64(kernel[o*len(x)+i]) * a
				}
				if layer < 2 {
					y[o] = max(y[o], 0)
				}
			}
			x = y
		}
		best := 0
		for k, v := range x {
			if v > x[best] {
				best = k
			}
		}
		out = append(out, best)
	}
	return out
}

// accuracy is in percent.
func (d digitSet) accuracy(v memory) float64 {
	right := 0
	for k, p := range d.predict(v) {
		if p == d.labels[k] {
			right++
		}
	}
	return 100 * float64(right) / float64(len(d.labels))
}

// inMemory reads all values of a model.
func inMemory(t *testing.T, m *onnxio.Model, v onnxio.Values) memory {
	var out memory
	for i := range m.Weights() {
		out = append(out, valuesOf(t, m, v, i))
	}
	return out
}

// mix is the weighted sum of models.
func mix(models []memory, share []float64) memory {
	var out memory
	for i := range models[0] {
		x := make([]float32, len(models[0][i]))
		for e := range x {
			sum := 0.0
			for k, m := range models {
				sum += share[k] * float64(m[i][e])
			}
			x[e] = float32(sum)
		}
		out = append(out, x)
	}
	return out
}

func (v memory) flat() []float32 { return slices.Concat(v...) }

// nearest is the distance to the nearest of models, other than number self.
func nearest(x []float32, models [][]float32, self int) float64 {
	least := math.Inf(1)
	for k, m := range models {
		if k != self {
			least = min(least, distance(x, m))
		}
	}
	return least
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// The table of method.md 7 for 200 networks of independent seeds: averages of
// networks as they are know nothing, averages of aligned ones are nearly as good
// as the networks.
func TestAlignedSeedsCanBeAveraged(t *testing.T) {
	const models = 200
	zoo := zooOf(t, "zoo/digits-mlp-seeds", models)
	data := loadDigits(t)
	s := Find(zoo[0])
	tokenizer, tokens := tokensOf(t, zoo)
	matcher, err := NewMatcher(s, &tokenizer.Layout)
	if err != nil {
		t.Fatal(err)
	}
	f, err := matcher.Frame(t.Context(), tokens, FrameOptions{Rounds: DefaultRounds, Seed: 1, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	var raw, aligned []memory
	for k, m := range zoo {
		raw = append(raw, inMemory(t, m, m))
		aligned = append(aligned, inMemory(t, m, s.Apply(f.Permutations[k], m)))
		if !slices.Equal(data.predict(raw[k]), data.predict(aligned[k])) {
			t.Errorf("%s: the aligned copy predicts something else", m.Path)
		}
	}
	even := func(n int) []float64 { return slices.Repeat([]float64{1 / float64(n)}, n) }
	// made draws ten models of a kind and gives their mean accuracy, and the median
	// distance to the nearest original over the spacing of the originals.
	made := func(of []memory, n int) (accuracy, apart float64) {
		var flat [][]float32
		for _, m := range of {
			flat = append(flat, m.flat())
		}
		var own, found []float64
		for k := range flat {
			own = append(own, nearest(flat[k], flat, k))
		}
		for draw := range 10 {
			r := rand.New(rand.NewPCG(5, uint64(draw)))
			var chosen []memory
			for _, k := range r.Perm(len(of))[:n] {
				chosen = append(chosen, of[k])
			}
			x := mix(chosen, even(n))
			accuracy += data.accuracy(x) / 10
			found = append(found, nearest(x.flat(), flat, -1))
		}
		t.Logf("%d of %d: %.1f %%, distance %.2f of %.2f", n, models, accuracy, median(found)/median(own), median(own))
		return accuracy, median(found) / median(own)
	}
	for _, c := range []struct {
		name           string
		of             []memory
		n              int
		least, most    float64 // accuracy
		apart, allowed float64 // distance
	}{
		{"mean of all, raw", raw, 200, 0, 25, 0.73, 0.05},
		{"average of 16, raw", raw, 16, 0, 25, 0.71, 0.05},
		{"interpolation of 2, raw", raw, 2, 60, 90, 0.52, 0.05},
		{"mean of all, aligned", aligned, 200, 93, 100, 0.61, 0.05},
		{"average of 16, aligned", aligned, 16, 93, 100, 0.63, 0.05},
		{"interpolation of 2, aligned", aligned, 2, 93, 100, 0.57, 0.05},
	} {
		t.Run(c.name, func(t *testing.T) {
			accuracy, apart := made(c.of, c.n)
			if !(accuracy >= c.least && accuracy <= c.most) {
				t.Errorf("accuracy %.1f %%, expected %g to %g", accuracy, c.least, c.most)
			}
			if !(math.Abs(apart-c.apart) <= c.allowed) {
				t.Errorf("distance %.3f, expected %.2f within %.2f", apart, c.apart, c.allowed)
			}
		})
	}
}
