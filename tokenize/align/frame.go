package align

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
)

// Frame is an order of channels that a zoo has in common, given by the mean of
// its models in that order.
type Frame struct {
	Mean         []float32     // tokens
	Permutations []Permutation // of each model, from its own order to the frame's
}

// FrameOptions says how a frame is found.
type FrameOptions struct {
	Reference int    // the model whose order is the first one
	Rounds    int    // how often, at most, all models are matched to their mean after that
	Seed      uint64 // of the order in which groups are visited
	Threads   int    // at least 1; the frame does not depend on it
	// Matched is told how many models of how many are matched in a round, 0 for the
	// reference's; by any goroutine, but never by two at once. nil for nobody.
	Matched func(round, done, total int)
}

// DefaultRounds is a usual FrameOptions.Rounds. Each round brings the models closer
// to their mean and so makes averages better, but takes them a little away from
// their nearest neighbours: 200 networks of independent seeds had, after 0, 2, 4
// and 10 rounds, averages of 16 with 93.0, 93.0, 93.5 and 93.7 % and a median
// distance to the nearest of 56.7, 58.2, 58.9 and 59.5 (of 78.8 unaligned).
const DefaultRounds = 4

// Frame brings models, given by their tokens, into one order: all are matched to
// the reference, and then, round for round, to the mean of the last round, so
// that no single model decides; it ends early when nothing moves. The same input
// gives the same frame. It returns an error when ctx is done.
func (m *Matcher) Frame(ctx context.Context, tokens [][]float32, o FrameOptions) (*Frame, error) {
	if o.Reference < 0 || o.Reference >= len(tokens) {
		panic("align: the reference is not one of the models")
	}
	f := &Frame{Mean: tokens[o.Reference], Permutations: make([]Permutation, len(tokens))}
	for round := range 1 + o.Rounds {
		r := rand.New(rand.NewPCG(o.Seed, uint64(round)))
		seeds := make([]uint64, len(tokens))
		for i := range seeds {
			seeds[i] = r.Uint64()
		}
		var lock sync.Mutex
		done, moved := 0, false
		err := inParallel(o.Threads, len(tokens), func(i int) error {
			p, err := f.Permutations[i], error(nil)
			switch {
			case round > 0:
				p, err = m.Refine(ctx, f.Mean, tokens[i], p, seeds[i])
			case i == o.Reference:
				p = m.Symmetry.Identity()
			default:
				p, err = m.Match(ctx, f.Mean, tokens[i], seeds[i])
			}
			if err != nil {
				return err
			}
			lock.Lock()
			defer lock.Unlock()
			done++
			moved = moved || round == 0 || !p.equal(f.Permutations[i])
			f.Permutations[i] = p
			if o.Matched != nil {
				o.Matched(round, done, len(tokens))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if !moved {
			break
		}
		f.Mean = m.mean(tokens, f.Permutations)
	}
	return f, nil
}

func (p Permutation) equal(q Permutation) bool {
	return slices.EqualFunc(p, q, func(a, b []int32) bool { return slices.Equal(a, b) })
}

// mean is the mean of tokens, each permuted.
func (m *Matcher) mean(tokens [][]float32, p []Permutation) []float32 {
	sum := make([]float64, len(tokens[0]))
	for i, t := range tokens {
		for e, v := range m.Permute(p[i], t) {
			sum[e] += float64(v)
		}
	}
	mean := make([]float32, len(sum))
	for e, v := range sum {
		mean[e] = float32(v / float64(len(tokens)))
	}
	return mean
}

// inParallel calls do for 0 to n-1 on so many goroutines and returns the error of
// the lowest one that has one; after an error no new ones begin.
func inParallel(threads, n int, do func(i int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var failed atomic.Bool
	var wg sync.WaitGroup
	for range min(max(threads, 1), n) {
		wg.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[i] = do(i); errs[i] != nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
