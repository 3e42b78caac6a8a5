package generator

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"rpg/generator/compute"
)

// ErrInterrupted says that training stopped early because it was asked to; the
// run folder holds the last step and the same command resumes.
var ErrInterrupted = errors.New("generator: interrupted; the run is saved")

// Train runs the remaining steps of a run on a device and saves checkpoints.
// When ctx is cancelled it finishes the step, saves, and returns
// ErrInterrupted. A value that is not finite ends it with a *DivergedError and
// leaves the last good checkpoint.
//
// The result does not depend on where training was stopped, nor on the number
// of threads of the device.
func (r *Run) Train(ctx context.Context, dev compute.Device, zoo *Zoo, h Hooks) error {
	tr := newTrainer(dev, r.Config, zoo)
	tr.keepAside(h.Room)
	if err := dev.Sync(); err != nil { // no memory for it
		return err
	}
	if err := r.resume(tr); err != nil {
		return err
	}
	metrics, err := r.openMetrics(tr.step)
	if err != nil {
		return err
	}
	defer metrics.Close()
	debug.FreeOSMemory() // what reading the zoo left: most buffers have not been touched yet

	saved, savedAt := tr.step, time.Now()
	save := func() error {
		if err := dev.Sync(); err != nil {
			return err
		}
		path, err := r.save(tr)
		if err != nil {
			return err
		}
		saved, savedAt = tr.step, time.Now()
		if h.Saved != nil {
			h.Saved(tr.step, path)
		}
		return nil
	}
	for tr.step < r.Config.Steps {
		if ctx.Err() != nil {
			if saved != tr.step {
				if err := save(); err != nil {
					return err
				}
			}
			return ErrInterrupted
		}
		e, err := tr.next()
		if err != nil {
			return err
		}
		if err := metrics.append(e); err != nil {
			return err
		}
		if h.Step != nil {
			h.Step(e)
		}
		done := tr.step == r.Config.Steps
		evaluate := h.Evaluate != nil && (done || h.EvalEvery > 0 && tr.step%h.EvalEvery == 0)
		due := h.SaveEvery > 0 && tr.step%h.SaveEvery == 0 || h.SaveAfter > 0 && time.Since(savedAt) >= h.SaveAfter
		if done || evaluate || due {
			if err := save(); err != nil {
				return err
			}
		}
		if evaluate {
			if err := h.Evaluate(ctx, tr.step); err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
		}
	}
	return nil
}
