package evaluate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"

	"rpg/generator/compute"
	"rpg/onnxio"
)

// averaged is how many originals an averaged baseline is the mean of.
const averaged = 16

// The ways to make models without learning anything, and what else Without
// switches off.
const (
	BaselineNoise         = "noise"         // an original with white noise
	BaselineAverage       = "average"       // the mean of 16 originals
	BaselineInterpolation = "interpolation" // the middle of two originals
	BaselineGaussian      = "gaussian"      // each weight drawn by itself, with the originals' mean and deviation
	BaselinePCA           = "pca"           // drawn with the originals' mean and covariance
	BaselineNearest       = "nearest"       // each generated model's nearest original
	BaselineAligned       = "aligned"       // all comparisons after permutation alignment
)

// BaselineNames are what Options.Without may name.
func BaselineNames() []string {
	return []string{BaselineNoise, BaselineAverage, BaselineInterpolation, BaselineGaussian, BaselinePCA, BaselineNearest, BaselineAligned}
}

// named are values with a name, for messages and the report.
type named struct {
	onnxio.Values
	name string
}

// Name implements Named.
func (n named) Name() string { return n.name }

// source is what baselines are made from: the originals as they are, or with
// their channels in one order.
type source struct {
	*space
	originals []onnxio.Values
	names     []string
}

// group is the models of one baseline.
type group struct {
	name   string
	models []onnxio.Values
}

// baselines makes the groups of models that are not switched off. Model i of a
// group depends on the originals, the seed, the group's name and i alone.
func (s *source) baselines(o *Options, suffix string) []group {
	var groups []group
	add := func(name, label string, most int, draw func(r *rand.Rand, stream uint64) named) {
		if slices.Contains(o.Without, name) {
			return
		}
		g := group{name: label + suffix}
		for i := range min(o.Baselines, most) {
			stream := hash(g.name)<<16 | uint64(i)
			m := draw(rand.New(rand.NewPCG(o.Seed, stream)), stream)
			m.name += fmt.Sprintf("%s (%d)", suffix, i)
			g.models = append(g.models, m)
		}
		if len(g.models) > 0 {
			groups = append(groups, g)
		}
	}
	if suffix == "" { // white noise is the same in any order
		for _, sigma := range o.Noise {
			add(BaselineNoise, "noise "+short(sigma), math.MaxInt, func(r *rand.Rand, stream uint64) named {
				return s.noised(r.IntN(len(s.originals)), sigma, nil, o.Seed, stream)
			})
		}
	}
	for _, sigma := range o.SpreadNoise {
		add(BaselineNoise, "spread noise "+short(sigma), math.MaxInt, func(r *rand.Rand, stream uint64) named {
			return s.noised(r.IntN(len(s.originals)), sigma, s.std, o.Seed, stream)
		})
	}
	n := len(s.originals)
	if n < 2 {
		return groups // the others need two to be anything else
	}
	averages := math.MaxInt
	if n <= averaged {
		averages = 1 // there is only one such mean
	}
	add(BaselineAverage, GroupAverage, averages, func(r *rand.Rand, _ uint64) named { return s.meanOf(r.Perm(n)[:min(averaged, n)]) })
	add(BaselineInterpolation, GroupInterpolation, n*(n-1)/2, func(r *rand.Rand, _ uint64) named { return s.meanOf(r.Perm(n)[:2]) })
	add(BaselineGaussian, GroupGaussian, math.MaxInt, func(_ *rand.Rand, stream uint64) named { return s.gaussian(o.Seed, stream) })
	add(BaselinePCA, GroupPCA, math.MaxInt, func(r *rand.Rand, _ uint64) named { return s.pca(r) })
	return groups
}

func short(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// hash is FNV-1a of name, cut to 47 bits.
func hash(name string) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range []byte(name) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h >> 17
}

// noised is original k with Gaussian noise on every value, in token space, of
// sigma standard deviations of the value's tensor, or sigma times scale. There a
// noised variance is still positive; noise on the stored variance would make it
// negative and the network's output NaN.
func (s *source) noised(k int, sigma float64, scale []float32, seed, stream uint64) named {
	place := s.places[k]
	return named{s.tokenizer.DecodeFrom(func(dst []float32, off int) error {
		normals(dst, off, seed, stream)
		for i, z := range dst {
			if scale != nil {
				z *= scale[off+i]
			}
			dst[i] = place[off+i] + float32(sigma)*z
		}
		return nil
	}), fmt.Sprintf("%s + noise %s", filepath.Base(s.names[k]), short(sigma))}
}

// gaussian draws each value by itself from the normal distribution that has the
// originals' mean and standard deviation of this value (Zeng et al., 2025).
func (s *source) gaussian(seed, stream uint64) named {
	return named{s.tokenizer.DecodeFrom(func(dst []float32, off int) error {
		normals(dst, off, seed, stream)
		for i, z := range dst {
			dst[i] = s.mean[off+i] + s.std[off+i]*z
		}
		return nil
	}), "gaussian"}
}

// pca draws from the normal distribution that has the originals' mean and
// covariance, all n-1 principal components of it: the mean and, with independent
// normal z_k, the sum of z_k (x_k - mean) / sqrt(n-1), whose covariance is just that.
func (s *source) pca(r *rand.Rand) named {
	c := make([]float32, len(s.places))
	rest := 1.0 // the mean's own factor
	for k := range c {
		z := r.NormFloat64() / math.Sqrt(float64(len(c)-1))
		c[k] = float32(z)
		rest -= z
	}
	return named{s.tokenizer.DecodeFrom(func(dst []float32, off int) error {
		for i := range dst {
			dst[i] = float32(rest) * s.mean[off+i]
		}
		for k, p := range s.places {
			for i, v := range p[off : off+len(dst)] {
				dst[i] += c[k] * v
			}
		}
		return nil
	}), "pca gaussian"}
}

// meanOf is the mean of some originals' stored weights themselves, as in Zeng et al.
func (s *source) meanOf(of []int) named {
	var m mean
	for _, k := range of {
		m = append(m, s.originals[k])
	}
	if len(of) == 2 {
		return named{m, fmt.Sprintf("middle of %s and %s", filepath.Base(s.names[of[0]]), filepath.Base(s.names[of[1]]))}
	}
	return named{m, fmt.Sprintf("average of %d", len(of))}
}

// mean is the mean of models' weights, computed when it is read, in float64.
// Nothing is added up in place in a model, so no draw can spoil the next one.
type mean []onnxio.Values

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

// normals fills dst with the standard normal numbers off, off+1, ... of a stream:
// a model of noise needs no memory.
func normals(dst []float32, off int, seed, stream uint64) {
	for i := 0; i < len(dst); {
		four := compute.Normals(seed, stream, uint64(off+i)/4)
		i += copy(dst[i:], four[(off+i)%4:])
	}
}
