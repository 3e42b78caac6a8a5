package generator

import "context"

// overlap makes groups of samples and uses them at the same time: while use works
// on a group, on the goroutine of the caller, the next one is made on another. A
// group is handed over when use is done with the one before, and only then is a
// third begun, so that no more than two are in memory. produce gives each group
// away as it is made, and ends when its context does or give returns an error.
//
// The first error of either side, or that of outer, ends both and is returned. A
// group that was handed over is used all the same when the next one cannot be
// made, but not once outer is done.
func overlap(outer context.Context, produce func(ctx context.Context, give func([]Sample) error) error, use func([]Sample) error) error {
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	groups := make(chan []Sample) // holds none: see above
	give := func(group []Sample) error {
		select {
		case groups <- group:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	go func() {
		defer close(groups)
		if err := produce(ctx, give); err != nil {
			cancel(err)
		}
	}()
	var failed error
	for group := range groups {
		if failed != nil || outer.Err() != nil {
			continue // handed over before produce knew
		}
		if failed = use(group); failed != nil {
			cancel(failed)
		}
	}
	return context.Cause(ctx)
}
