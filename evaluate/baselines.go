package evaluate

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"

	"gorgonia.org/tensor"

	"rpg/onnxio"
)

// averaged is how many originals an averaged baseline is the mean of.
const averaged = 16

// named are values with a name, for messages and the report.
type named struct {
	onnxio.Values
	name string
}

// Name implements Named.
func (n named) Name() string { return n.name }

// noised gives count baselines: originals drawn at random with Gaussian noise of
// sigma standard deviations on every value, in token space. There a noised
// variance is still positive; noise on the stored variance would make it
// negative and the network's output NaN.
//
// Baseline i depends on seed, sigma's place in the list (stream) and i alone.
func (s *space) noised(originals []*onnxio.Model, sigma float64, count int, seed, stream uint64) []onnxio.Values {
	models := make([]onnxio.Values, count)
	for i := range models {
		r := rand.New(rand.NewPCG(seed, stream<<32|uint64(i)))
		k := r.IntN(len(originals))
		place := s.places[k].Clone().(*tensor.Dense)
		values, dim := place.Data().([]float32), s.tokenizer.Layout.TokenDim
		for l, n := range s.valid {
			for v := range n {
				values[l*dim+int(v)] += float32(sigma * r.NormFloat64())
			}
		}
		models[i] = named{s.tokenizer.Decode(values), fmt.Sprintf("%s + noise %g (%d)", filepath.Base(originals[k].Path), sigma, i)}
	}
	return models
}

// averages gives count baselines, each the mean of 16 originals drawn without
// replacement, of the stored weights themselves (as Zeng et al. do). With 16
// originals or fewer there is only one such mean, and with fewer than two none.
func averages(originals []*onnxio.Model, count int, seed, stream uint64) []onnxio.Values {
	if len(originals) < 2 {
		return nil
	}
	if len(originals) <= averaged {
		count = min(count, 1)
	}
	models := make([]onnxio.Values, count)
	for i := range models {
		r := rand.New(rand.NewPCG(seed, stream<<32|uint64(i)))
		var of []*onnxio.Model
		for _, k := range r.Perm(len(originals))[:min(averaged, len(originals))] {
			of = append(of, originals[k])
		}
		models[i] = named{mean(of), fmt.Sprintf("average of %d (%d)", len(of), i)}
	}
	return models
}

// mean is the mean of models' weights, computed when it is read, in float64.
// Nothing is added up in place in a model, so no draw can spoil the next one.
type mean []*onnxio.Model

// ReadValues implements onnxio.Values.
func (m mean) ReadValues(i int, dst []float32, off int) error {
	sum := make([]float64, len(dst))
	for _, model := range m {
		if err := model.ReadValues(i, dst, off); err != nil {
			return err
		}
		for e, v := range dst {
			sum[e] += float64(v)
		}
	}
	for e, v := range sum {
		dst[e] = float32(v / float64(len(m)))
	}
	return nil
}
