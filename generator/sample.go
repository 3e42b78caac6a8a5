package generator

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
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

// sampleJob is a model that is being sampled.
type sampleJob struct {
	Sample
	state int
}

// sampler is a network for sampling: the recurrent part takes one sequence at a
// time, in pieces, the denoiser windows of tokens of any models. Its memory is
// fixed when it is made.
type sampler struct {
	dev    compute.Device
	cfg    Config
	net    *network
	layout *tokenize.Layout
	l, d   int
	piece  int // tokens of a sequence that the recurrent part takes at a time
	steps  []samplerStep
	took   Timing

	meanRow    compute.Matrix // the mean of the states
	positions  []float32      // of the piece's tokens, from positioned on
	positioned int
	t          compute.Buffer // the steps' times
	embedded   compute.Matrix // their embeddings, a row each
	time       compute.Matrix // the embedding of the step in progress, one row
	stepRow    compute.Ints   // its number

	window      []windowRow  // what the rows of z, x and noise are
	filled      int          // rows of the window that are taken
	keys        compute.Ints // of the rows' noise, see Device.NormalRows
	z, x, noise compute.Matrix
	host        hostWindow
	step        int    // in progress
	work        func() // denoiseStep, made once
}

// hostWindow is what is uploaded for a window, and what comes back.
type hostWindow struct {
	keys, step []int32
	out        []float32
}

// windowRow is a token of a model.
type windowRow struct {
	model *sampleJob
	token int
}

// newSampler allocates for so many models together.
func newSampler(dev compute.Device, c Config, layout *tokenize.Layout, checkpoints, together int, steps []samplerStep) *sampler {
	s := &sampler{dev: dev, cfg: c, layout: layout, l: layout.Tokens(), d: c.TokenDim, steps: steps}
	s.piece = pieceTokens(s.l)
	s.positions, s.positioned = make([]float32, s.piece*c.Width), -1
	rows := windowRows(c, together*s.l, dev.Info())
	s.net = declareNetwork(c, s.piece, checkpoints, 1, rows)
	s.net.ps.alloc(dev, false)
	s.net.rec.sequence = s.l
	s.net.rec.alloc(dev, s.positions, false, 0)
	s.net.den.alloc(dev, len(steps), false)
	s.meanRow = newMatrix(dev, 1, c.Width)
	s.z, s.x, s.noise = newMatrix(dev, rows, c.outWidth()), newMatrix(dev, rows, s.d), newMatrix(dev, rows, s.d)
	s.time = newMatrix(dev, 1, s.net.den.timeWidth())
	s.t, s.stepRow, s.keys = dev.Alloc(len(steps)), dev.AllocInts(1), dev.AllocInts(4*rows)
	s.window = make([]windowRow, rows)
	s.host = hostWindow{make([]int32, 4*rows), make([]int32, 1), make([]float32, rows*s.d)}
	s.work = s.denoiseStep
	return s
}

// pieceTokens is the number of tokens that the recurrent part takes at a time: of
// a longer sequence a multiple of the SSD's chunk, so that pieces give what the
// whole would.
func pieceTokens(l int) int {
	const most = 512
	if l <= most {
		return l
	}
	pieces := (l + most - 1) / most
	chunks := (l + pieces*mambaChunk - 1) / (pieces * mambaChunk)
	return chunks * mambaChunk
}

// windowRows is the number of tokens that are denoised together, spread evenly
// over windows when there are few. The matrix products of the mlp want many. On a
// CPU the convolutions work token by token: as many as leave their activations,
// from one layer to the next, in the 2 MiB of second-level cache that a core of
// today has. A GPU wants all that half a gigabyte of activations allows.
func windowRows(c Config, total int, device compute.Info) int {
	most := 512
	if c.Denoiser == "conv" {
		values := 0 // a token's, in all layers
		for _, n := range c.Channels {
			values += n * c.TokenDim
		}
		if device.Kind == "cuda" {
			most = max(1, (1<<29)/(4*values))
		} else {
			most = max(1, device.Threads) * max(1, (3<<19)/(4*values))
		}
	}
	windows := (total + most - 1) / most
	return (total + windows - 1) / windows
}

// load reads the averaged weights, takes the mean of the states and embeds the
// times of the steps.
func (s *sampler) load(r *Run) error {
	_, err := r.read(modelFile, s.dev, s.net.ps.stored("", 0, s.net.ps.value))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("generator: %s: nothing is learned yet: there is no %s", r.Dir, modelFile)
	}
	if err != nil {
		return err
	}
	return s.start()
}

// start prepares what depends on the values of the parameters alone.
func (s *sampler) start() error {
	states := make([]float32, s.net.rec.states.n)
	if err := s.dev.Download(states, s.net.rec.states.value); err != nil {
		return err
	}
	width := s.meanRow.Cols
	mean, row := make([]float64, width), make([]float32, width)
	for i, v := range states {
		mean[i%width] += float64(v)
	}
	for i, v := range mean {
		row[i] = float32(v * float64(width) / float64(len(states)))
	}
	s.dev.Upload(s.meanRow.Data, row)

	times := make([]float32, len(s.steps))
	for k, step := range s.steps {
		times[k] = float32(step.T)
	}
	s.dev.Upload(s.t, times)
	s.embedded = s.net.den.embed(s.dev, s.t)
	return s.net.den.freeze(s.dev)
}

// sample fills the tokens of a group of models: state by state, and within a
// state piece by piece. done receives the number of tokens that are done.
func (s *sampler) sample(ctx context.Context, group []sampleJob, done func(tokens float64)) error {
	finished := 0
	denoise := func() error {
		n := s.filled
		err := s.denoise(ctx, func(part float64) { done(float64(finished) + part*float64(n)) })
		finished += n
		return err
	}
	for i := range group {
		state := group[i].state
		if slices.ContainsFunc(group[:i], func(g sampleJob) bool { return g.state == state }) {
			continue // done with the first model of this state
		}
		for first := 0; first < s.l; first += s.piece {
			z, err := s.prototypes(state, first)
			if err != nil {
				return err
			}
			for j := i; j < len(group); j++ {
				if group[j].state != state {
					continue
				}
				for at, end := first, min(first+s.piece, s.l); at < end; {
					at += s.take(&group[j], at, z.RowRange(at-first, end-first))
					if s.filled == len(s.window) {
						if err := denoise(); err != nil {
							return err
						}
					}
				}
			}
		}
	}
	if s.filled > 0 {
		return denoise()
	}
	return nil
}

// prototypes computes those of tokens first, first+1, … of a state. Pieces of a
// sequence come in order, beginning with its first token.
func (s *sampler) prototypes(state, first int) (compute.Matrix, error) {
	begin := time.Now()
	rec := s.net.rec
	table, row := rec.stateTable(rec.states.value), state
	if state == meanState {
		table, row = s.meanRow, 0
	}
	if s.positioned != first {
		s.cfg.fillPositions(s.positions, s.layout, first)
		s.positioned = first
	}
	z := rec.piece(s.dev, table, row, s.positions, first == 0)
	err := s.dev.Sync()
	s.took.Prototypes += time.Since(begin)
	return z, err
}

// take puts tokens of a model, from first on, into the window, as many as there
// are prototypes for and room is left, and returns how many.
func (s *sampler) take(model *sampleJob, first int, z compute.Matrix) int {
	n := min(z.Rows, len(s.window)-s.filled)
	s.dev.Copy(s.z.RowRange(s.filled, s.filled+n).Data, z.RowRange(0, n).Data)
	for i := range n {
		s.window[s.filled+i] = windowRow{model, first + i}
	}
	s.filled += n
	return n
}

// denoise takes the tokens in the window from noise to their end and empties
// it. Rows that are not taken hold what was there before; they are computed and
// dropped.
func (s *sampler) denoise(ctx context.Context, progress func(part float64)) error {
	begin := time.Now()
	defer func() { s.took.Denoise += time.Since(begin) }()
	dev := s.dev
	s.net.den.condition(dev, s.z)
	for i, row := range s.window[:s.filled] {
		key := compute.RowKey(row.model.Seed, uint64(row.token))
		copy(s.host.keys[4*i:], key[:])
	}
	dev.UploadInts(s.keys, s.host.keys)
	s.fillNoise(s.x, purposeStart, 0)
	for k, step := range s.steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.step = k
		if step.Noise != 0 {
			compute.Record(dev, "denoising step with noise", s.work)
		} else {
			compute.Record(dev, "denoising step", s.work)
		}
		progress(float64(k+1) / float64(len(s.steps)))
	}
	if err := dev.Download(s.host.out, s.x.Data); err != nil {
		return err
	}
	for i, row := range s.window[:s.filled] {
		copy(row.model.Tokens[row.token*s.d:(row.token+1)*s.d], s.host.out[i*s.d:])
	}
	s.filled = 0
	return nil
}

// denoiseStep does the step in progress.
func (s *sampler) denoiseStep() {
	dev, den, step := s.dev, s.net.den, s.steps[s.step]
	s.host.step[0] = int32(s.step)
	dev.UploadInts(s.stepRow, s.host.step)
	dev.Gather(s.time, s.embedded, s.stepRow, 0)
	den.time(dev, s.time)
	pred := den.predict(dev, s.x)
	var noise compute.Buffer
	if step.Noise != 0 {
		s.fillNoise(s.noise, purposeStep, s.step)
		noise = s.noise.Data
	}
	dev.Combine(s.x.Data, float32(step.X), s.x.Data, float32(step.Pred), pred.Data, float32(step.Noise), noise)
}

// fillNoise draws standard normal noise for the rows of the window: a function
// of the model's seed, the step and the token, whatever the windows.
func (s *sampler) fillNoise(dst compute.Matrix, p purpose, step int) {
	s.dev.NormalRows(dst, s.keys, stream(p, uint64(step)<<32))
}
