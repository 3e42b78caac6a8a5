package tokenize

import (
	"errors"
	"fmt"

	"rpg/onnxio"
)

// Options choose how a zoo is tokenized.
type Options struct {
	TokenDim    int    // D, 1 to MaxTokenDim
	Stats       string // StatsPooled or StatsPaper
	Granularity string // GranularityTensor, the only one there is
	// Zeros leaves out the elements that are 0 in every model (see Zeros), with
	// StatsPooled: the published statistics count them.
	Zeros bool
}

func (o Options) check() error {
	if err := checkTokenDim(o.TokenDim); err != nil {
		return err
	}
	if err := checkMethod(o.Stats); err != nil {
		return err
	}
	return checkGranularity(o.Granularity)
}

// blockValues is the number of values read at once. The blocks are the same in
// every run, so the statistics are too.
const blockValues = 1 << 14

// Build learns layout and statistics from a zoo of models of one graph, all under
// one selection (Model.Select), which the layout keeps. It reads
// every weight of every model once (the paper's way reads variances twice), in
// order, in float64; memory does not grow with the number of models.
//
// It returns an error for options out of range, for no models, for a model of
// another graph than the first (naming both and the first difference), for a
// value that is not finite and a variance below 0 (naming file, weight and
// element), and for a zoo with nothing to generate. One single model is allowed;
// it can only be memorised, which the caller should say.
func Build(models []*onnxio.Model, o Options) (*Tokenizer, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("tokenize: %w", err)
	}
	if len(models) == 0 {
		return nil, errors.New("tokenize: no models, expected at least 1")
	}
	first := models[0]
	b := newBuilder(o, first.Path, first.Signature(), first.Weights())
	b.layout.Selection = first.Selection()
	for _, m := range models {
		if err := sameGraph(first, m); err != nil {
			return nil, err
		}
		if err := b.add(source{m.Path, m.Weights(), m}); err != nil {
			return nil, err
		}
	}
	return b.finish()
}

// sameGraph returns an error unless both models have one signature.
func sameGraph(first, m *onnxio.Model) error {
	if first.Signature() == m.Signature() {
		return nil
	}
	difference := first.Difference(m)
	if difference == "" {
		difference = fmt.Sprintf("signature %s, expected %s", m.Signature(), first.Signature())
	}
	return fmt.Errorf("tokenize: %s: expected the graph of %s, found a difference: %s", m.Path, first.Path, difference)
}

// source is what the builder needs of a model.
type source struct {
	path    string
	weights []*onnxio.Tensor
	values  onnxio.Values
}

// builder collects the statistics of a zoo, model by model.
type builder struct {
	options Options
	layout  Layout
	path    string // of the first model
	models  int
	weights []collected
	values  []float32 // blockValues of scratch
	block   []float64 // the same
}

// collected is what is known about one weight so far.
type collected struct {
	seen       bool
	min, max   float64 // before the transform
	all        moments // of transformed values, all models together
	mean, std  float64 // sums over models of each model's own, StatsPaper
	center     float64 // the same of the centres, TransformPaperLog
	transform  string
	isVariance bool
	nonzero    []byte // elements that were not 0 in some model; nil when nobody asks
}

func newBuilder(o Options, path, signature string, weights []*onnxio.Tensor) *builder {
	b := &builder{
		options: o,
		path:    path,
		layout: Layout{
			Version:     LayoutVersion,
			TokenDim:    o.TokenDim,
			Granularity: o.Granularity,
			Signature:   signature,
		},
		values: make([]float32, blockValues),
		block:  make([]float64, blockValues),
	}
	for _, t := range weights {
		transform := chooseTransform(t.Role, o.Stats)
		b.layout.Weights = append(b.layout.Weights, Weight{
			Name:      t.Name,
			Role:      t.Role,
			Shape:     append([]int{}, t.Shape...),
			Elements:  t.Elements,
			Transform: transform,
		})
		c := collected{transform: transform, isVariance: t.Role == onnxio.RoleVariance}
		if o.Zeros && o.Stats == StatsPooled && transform == TransformNone {
			c.nonzero = make([]byte, ceilDiv(t.Elements, 8))
		}
		b.weights = append(b.weights, c)
	}
	return b
}

// chooseTransform gives the transform of a weight that is not constant.
func chooseTransform(role onnxio.Role, method string) string {
	switch {
	case role != onnxio.RoleVariance:
		return TransformNone
	case method == StatsPaper:
		return TransformPaperLog
	}
	return TransformLog
}

// add takes in the weights of one model.
func (b *builder) add(m source) error {
	if err := sameWeights(&b.layout, m.weights); err != nil {
		return fmt.Errorf("tokenize: %s: %w", m.path, err)
	}
	for j := range b.weights {
		if err := b.addWeight(m, j); err != nil {
			return err
		}
	}
	b.models++
	return nil
}

// sameWeights returns an error unless weights are as many and as large as those
// of l. Equal signatures say so already for a layout that was built; one from a
// file may claim any signature.
func sameWeights(l *Layout, weights []*onnxio.Tensor) error {
	if len(weights) != len(l.Weights) {
		return fmt.Errorf("%d weights, expected %d", len(weights), len(l.Weights))
	}
	for j, t := range weights {
		if want := l.Weights[j].Elements; t.Elements != want {
			return fmt.Errorf("weight %q: %d elements, expected %d", t.Name, t.Elements, want)
		}
	}
	return nil
}

func (b *builder) addWeight(m source, j int) error {
	c := &b.weights[j]
	center := 0.0
	if c.transform == TransformPaperLog {
		var raw moments
		if err := b.scan(m, j, raw.add); err != nil {
			return err
		}
		if center = paperScale * raw.mean; !(center > 0) {
			return fmt.Errorf("tokenize: %s: variance %q: mean %g, expected a positive one for statistics %q",
				m.path, m.weights[j].Name, raw.mean, StatsPaper)
		}
	}
	var own moments
	at := 0
	err := b.scan(m, j, func(block []float64) {
		if !c.seen {
			c.min, c.max, c.seen = block[0], block[0], true
		}
		for e, x := range block {
			if x != 0 && c.nonzero != nil {
				c.nonzero[(at+e)/8] |= 1 << ((at + e) % 8)
			}
			c.min, c.max = min(c.min, x), max(c.max, x)
			block[e] = forward(c.transform, center, x)
		}
		own.add(block)
		at += len(block)
	})
	if err != nil {
		return err
	}
	c.all.merge(own)
	c.mean += own.mean
	c.std += own.unbiased()
	c.center += center
	return nil
}

// scan reads weight j of m block by block and checks every value. take may
// change the block it is given.
func (b *builder) scan(m source, j int, take func(block []float64)) error {
	w := &b.layout.Weights[j]
	for off := 0; off < w.Elements; off += blockValues {
		values := b.values[:min(blockValues, w.Elements-off)]
		if err := m.values.ReadValues(j, values, off); err != nil {
			return fmt.Errorf("tokenize: %w", err)
		}
		block := b.block[:len(values)]
		for e, x := range values {
			if err := checkValue(x, b.weights[j].isVariance); err != nil {
				return fmt.Errorf("tokenize: %s: weight %q: %w at %s", m.path, m.weights[j].Name, err, where(off+e, w.Shape))
			}
			block[e] = float64(x)
		}
		take(block)
	}
	return nil
}

// finish turns what was collected into a tokenizer.
func (b *builder) finish() (*Tokenizer, error) {
	if len(b.weights) == 0 {
		return nil, fmt.Errorf("tokenize: %s: no weight to generate among its tensors", b.path)
	}
	stats := Stats{Method: b.options.Stats, Models: b.models}
	for j := range b.weights {
		w, c := &b.layout.Weights[j], &b.weights[j]
		c.leaveOut(w, b.models)
		s := c.stats(b.options.Stats, float64(b.models))
		if s.Std == 0 {
			w.Transform = TransformConstant
		}
		stats.Weights = append(stats.Weights, s)
	}
	b.layout.place()
	if b.layout.Tokens() == 0 {
		return nil, fmt.Errorf("tokenize: %s: every weight is constant in all %d models: nothing to generate", b.path, b.models)
	}
	b.layout.rank()
	t := &Tokenizer{Layout: b.layout, Stats: stats}
	// The rules for files hold for what is built too; a finite zoo can still
	// break them by size alone.
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("tokenize: %s: %w", b.path, err)
	}
	return t, nil
}

// stats gives the statistics of one weight over the given number of models; Std
// is 0 for a constant.
func (c *collected) stats(method string, models float64) WeightStats {
	s := WeightStats{Mean: c.all.mean, Std: c.all.std()}
	// The comparison is exact, unlike a standard deviation of rounded sums. The
	// second case is a variance so far below 1e-8 that its logarithms are equal.
	if c.min == c.max || s.Std == 0 {
		return WeightStats{Mean: c.min}
	}
	if method == StatsPaper {
		s.Mean = c.mean / models
		s.Center = c.center / models
		// Models that are each constant but differ have no deviation of their
		// own; the pooled one is kept then.
		if std := c.std / models; std > 0 {
			s.Std = std
		}
	}
	return s
}

// checkValue returns an error for a value that cannot be tokenized.
func checkValue(x float32, isVariance bool) error {
	if !finite(float64(x)) {
		return fmt.Errorf("expected finite values, found %g", x)
	}
	if isVariance && x < 0 {
		return fmt.Errorf("expected a variance of at least 0, found %g", x)
	}
	return nil
}

// where names an element by its number and by its index in the shape.
func where(element int, shape []int) string {
	index := make([]int, len(shape))
	rest := element
	for d := len(shape) - 1; d >= 0; d-- {
		index[d] = rest % shape[d]
		rest /= shape[d]
	}
	return fmt.Sprintf("element %d, index %v", element, index)
}
