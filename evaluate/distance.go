package evaluate

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"

	"gorgonia.org/tensor"

	"rpg/onnxio"
	"rpg/tokenize"
)

// A space is the token space of a set of originals, in which every weight is
// measured in standard deviations of its tensor, and the originals' places in
// it. It is what makes distances mean the same in every tensor.
type space struct {
	tokenizer *tokenize.Tokenizer
	valid     []int32 // values of each token that are not padding
	values    int     // their sum
	places    []*tensor.Dense
}

// newSpace builds the space from the originals alone, with the statistics that
// training uses by default.
func newSpace(ctx context.Context, originals []*onnxio.Model, threads int) (*space, error) {
	// The width of a token does not matter here: padding is zero everywhere.
	const tokenDim = 256
	t, err := tokenize.Build(originals, tokenize.Options{TokenDim: tokenDim, Stats: tokenize.StatsPooled, Granularity: tokenize.GranularityTensor})
	if err != nil {
		return nil, err
	}
	s := &space{tokenizer: t, valid: t.Layout.Valid()}
	for _, n := range s.valid {
		s.values += int(n)
	}
	values := make([]onnxio.Values, len(originals))
	for i, m := range originals {
		values[i] = m
	}
	s.places, err = s.place(ctx, values, threads)
	return s, err
}

// place gives the tokens of each of models.
func (s *space) place(ctx context.Context, models []onnxio.Values, threads int) ([]*tensor.Dense, error) {
	places := make([]*tensor.Dense, len(models))
	err := parallel(ctx, threads, len(models), func(i int) (err error) {
		places[i], err = s.tokenizer.Tokens(models[i])
		return err
	})
	return places, err
}

// A neighbour is the original nearest to a model.
type neighbour struct {
	index int // among the originals, -1 when there is none
	l2    float64
}

// nearest gives for each place the original nearest to it. With self, places
// are the originals' own and none counts as its own neighbour.
func (s *space) nearest(ctx context.Context, places []*tensor.Dense, self bool, threads int) ([]neighbour, error) {
	found := make([]neighbour, len(places))
	err := parallel(ctx, threads, len(places), func(i int) error {
		best := neighbour{-1, math.Inf(1)}
		for k, original := range s.places {
			if self && k == i {
				continue
			}
			if d := distance(places[i], original); d < best.l2 || best.index < 0 {
				best = neighbour{k, d}
			}
		}
		found[i] = best
		return nil
	})
	return found, err
}

// distance is the Euclidean distance of two models' tokens. Padding is zero in
// both and adds nothing.
func distance(a, b *tensor.Dense) float64 {
	if !a.Shape().Eq(b.Shape()) {
		panic("evaluate: distance between models of two layouts")
	}
	x, y := a.Data().([]float32), b.Data().([]float32)
	sum := 0.0
	for i, v := range x {
		d := float64(v) - float64(y[i])
		sum += d * d
	}
	return math.Sqrt(sum)
}

// variance is the variance of a value over the originals, averaged over all
// values. Each tensor's total variance is 1 in token space, so this is the part
// of the total that lies between the originals. It is 0 for one original.
func (s *space) variance() float64 {
	if len(s.places) < 2 {
		return 0
	}
	n := float64(len(s.places))
	sum := 0.0
	for i := range s.places[0].Data().([]float32) {
		var mean, squares float64
		for k, p := range s.places {
			v := float64(p.Data().([]float32)[i])
			d := v - mean
			mean += d / float64(k+1)
			squares += d * (v - mean)
		}
		sum += squares / (n - 1)
	}
	return sum / float64(s.values)
}

// parallel calls do for 0 to n-1 on so many goroutines and gives the errors. It
// stops early at the first one, and when ctx is done.
func parallel(ctx context.Context, threads, n int, do func(i int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, max(threads, 1))
	var failed atomic.Bool
	for w := range errs {
		wg.Go(func() {
			for ctx.Err() == nil && !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[w] = do(i); errs[w] != nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return errors.Join(errs...)
}
