package generator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"

	"rpg/generator/compute"
	"rpg/tokenize"
)

// SampleOptions says what to sample. Model i of a call is the only model of a
// call with seed Seed+i: what it becomes depends on nothing else.
type SampleOptions struct {
	Count   int
	Seed    uint64
	State   string // random, mean, or the number of a checkpoint
	Sampler string // one of Samplers
	Steps   int    // of ddim
	Eta     float64
}

// DefaultSampling is what generate does unless told otherwise.
func DefaultSampling() SampleOptions {
	return SampleOptions{Count: 1, Seed: 1, State: "random", Sampler: "ddim", Steps: 60}
}

// A Sample is one generated model: tokens [L·D], which the run's tokenizer
// turns into weights.
type Sample struct {
	Seed   uint64
	State  string // mean, or the number of a checkpoint
	Tokens []float32
}

// Timing is the wall time of the parts of sampling.
type Timing struct{ Load, Prototypes, Denoise time.Duration }

// meanState marks the mean of all learned states.
const meanState = -1

// Sample generates models from the run's averaged weights. progress, which may
// be nil, receives how much of the denoising is done, 0 to 1.
func (r *Run) Sample(ctx context.Context, dev compute.Device, o SampleOptions, progress func(float64)) ([]Sample, Timing, error) {
	var took Timing
	if o.Count < 1 {
		return nil, took, fmt.Errorf("generator: number of models is %d, expected at least 1", o.Count)
	}
	steps, err := newSchedule(r.Config).steps(o.Sampler, o.Steps, o.Eta, r.Config.prediction())
	if err != nil {
		return nil, took, err
	}
	samples := make([]Sample, o.Count)
	states := make([]int, o.Count)
	for i := range samples {
		seed := o.Seed + uint64(i)
		if states[i], err = r.pickState(o.State, seed); err != nil {
			return nil, took, err
		}
		samples[i] = Sample{Seed: seed, State: "mean", Tokens: make([]float32, r.Tokenizer.Layout.Tokens()*r.Config.TokenDim)}
		if states[i] != meanState {
			samples[i].State = itoa(states[i])
		}
	}
	begin := time.Now()
	s := newSampler(dev, r.Config, &r.Tokenizer.Layout, r.Zoo.Count, o.Count*r.Tokenizer.Layout.Tokens())
	if err := s.load(r); err != nil {
		return nil, took, err
	}
	took.Load = time.Since(begin)
	begin = time.Now()
	s.prototypes(states)
	if err := dev.Sync(); err != nil {
		return nil, took, err
	}
	took.Prototypes = time.Since(begin)
	begin = time.Now()
	err = s.denoise(ctx, samples, states, steps, progress)
	took.Denoise = time.Since(begin)
	return samples, took, err
}

func (r *Run) pickState(state string, seed uint64) (int, error) {
	switch state {
	case "mean":
		return meanState, nil
	case "random":
		return compute.Intn(seed, stream(purposeState, 0), 0, r.Zoo.Count), nil
	}
	k, err := strconv.Atoi(state)
	if err != nil || k < 0 || k >= r.Zoo.Count {
		return 0, fmt.Errorf("generator: state is %q, expected random, mean, or a checkpoint's number from 0 to %d", state, r.Zoo.Count-1)
	}
	return k, nil
}

// sampler is a network for sampling: one model at a time in the recurrent
// part, windows of tokens in the denoiser.
type sampler struct {
	dev    compute.Device
	net    *network
	l, d   int
	window int
	width  int

	meanRow compute.Matrix // the mean of the states

	z, x, noise compute.Matrix
	pick        compute.Ints
	t           compute.Buffer
	wide        compute.Matrix // prototypes of all distinct states
	place       map[int]int    // row of a state's first prototype in wide
}

// windowRows bounds the memory of sampling whatever the number of tokens.
func windowRows(c Config, total int) int {
	most := 512
	if c.Denoiser == "conv" {
		widest := 1
		for _, n := range c.Channels {
			widest = max(widest, n)
		}
		most = max(8, (16<<20)/(4*widest*c.TokenDim))
	}
	windows := (total + most - 1) / most
	return (total + windows - 1) / windows
}

// newSampler allocates for a total of so many tokens.
func newSampler(dev compute.Device, c Config, layout *tokenize.Layout, checkpoints, total int) *sampler {
	s := &sampler{dev: dev, l: layout.Tokens(), d: c.TokenDim, width: c.Width, place: map[int]int{}}
	s.window = windowRows(c, total)
	s.net = newNetwork(dev, c, layout, checkpoints, 1, s.window, false)
	s.meanRow = compute.MatrixOf(dev.Alloc(c.Width), 1, c.Width)
	matrix := func(cols int) compute.Matrix { return compute.MatrixOf(dev.Alloc(s.window*cols), s.window, cols) }
	s.z, s.x, s.noise = matrix(c.Width), matrix(s.d), matrix(s.d)
	s.pick, s.t = dev.AllocInts(s.window), dev.Alloc(1)
	return s
}

// load reads the averaged weights and takes the mean of the states.
func (s *sampler) load(r *Run) error {
	_, flats, err := r.read(modelFile, &s.net.ps, "")
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("generator: %s: nothing is learned yet: there is no %s", r.Dir, modelFile)
	}
	if err != nil {
		return err
	}
	s.dev.Upload(s.net.ps.value, flats[0])
	mean := make([]float64, s.width)
	for i, v := range s.net.ps.find("state.weight", flats[0]) {
		mean[i%s.width] += float64(v) / float64(r.Zoo.Count)
	}
	row := make([]float32, s.width)
	for i, v := range mean {
		row[i] = float32(v)
	}
	s.dev.Upload(s.meanRow.Data, row)
	return nil
}

// prototypes computes the table of each distinct state once.
func (s *sampler) prototypes(states []int) {
	var distinct []int
	for _, k := range states {
		if _, ok := s.place[k]; !ok {
			s.place[k] = len(distinct) * s.l
			distinct = append(distinct, k)
		}
	}
	rows := len(distinct) * s.l
	s.wide = compute.MatrixOf(s.dev.Alloc(rows*s.width), rows, s.width)
	rec := s.net.rec
	for i, k := range distinct {
		table, row := rec.stateTable(rec.states.value), k
		if k == meanState {
			table, row = s.meanRow, 0
		}
		z := rec.forward(s.dev, table, []int{row})
		s.dev.Copy(s.wide.RowRange(i*s.l, (i+1)*s.l).Data, z.Data)
	}
}

// denoise fills the samples' tokens, a window of (model, token) pairs at a time.
func (s *sampler) denoise(ctx context.Context, samples []Sample, states []int, steps []samplerStep, progress func(float64)) error {
	total := len(samples) * s.l
	pick := make([]int32, s.window)
	out := make([]float32, s.window*s.d)
	windows := (total + s.window - 1) / s.window
	for w := range windows {
		lo, hi := w*s.window, min(total, (w+1)*s.window)
		for i := range pick {
			// Rows beyond the last repeat it; their results are dropped.
			at := min(lo+i, hi-1)
			pick[i] = int32(s.place[states[at/s.l]] + at%s.l)
		}
		s.dev.UploadInts(s.pick, pick)
		s.dev.Gather(s.z, s.wide, s.pick, 0)
		s.net.den.condition(s.dev, s.z)
		s.fillNoise(s.x, samples, lo, hi, purposeStart, 0)
		for k, step := range steps {
			if err := ctx.Err(); err != nil {
				return err
			}
			s.dev.Upload(s.t, []float32{float32(step.T)})
			s.net.den.time(s.dev, s.t)
			pred := s.net.den.predict(s.dev, s.x)
			var noise compute.Buffer
			if step.Noise != 0 {
				s.fillNoise(s.noise, samples, lo, hi, purposeStep, k)
				noise = s.noise.Data
			}
			s.dev.Combine(s.x.Data, float32(step.X), s.x.Data, float32(step.Pred), pred.Data, float32(step.Noise), noise)
			if progress != nil {
				progress((float64(w) + float64(k+1)/float64(len(steps))) / float64(windows))
			}
		}
		if err := s.dev.Download(out, s.x.Data); err != nil {
			return err
		}
		for at := lo; at < hi; at++ {
			copy(samples[at/s.l].Tokens[at%s.l*s.d:], out[(at-lo)*s.d:(at-lo+1)*s.d])
		}
	}
	return nil
}

// fillNoise draws standard normal noise for rows lo..hi-1: a function of the
// model's seed, the step and the token, whatever the windows.
func (s *sampler) fillNoise(dst compute.Matrix, samples []Sample, lo, hi int, p purpose, step int) {
	for at := lo; at < hi; at++ {
		row := dst.RowRange(at-lo, at-lo+1)
		s.dev.Normal(row.Data, samples[at/s.l].Seed, stream(p, uint64(step)<<32|uint64(at%s.l)))
	}
}
