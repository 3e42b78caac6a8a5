package evaluate

import (
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"

	"rpg/onnxio"
	"rpg/tokenize"
)

// A space is the token space of a set of originals, in which every weight is
// measured in standard deviations of its tensor, and the originals' places in
// it. It is what makes distances mean the same in every tensor.
type space struct {
	tokenizer *tokenize.Tokenizer
	valid     []int32     // values of each token that are not padding
	values    int         // their sum
	places    [][]float32 // tokens of each original, padding included

	mean, std []float32 // of each value over the originals
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
	s.places = make([][]float32, len(values))
	err = parallel(ctx, threads, len(values), func(i int) (err error) {
		s.places[i], err = s.place(values[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	s.mean, s.std = moments(s.places)
	return s, nil
}

// place gives the tokens of a model.
func (s *space) place(v onnxio.Values) ([]float32, error) {
	place := make([]float32, s.tokenizer.Layout.Tokens()*s.tokenizer.Layout.TokenDim)
	return place, s.tokenizer.Encode(v, place)
}

// moments gives mean and standard deviation (divisor n-1; 0 for one) of each
// value over places.
func moments(places [][]float32) (mean, std []float32) {
	mean, std = make([]float32, len(places[0])), make([]float32, len(places[0]))
	for e := range mean {
		var m, squares float64
		for k, p := range places {
			d := float64(p[e]) - m
			m += d / float64(k+1)
			squares += d * (float64(p[e]) - m)
		}
		mean[e] = float32(m)
		if len(places) > 1 {
			std[e] = float32(math.Sqrt(squares / float64(len(places)-1)))
		}
	}
	return mean, std
}

// in is the same space with other places of the originals, such as those after
// their channels were put in one order.
func (s *space) in(places [][]float32) *space {
	other := *s
	other.places = places
	other.mean, other.std = moments(places)
	return &other
}

// A neighbour is the original nearest to a model.
type neighbour struct {
	index int // among the originals, -1 when there is none
	l2    float64
}

// nearest gives the original nearest to place, of those that are not number but.
func (s *space) nearest(place []float32, but int) neighbour {
	best := neighbour{-1, math.Inf(1)}
	for k, original := range s.places {
		if k == but {
			continue
		}
		if d := distance(place, original); d < best.l2 || best.index < 0 {
			best = neighbour{k, d}
		}
	}
	return best
}

// distance is the Euclidean distance of two models' tokens. Padding is zero in
// both and adds nothing.
func distance(a, b []float32) float64 {
	if len(a) != len(b) {
		panic("evaluate: distance between models of two layouts")
	}
	sum := 0.0
	for i, v := range a {
		d := float64(v) - float64(b[i])
		sum += d * d
	}
	return math.Sqrt(sum)
}

// variance is the variance of a value over the originals, averaged over all
// values. Each tensor's total variance is 1 in token space, so this is the part
// of the total that lies between the originals. It is 0 for one original.
func (s *space) variance() float64 {
	sum := 0.0
	for _, v := range s.std {
		sum += float64(v) * float64(v)
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
