package generator

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"weak"
)

// numbered is a group of one sample with this seed.
func numbered(k int) []Sample { return []Sample{{Seed: uint64(k)}} }

// TestOverlap: a group is made while the one before it is used, groups come in
// order, and no third one is begun.
func TestOverlap(t *testing.T) {
	const groups = 5
	begun := make([]chan struct{}, groups+1)
	for k := range begun {
		begun[k] = make(chan struct{})
	}
	close(begun[groups]) // nothing is made beside the last one
	var used atomic.Int64
	var order []uint64
	err := overlap(t.Context(), func(_ context.Context, give func([]Sample) error) error {
		for k := range groups {
			if n := k - int(used.Load()); n > 1 {
				t.Errorf("group %d is begun with %d others in memory, want 1", k, n)
			}
			close(begun[k])
			if err := give(numbered(k)); err != nil {
				return err
			}
		}
		return nil
	}, func(group []Sample) error {
		<-begun[len(order)+1] // for ever, were the next one not made meanwhile
		order = append(order, group[0].Seed)
		used.Add(1)
		return nil
	})
	if err != nil || !slices.Equal(order, []uint64{0, 1, 2, 3, 4}) {
		t.Errorf("groups %v, %v", order, err)
	}
}

// TestOverlapEnds: the first error ends both sides, and no group is begun after it.
func TestOverlapEnds(t *testing.T) {
	making, using := errors.New("making"), errors.New("using")
	for _, c := range []struct {
		name     string
		produce  func(ctx context.Context, stop func(), give func([]Sample) error) error
		use      func(ctx context.Context, stop func(), k int) error
		want     error
		wantUsed int
	}{
		{"nothing is made", func(context.Context, func(), func([]Sample) error) error { return nil },
			func(context.Context, func(), int) error { return nil }, nil, 0},
		{"the first group is not made", func(context.Context, func(), func([]Sample) error) error { return making },
			func(context.Context, func(), int) error { return nil }, making, 0},
		{"the second group is not made", func(_ context.Context, _ func(), give func([]Sample) error) error {
			return errors.Join(give(numbered(0)), making)
		}, func(context.Context, func(), int) error { return nil }, making, 1},
		{"making fails, and then using", func(_ context.Context, stop func(), give func([]Sample) error) error {
			return errors.Join(give(numbered(0)), making)
		}, func(ctx context.Context, _ func(), k int) error { <-ctx.Done(); return using }, making, 1},
		{"using fails while the next is made", func(ctx context.Context, _ func(), give func([]Sample) error) error {
			err := give(numbered(0))
			<-ctx.Done()
			return errors.Join(err, ctx.Err())
		}, func(context.Context, func(), int) error { return using }, using, 1},
		{"using fails while the next one waits", func(_ context.Context, _ func(), give func([]Sample) error) error {
			for k := range 3 {
				if err := give(numbered(k)); err != nil {
					return err
				}
			}
			return nil
		}, func(context.Context, func(), int) error { return using }, using, 1},
		{"interrupted while using", func(_ context.Context, _ func(), give func([]Sample) error) error {
			return errors.Join(give(numbered(0)), give(numbered(1)))
		}, func(_ context.Context, stop func(), k int) error { stop(); return nil }, context.Canceled, 1},
		{"interrupted while making", func(ctx context.Context, stop func(), give func([]Sample) error) error {
			stop()
			return ctx.Err()
		}, func(context.Context, func(), int) error { return nil }, context.Canceled, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var inner context.Context
			used, ended := 0, false
			err := overlap(ctx, func(ctx context.Context, give func([]Sample) error) error {
				defer func() { ended = true }()
				inner = ctx
				return c.produce(ctx, stop, give)
			}, func([]Sample) error {
				used++
				return c.use(inner, stop, used-1)
			})
			if !errors.Is(err, c.want) || used != c.wantUsed {
				t.Errorf("%v after %d groups, want %v after %d", err, used, c.want, c.wantUsed)
			}
			if errors.Is(err, making) && errors.Is(err, using) {
				t.Errorf("two errors, want the first: %v", err)
			}
			if !ended {
				t.Error("it is still being made")
			}
		})
	}
}

// TestSampleTwoGroups: tokens of two groups are in memory, those being used and
// those being sampled, however many groups there are.
func TestSampleTwoGroups(t *testing.T) {
	run := trained(t)
	o := DefaultSampling()
	o.Count, o.Steps = 10, 2
	size := run.Tokenizer.Layout.Tokens() * run.Config.TokenDim
	const together, most = 2, 2
	var used atomic.Int64 // models that each is done with
	progress := func(part float64) {
		sampling := int(part*float64(o.Count)-1e-6) / together
		if n := sampling + 1 - int(used.Load())/together; n > most {
			t.Errorf("%d groups in memory, want at most %d", n, most)
		}
	}
	var before []weak.Pointer[float32]
	_, err := run.sampleGroups(t.Context(), openCPU(t, 1), o, together*size, progress, func(group []Sample) error {
		runtime.GC()
		for i, p := range before {
			if p.Value() != nil {
				return fmt.Errorf("model %d is still in memory beside models %d to %d", i, used.Load(), int(used.Load())+len(group)-1)
			}
		}
		for i := range group {
			before = append(before, weak.Make(&group[i].Tokens[0]))
		}
		used.Add(int64(len(group)))
		return nil
	})
	if err != nil || len(before) != o.Count {
		t.Errorf("%d models, want %d: %v", len(before), o.Count, err)
	}
}
