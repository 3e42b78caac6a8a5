package generator

import (
	"context"
	"fmt"
	"math"
	"time"

	"rpg/generator/compute"
	"rpg/tokenize"
)

// Zoo is what the generator learns from: the tokens of every checkpoint.
type Zoo struct {
	Tokenizer *tokenize.Tokenizer
	Count     int       // checkpoints
	Tokens    []float32 // [Count, L, D]
	Sources   []string  // where each checkpoint came from
}

// Spread is the root mean square, over all values of all checkpoints, of the
// distance to the zoo's mean, in token space (1 is a tensor's own deviation):
// far below 1 for moments of one training, about 1 for independent ones.
func (z *Zoo) Spread() float64 {
	size, D, valid := len(z.Tokens)/z.Count, z.Tokenizer.Layout.TokenDim, z.Tokenizer.Layout.Valid()
	sum, n, mean := 0.0, 0, make([]float64, D)
	for token, values := range valid {
		row := func(k int) []float32 { return z.Tokens[k*size+token*D:][:values] }
		clear(mean)
		for k := range z.Count {
			for j, v := range row(k) {
				mean[j] += float64(v)
			}
		}
		for k := range z.Count {
			for j, v := range row(k) {
				d := float64(v) - mean[j]/float64(z.Count)
				sum += d * d
			}
		}
		n += z.Count * int(values)
	}
	return math.Sqrt(sum / float64(n))
}

// network is the recurrent model and the denoiser with one set of parameters.
type network struct {
	ps  params
	rec *recurrent
	den denoiser
}

// newNetwork builds the network for training with models sequences of the zoo in
// the recurrent part and rows tokens in the denoiser.
func newNetwork(dev compute.Device, c Config, l *tokenize.Layout, checkpoints, models, rows int) *network {
	window := c.windowTokens(l.Tokens())
	n := declareNetwork(c, window, checkpoints, models, rows)
	n.ps.alloc(dev, true)
	n.rec.sequence = l.Tokens()
	positions := make([]float32, (l.Tokens()+window-1)/window*window*c.Width)
	if _, counts := dev.(Counter); !counts { // a plan needs none of them
		c.fillPositions(positions, l, 0)
	}
	n.den.alloc(dev, rows, true)
	n.rec.gradients = &spare{dev, n.den.spare()}                                                // the denoiser's backward pass comes first
	n.rec.repeats = c.Denoiser == "conv" && c.Recurrent == "mamba2" && window == n.rec.sequence // the one has room for all the rest of the other
	n.rec.alloc(dev, positions, true, c.DiffusionBatch)
	return n
}

// declareNetwork names every parameter without touching a device.
func declareNetwork(c Config, l, checkpoints, models, rows int) *network {
	n := &network{}
	n.rec = newRecurrent(&n.ps, c, checkpoints, models, l)
	if c.Denoiser == "conv" {
		n.den = newConv(&n.ps, c, rows)
	} else {
		n.den = newMLP(&n.ps, c, rows)
	}
	return n
}

// trainer holds the network, the optimizer's state and the buffers of a step.
type trainer struct {
	dev    compute.Device
	cfg    Config
	zoo    *Zoo
	l, d   int
	models int // N
	rows   int // tokens in a step
	sched  schedule
	net    *network

	opt                 *optimizer
	ema                 compute.Buffer // averaged weights: the weights themselves without averaging
	running, emaRunning compute.Buffer // running statistics, which have no gradient
	step                int            // steps done
	drawn               int            // the step whose rows are there, -1 for none

	x0, eps, xt, target, dpred compute.Matrix
	t, a, b                    compute.Buffer
	report, loss, norm         compute.Buffer // loss and norm are in report
	valid                      compute.Ints
	host                       hostRows
	layoutValid                []int32
	z                          compute.Matrix // prototypes of the step's rows
	work, scoring, updating    func()         // compute, score and update, made once
	rounding                   func()         // of weights that are kept rounded, or nil
}

// hostRows is the step's input before it is uploaded.
type hostRows struct {
	x0, t, a, b []float32
	valid, pick []int32
	models      []int // the zoo's checkpoints, the step's first
	order       []int // the batch's tokens, the step's first
	report      []float32
}

func newTrainer(dev compute.Device, c Config, zoo *Zoo) *trainer {
	layout := &zoo.Tokenizer.Layout
	tr := &trainer{dev: dev, cfg: c, zoo: zoo, drawn: -1, l: layout.Tokens(), d: c.TokenDim, sched: newSchedule(c), layoutValid: layout.Valid()}
	tr.models = min(c.Batch, zoo.Count)
	tr.rows = c.DiffusionBatch
	if tr.rows == 0 {
		tr.rows = tr.models * tr.l
	}
	tr.net = newNetwork(dev, c, layout, zoo.Count, tr.models, tr.rows)
	ps := &tr.net.ps
	tr.ema = ps.value
	if c.EMA > 0 {
		tr.ema = dev.Alloc(ps.total)
		tr.running, tr.emaRunning = ps.value.Slice(ps.trained, ps.total), tr.ema.Slice(ps.trained, ps.total)
	}
	tr.report = dev.Alloc(2)
	tr.loss, tr.norm = tr.report.Slice(0, 1), tr.report.Slice(1, 2)
	tr.opt = newOptimizer(dev, c, ps, tr.norm, tr.ema)

	rows := func() compute.Matrix { return newMatrix(dev, tr.rows, tr.d) }
	tr.xt, tr.target, tr.dpred = rows(), rows(), rows()
	tr.x0, tr.eps = newMatrix(tr.net.rec.gradients, tr.rows, tr.d), newMatrix(tr.net.rec.gradients, tr.rows, tr.d) // of use before the denoiser
	tr.t, tr.a, tr.b = dev.Alloc(tr.rows), dev.Alloc(tr.rows), dev.Alloc(tr.rows)
	tr.valid = dev.AllocInts(tr.rows)
	n := tr.rows
	tr.host = hostRows{x0: make([]float32, n*tr.d), t: make([]float32, n), a: make([]float32, n), b: make([]float32, n),
		valid: make([]int32, n), pick: make([]int32, n),
		models: make([]int, zoo.Count), order: make([]int, tr.models*tr.l), report: make([]float32, 2)}
	tr.work, tr.scoring, tr.updating = tr.compute, tr.score, tr.update
	return tr
}

// asideBytes is the memory that is of use to training beyond what it needs.
func (tr *trainer) asideBytes() int64 {
	bytes := int64(0)
	if tr.dev.Info().BF16 {
		bytes = tr.net.ps.roundedBytes()
	}
	if w := tr.net.rec.windows; w != nil {
		bytes += w.asideBytes()
	}
	return bytes
}

// keepAside takes it, if so many bytes are room for it: nothing is then rounded or
// multiplied a second time.
func (tr *trainer) keepAside(room int64) {
	if tr.asideBytes() > room {
		return
	}
	if tr.dev.Info().BF16 {
		tr.net.ps.keepRounded(tr.dev)
		tr.rounding = func() { tr.net.ps.round(tr.dev) }
	}
	if w := tr.net.rec.windows; w != nil {
		w.keep()
	}
}

// start gives the parameters their first values. States start at 1/M, as
// published, and with state-init spread at normal numbers around it, as wide as
// half the checkpoints' own distance from their mean: checkpoints that are
// alike share one state at first, independent ones begin apart, without which
// they never part.
func (tr *trainer) start() {
	ps := &tr.net.ps
	buf := make([]float32, ps.largest())
	for i, p := range ps.list {
		values := buf[:p.n]
		p.initial(values, tr.cfg.Seed, i)
		if p == tr.net.rec.states && tr.cfg.StateInit == "spread" {
			width := float32(0.5 * tr.zoo.Spread())
			for j := range values {
				values[j] += width * compute.Normals(tr.cfg.Seed, stream(purposeState, 1), uint64(j/4))[j%4]
			}
		}
		tr.dev.Upload(p.value, values)
	}
	if tr.cfg.EMA > 0 {
		tr.dev.Copy(tr.ema, ps.value)
	}
}

// draw brings what a step takes to the device.
func (tr *trainer) draw(step int) {
	tr.drawRows(step, tr.drawModels(step))
	tr.drawn = step
}

// drawModels picks the step's checkpoints, each at most once.
func (tr *trainer) drawModels(step int) []int {
	index := tr.host.models
	for i := range index {
		index[i] = i
	}
	for i := range tr.models {
		j := i + compute.Intn(tr.cfg.Seed, stream(purposeModels, uint64(step)), uint64(i), len(index)-i)
		index[i], index[j] = index[j], index[i]
	}
	return index[:tr.models]
}

// drawRows fills the step's tokens: all of the batch's once, or a random choice
// in which none comes twice before all have come once; and a time for each.
func (tr *trainer) drawRows(step int, models []int) {
	h, seed, all := &tr.host, tr.cfg.Seed, tr.models*tr.l
	for i := range h.order {
		h.order[i] = i
	}
	for i := range tr.rows {
		at := i % all
		if tr.cfg.DiffusionBatch > 0 {
			j := at + compute.Intn(seed, stream(purposeRows, uint64(step)), uint64(i), all-at)
			h.order[at], h.order[j] = h.order[j], h.order[at]
		}
		row := h.order[at]
		h.pick[i] = int32(row)
		h.valid[i] = tr.layoutValid[row%tr.l]
		t := compute.Intn(seed, stream(purposeTimes, uint64(step)), uint64(i), tr.cfg.DiffusionSteps)
		h.t[i] = float32(t)
		h.a[i], h.b[i] = float32(math.Sqrt(tr.sched.abar[t])), float32(math.Sqrt(1-tr.sched.abar[t]))
		src := (models[row/tr.l]*tr.l + row%tr.l) * tr.d
		copy(h.x0[i*tr.d:(i+1)*tr.d], tr.zoo.Tokens[src:src+tr.d])
	}
	dev := tr.dev
	dev.Upload(tr.x0.Data, h.x0)
	dev.Upload(tr.t, h.t)
	dev.Upload(tr.a, h.a)
	dev.Upload(tr.b, h.b)
	dev.UploadInts(tr.valid, h.valid)
	if tr.cfg.DiffusionBatch > 0 {
		tr.net.rec.pickRows(dev, h.pick)
	}
}

// compute is the device's part of a step, once rows are drawn.
func (tr *trainer) compute() {
	tr.gradients()
	compute.Record(tr.dev, "update", tr.updating)
}

// recorded is compute, recorded as a whole, or in windows part by part: else what is
// uploaded for all windows would be kept.
func (tr *trainer) recorded() {
	if tr.net.rec.windows != nil {
		tr.compute()
		return
	}
	compute.Record(tr.dev, "training step", tr.work)
}

// gradients computes the loss of the rows drawn and all gradients.
func (tr *trainer) gradients() {
	rec := tr.net.rec
	if tr.rounding != nil {
		compute.Record(tr.dev, "rounding", tr.rounding)
	}
	tr.z = rec.prototypes(tr.dev, tr.host.models[:tr.models])
	compute.Record(tr.dev, "score", tr.scoring)
	rec.prototypesBackward(tr.dev)
}

// score computes the loss, the gradients of the denoiser and dz.
func (tr *trainer) score() {
	dev, net := tr.dev, tr.net
	dev.Normal(tr.eps.Data, tr.cfg.Seed, stream(purposeNoise, uint64(tr.step)))
	dev.Diffuse(tr.xt, tr.target, tr.x0, tr.eps, tr.a, tr.b, tr.cfg.prediction())
	net.den.condition(dev, tr.z)
	net.den.time(dev, net.den.embed(dev, tr.t))
	pred := net.den.predict(dev, tr.xt)
	dev.MaskedMSE(tr.loss, tr.dpred, pred, tr.target, tr.valid)

	dev.Zero(net.ps.grad)
	net.den.backward(dev, tr.dpred, net.rec.gradient())
}

// update applies the gradients: clipping, AdamW, the average.
func (tr *trainer) update() {
	dev, ps, c := tr.dev, &tr.net.ps, tr.cfg
	dev.SquaredSum(tr.norm, ps.grad)
	tr.opt.update(dev, c, tr.step)
	if tr.running != nil {
		dev.EMA(tr.emaRunning, tr.running, float32(c.emaDecay(tr.step)))
	}
}

// learningRate of step (from 0): linear warm-up, then cosine to 0.
func (c Config) learningRate(step int) float64 {
	if step < c.Warmup {
		return c.LR * float64(step+1) / float64(c.Warmup)
	}
	x := float64(step-c.Warmup) / float64(max(1, c.Steps-c.Warmup))
	return c.LR * 0.5 * (1 + math.Cos(math.Pi*x))
}

// emaDecay grows with the steps taken, so that the average forgets the start.
func (c Config) emaDecay(step int) float64 {
	return min(c.EMA, float64(1+step)/float64(10+step))
}

// StepEvent reports one training step.
type StepEvent struct {
	Step     int // steps done
	Loss     float64
	GradNorm float64
	LR       float64
}

// DivergedError says that training produced a value that is not finite. The
// last good checkpoint is kept.
type DivergedError struct {
	Step int
	What string
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("generator: training diverged at step %d: %s", e.Step, e.What)
}

// next does one step.
func (tr *trainer) next() (StepEvent, error) {
	lr := tr.cfg.learningRate(tr.step)
	if tr.drawn != tr.step {
		tr.draw(tr.step)
	}
	tr.recorded()
	if after := tr.step + 1; after < tr.cfg.Steps { // while the device is at work
		tr.draw(after)
	}
	if err := tr.dev.Download(tr.host.report, tr.report); err != nil {
		return StepEvent{}, err
	}
	tr.step++
	e := StepEvent{tr.step, float64(tr.host.report[0]), math.Sqrt(float64(tr.host.report[1])), lr}
	if what := notFinite(e); what != "" {
		return e, &DivergedError{tr.step, what}
	}
	return e, nil
}

func notFinite(e StepEvent) string {
	if math.IsNaN(e.Loss) || math.IsInf(e.Loss, 0) {
		return fmt.Sprintf("the loss is %v", e.Loss)
	}
	if math.IsNaN(e.GradNorm) || math.IsInf(e.GradNorm, 0) {
		return fmt.Sprintf("the norm of the gradients is %v", e.GradNorm)
	}
	return ""
}

// Hooks are what the caller of Train wants to know, and what he grants. Any may be nil.
type Hooks struct {
	Step  func(StepEvent)
	Saved func(step int, path string)
	// Evaluate scores the weights learned so far; Train calls it after every
	// EvalEvery steps and at the end, after saving.
	Evaluate  func(ctx context.Context, step int) error
	EvalEvery int
	SaveEvery int           // steps between checkpoints; 0: by SaveAfter alone
	SaveAfter time.Duration // time between checkpoints; 0: by SaveEvery alone
	// Room is the memory of the device, in bytes, that training may take beyond what is
	// forecast. With Forecast.AsideBytes of it, AgainFLOP of a step are spared, and weights
	// are rounded to bf16 once a step and not for every product. The result is the same.
	Room int64
}
