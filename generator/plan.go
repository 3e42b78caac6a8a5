package generator

import (
	"rpg/generator/compute"
	"rpg/tokenize"
)

// A Forecast says what a training will cost before it begins.
type Forecast struct {
	Parameters  int     // learned values of the generator
	Tokens      int     // L, tokens of a model
	StepTokens  int     // tokens that receive loss in a step
	StepFLOP    float64 // of a training step, forward and backward
	DeviceBytes int64   // allocated for training, exactly
	SampleBytes int64   // allocated for sampling one model
	HostBytes   int64   // tokens of the zoo
}

// Plan forecasts the training of a configuration on a zoo of so many
// checkpoints. It builds the trainer on a device that only counts.
func Plan(c Config, t *tokenize.Tokenizer, checkpoints int) Forecast {
	zoo := &Zoo{Tokenizer: t, Count: checkpoints}
	m := new(meter)
	tr := newTrainer(m, c, zoo)
	multiplies := tr.rows*tr.net.den.multiplies() + tr.models*tr.l*tr.net.rec.multiplies()
	f := Forecast{
		Parameters: tr.net.ps.trained, Tokens: tr.l, StepTokens: tr.rows,
		StepFLOP: 3 * 2 * float64(multiplies), DeviceBytes: m.bytes,
		HostBytes: 4 * int64(checkpoints) * int64(tr.l) * int64(tr.d),
	}
	if tr.net.rec.windows != nil { // the forward pass of each is done twice
		f.StepFLOP += 2 * float64(tr.models*tr.l*tr.net.rec.multiplies())
	}
	m.bytes = 0
	steps, err := newSchedule(c).steps("ddim", min(DefaultSampling().Steps, c.DiffusionSteps), 0, c.prediction())
	if err != nil {
		panic("generator: default sampling refused")
	}
	newSampler(m, c, &t.Layout, checkpoints, 1, steps)
	f.SampleBytes = m.bytes
	return f
}

// meter is a device that allocates nothing and counts what it would.
type meter struct {
	compute.Device // no operation may be called
	bytes          int64
}

type meterBuffer int

func (b meterBuffer) Len() int                        { return int(b) }
func (b meterBuffer) Slice(lo, hi int) compute.Buffer { return meterBuffer(hi - lo) }

type meterInts int

func (b meterInts) Len() int                      { return int(b) }
func (b meterInts) Slice(lo, hi int) compute.Ints { return meterInts(hi - lo) }

func (m *meter) Info() compute.Info { return compute.Info{} }

func (m *meter) Alloc(n int) compute.Buffer {
	m.bytes += 4 * int64(n)
	return meterBuffer(n)
}

func (m *meter) AllocInts(n int) compute.Ints {
	m.bytes += 4 * int64(n)
	return meterInts(n)
}

func (m *meter) Upload(compute.Buffer, []float32) {}
func (m *meter) UploadInts(compute.Ints, []int32) {}
