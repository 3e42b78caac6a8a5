package generator

import (
	"context"
	"errors"

	"rpg/generator/compute"
	"rpg/tokenize"
)

// A Forecast says what a training will cost before it begins, and what a sample of
// DefaultSampling will.
type Forecast struct {
	Parameters  int     // learned values of the generator
	Tokens      int     // L, tokens of a model
	StepTokens  int     // tokens that receive loss in a step
	StepFLOP    float64 // of a training step, forward and backward, all products as written
	DoneFLOP    float64 // of these, what is computed: see recurrent.stepMultiplies
	AgainFLOP   float64 // of these, what is computed a second time, without room for AsideBytes
	SampleFLOP  float64 // of sampling one model
	DeviceBytes int64   // of the device for training
	AsideBytes  int64   // that are of use beyond these: see Hooks.Room
	SampleBytes int64   // of the device for sampling one model
	Workspace   bool    // what operations take for themselves is in both
	HostBytes   int64   // tokens of the zoo
}

// Counter is a device that does nothing and counts the memory that the same work
// would take on a device of its kind. What is downloaded from it is 0.
type Counter interface {
	compute.Device
	Taken() int64 // the most bytes that were taken at once
}

// Plan forecasts the training of a configuration on a zoo of so many checkpoints,
// on a device of this kind. It counts buffers only.
func Plan(c Config, t *tokenize.Tokenizer, checkpoints int, info compute.Info) Forecast {
	train, sample := &meter{info: info}, &meter{info: info}
	f := forecast(newTrainer(train, c, &Zoo{Tokenizer: t, Count: checkpoints}), newPlannedSampler(sample, c, t, checkpoints))
	f.DeviceBytes, f.SampleBytes = train.bytes, sample.bytes
	return f
}

// PlanOn is Plan with all that is taken on two counters, by a step of training on
// the one and by sampling on the other.
func PlanOn(train, sample Counter, c Config, t *tokenize.Tokenizer, checkpoints int) (Forecast, error) {
	tr := newTrainer(train, c, &Zoo{Tokenizer: t, Count: checkpoints})
	for range 2 { // the second one is recorded
		tr.recorded()
	}
	s := newPlannedSampler(sample, c, t, checkpoints)
	if err := s.start(); err != nil {
		return Forecast{}, err
	}
	if _, err := s.prototypes(meanState, 0); err != nil {
		return Forecast{}, err
	}
	if err := s.denoise(context.Background(), func(float64) {}); err != nil {
		return Forecast{}, err
	}
	f := forecast(tr, s)
	f.DeviceBytes, f.SampleBytes, f.Workspace = train.Taken(), sample.Taken(), true
	return f, errors.Join(train.Sync(), sample.Sync())
}

// newPlannedSampler is one for one model.
func newPlannedSampler(dev compute.Device, c Config, t *tokenize.Tokenizer, checkpoints int) *sampler {
	steps, err := newSchedule(c).steps("ddim", min(DefaultSampling().Steps, c.DiffusionSteps), 0, c.prediction())
	if err != nil {
		panic("generator: default sampling refused")
	}
	return newSampler(dev, c, &t.Layout, checkpoints, 1, steps)
}

// forecast is all that does not depend on the device.
func forecast(tr *trainer, s *sampler) Forecast {
	const flop, withBackward = 2, 3 // of a multiply-add; as much again for either gradient
	rec, den := tr.net.rec, tr.net.den
	denoiser := tr.rows * den.multiplies()
	once := den.multiplies() - den.stepMultiplies() // of a token; the times' embeddings are few
	forward, backward, again := rec.stepMultiplies()
	return Forecast{
		Parameters: tr.net.ps.trained, Tokens: tr.l, StepTokens: tr.rows, AgainFLOP: flop * float64(again), AsideBytes: tr.asideBytes(),
		StepFLOP:   flop * withBackward * float64(denoiser+tr.models*tr.l*rec.multiplies()),
		DoneFLOP:   flop * float64(withBackward*denoiser+forward+backward+again),
		SampleFLOP: flop * float64(tr.l) * float64(rec.multiplies()+once+len(s.steps)*den.stepMultiplies()),
		HostBytes:  4 * int64(tr.zoo.Count) * int64(tr.l) * int64(tr.d),
	}
}

// meter is a device that allocates nothing and counts what it would.
type meter struct {
	compute.Device // no operation may be called
	info           compute.Info
	bytes          int64
}

type meterBuffer int

func (b meterBuffer) Len() int                        { return int(b) }
func (b meterBuffer) Slice(lo, hi int) compute.Buffer { return meterBuffer(hi - lo) }

type meterInts int

func (b meterInts) Len() int                      { return int(b) }
func (b meterInts) Slice(lo, hi int) compute.Ints { return meterInts(hi - lo) }

func (m *meter) Info() compute.Info { return m.info }
func (m *meter) Taken() int64       { return m.bytes }

func (m *meter) Alloc(n int) compute.Buffer {
	m.bytes += 4 * int64(n)
	return meterBuffer(n)
}

func (m *meter) AllocRounded(n int) compute.Buffer {
	if !m.info.BF16 {
		return m.Alloc(n)
	}
	m.bytes += 2 * int64(n)
	return meterBuffer(n)
}

func (m *meter) Unrounded(b compute.Buffer) compute.Buffer {
	if m.info.BF16 {
		return meterBuffer(b.Len() / 2)
	}
	return b
}

func (m *meter) AllocInts(n int) compute.Ints {
	m.bytes += 4 * int64(n)
	return meterInts(n)
}

func (m *meter) Upload(compute.Buffer, []float32) {}
func (m *meter) UploadInts(compute.Ints, []int32) {}
