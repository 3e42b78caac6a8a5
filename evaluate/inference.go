package evaluate

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// infer runs n images, in, through a model's session. Where memory does not
// suffice for so many at a time it takes half of them, and the Scorer no more
// than that from then on.
func (j *job) infer(t *task, in, out []float32, first, n int) error {
	for done := 0; done < n; {
		most := int(j.most.Load())
		part := min(most, n-done)
		size := part
		if j.ports.batch > 0 {
			size = j.batch // what is behind n is of an earlier batch, and its logits are not read
		}
		pixels, classes := j.data.Pixels(), j.data.Classes
		err := j.inferPart(t, in[done*pixels:][:size*pixels], out[done*classes:][:size*classes], size)
		switch {
		case err == nil:
			done += part
		case !outOfMemory(err):
			return err
		case part == 1 || j.ports.batch > 0:
			return fmt.Errorf("memory does not suffice for %d images at a time; fewer --threads need less: %w", size, err)
		default:
			j.most.CompareAndSwap(int64(most), int64(part/2))
		}
	}
	return nil
}

func (j *job) inferPart(t *task, in, out []float32, n int) (err error) {
	images, err := ort.NewTensor(inputShape(n, j.data), in)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, images.Destroy()) }()
	logits, err := ort.NewTensor(ort.NewShape(int64(n), int64(j.data.Classes)), out)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, logits.Destroy()) }()
	if t.bound != nil {
		return t.bound.run(t.ports, images, logits)
	}
	session := t.session
	if !t.own {
		session = j.shared
	}
	return j.invoke(session, append([]ort.Value{images}, t.weights...), []ort.Value{logits})
}

// A bound is a session for one model whose inputs and outputs are bound to it
// (ONNX Runtime's IO binding). Binding copies to where the provider computes: on
// a GPU the weights of a shared session are brought there once, not anew for each
// batch.
type bound struct {
	mu      sync.Mutex // one batch at a time
	session *ort.DynamicAdvancedSession
	binding *ort.IoBinding
}

// newBound binds the weights, which have these names as inputs.
func newBound(s *ort.DynamicAdvancedSession, names []string, weights []ort.Value) (*bound, error) {
	binding, err := s.CreateIoBinding()
	if err != nil {
		return nil, fmt.Errorf("evaluate: IO binding: %w", err)
	}
	for i, w := range weights {
		if err := binding.BindInput(names[i], w); err != nil {
			return nil, errors.Join(fmt.Errorf("evaluate: IO binding: weight %q: %w", names[i], err), binding.Destroy())
		}
	}
	return &bound{session: s, binding: binding}, nil
}

func (b *bound) run(p ports, images, logits ort.Value) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := errors.Join(b.binding.BindInput(p.input, images), b.binding.BindOutput(p.output, logits)); err != nil {
		return err
	}
	return b.session.RunWithBinding(b.binding)
}

// runSession is Scorer.invoke but in tests.
func runSession(s *ort.DynamicAdvancedSession, in, out []ort.Value) error { return s.Run(in, out) }

// outOfMemory recognizes the messages of ONNX Runtime's allocators: it has no
// error code for it (core/framework/bfc_arena.cc, core/framework/allocator.cc and
// core/providers/cuda/cuda_call.cc).
func outOfMemory(err error) bool {
	text := strings.ToLower(err.Error())
	for _, say := range []string{"failed to allocate memory", "bad_alloc", "bad allocation", "out of memory", "available memory of", "alloc_failed"} {
		if strings.Contains(text, say) {
			return true
		}
	}
	return false
}
