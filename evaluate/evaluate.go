package evaluate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strconv"
	"time"

	"rpg/onnxio"
)

// Options are what to evaluate.
type Options struct {
	Runtime *Runtime
	Data    *Dataset
	Models  []*onnxio.Model // to score
	Against []*onnxio.Model // the originals they were learned from; nil to score only

	Noise     []float64 // sizes of the noise baselines, in standard deviations; nil is 0.01 and 0.05
	Baselines int       // models in each baseline group; 0 is as many as Models, at most 10
	Seed      uint64    // of the baselines

	Threads  int // 0 is one for each core available
	Batch    int // 0 is the Scorer's choice
	Sessions Sessions
	Progress func(done, total int) // images; nil is silent
}

// candidate is one model on its way through Evaluate.
type candidate struct {
	values onnxio.Values
	name   string
	group  string
	score  Score
	near   neighbour // by distance
	alike  neighbour // by IoU, which is in l2
}

// Evaluate scores o.Models. With o.Against it scores the originals and the
// trivial baselines too, compares every model with the originals, and says what
// the figures show. All models must then be of one graph; without originals
// they may be of several. Equal options give an equal Result but for
// ImagesPerS, at any number of threads.
func Evaluate(ctx context.Context, o Options) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	result := &Result{Schema: Schema, Provider: o.Runtime.Provider, Runtime: o.Runtime.Version, Seed: o.Seed,
		Data:     DataResult{Name: o.Data.Name, Images: o.Data.Count, SHA256: o.Data.SHA256, Preprocess: o.Data.Preprocess, Notes: o.Data.Notes},
		Verdicts: []string{}}
	var candidates []*candidate
	var sp *space
	var err error
	if len(o.Against) == 0 {
		candidates = addModels(nil, GroupModels, o.Models)
	} else if candidates, sp, err = o.withBaselines(ctx); err != nil {
		return nil, err
	}
	start := time.Now()
	if err := o.score(ctx, candidates); err != nil {
		return nil, err
	}
	result.ImagesPerS = float64(len(candidates)*o.Data.Count) / time.Since(start).Seconds()
	result.Data.Skipped, result.Data.Damaged = o.Data.Bad(), o.Data.Damaged()
	result.Data.Images -= len(result.Data.Skipped)
	if sp != nil {
		if err := o.compare(ctx, sp, candidates); err != nil {
			return nil, err
		}
		result.Zoo = zoo(sp, candidates)
	}
	result.fill(candidates, o.Against)
	if sp != nil {
		result.Verdicts = verdicts(result, candidates)
	}
	return result, nil
}

func (o *Options) check() error {
	switch {
	case o.Runtime == nil || o.Data == nil:
		panic("evaluate: Options without Runtime or Data")
	case len(o.Models) == 0:
		return errors.New("evaluate: models: expected at least one, found none")
	case o.Baselines < 0:
		return fmt.Errorf("evaluate: baselines: expected 0 or more, found %d", o.Baselines)
	}
	if o.Noise == nil {
		o.Noise = []float64{0.01, 0.05}
	}
	for i, sigma := range o.Noise {
		if !(sigma > 0 && sigma <= math.MaxFloat32) {
			return fmt.Errorf("evaluate: noise: expected a number above 0, found %g", sigma)
		}
		if slices.Contains(o.Noise[:i], sigma) {
			return fmt.Errorf("evaluate: noise: expected different sizes, found %g twice", sigma)
		}
	}
	if o.Baselines == 0 {
		o.Baselines = min(len(o.Models), 10)
	}
	if len(o.Against) == 0 {
		return nil
	}
	first := o.Against[0]
	for _, m := range slices.Concat(o.Against[1:], o.Models) {
		if diff := first.Difference(m); diff != "" {
			return fmt.Errorf("evaluate: %s: expected the graph of %s, found a difference: %s", m.Path, first.Path, diff)
		}
	}
	return nil
}

func addModels[V onnxio.Values](list []*candidate, group string, models []V) []*candidate {
	for i, m := range models {
		list = append(list, &candidate{values: m, name: nameOf(m, i), group: group})
	}
	return list
}

// withBaselines gives originals, models and baselines, in this order, and the
// originals' space.
func (o *Options) withBaselines(ctx context.Context) ([]*candidate, *space, error) {
	sp, err := newSpace(ctx, o.Against, o.Threads)
	if err != nil {
		return nil, nil, err
	}
	list := addModels(nil, GroupOriginals, o.Against)
	list = addModels(list, GroupGenerated, o.Models)
	for i, sigma := range o.Noise {
		name := "noise " + strconv.FormatFloat(sigma, 'g', -1, 64)
		list = addModels(list, name, sp.noised(o.Against, sigma, o.Baselines, o.Seed, uint64(1+i)))
	}
	return addModels(list, GroupAverage, averages(o.Against, o.Baselines, o.Seed, 0)), sp, nil
}

// score fills in the scores, one graph after the other.
func (o *Options) score(ctx context.Context, candidates []*candidate) error {
	total, done := len(candidates)*o.Data.Count, 0
	for len(candidates) > 0 {
		template, ok := candidates[0].values.(*onnxio.Model)
		if !ok {
			panic("evaluate: a baseline without an original before it")
		}
		var same, others []*candidate
		for _, c := range candidates {
			m, ok := c.values.(*onnxio.Model)
			if !ok || m == template || template.Difference(m) == "" {
				same = append(same, c)
			} else {
				others = append(others, c)
			}
		}
		var progress func(n, of int)
		if o.Progress != nil {
			progress = func(n, _ int) { o.Progress(done+n, total) }
		}
		if err := o.scoreGraph(ctx, template, same, progress); err != nil {
			return err
		}
		done += len(same) * o.Data.Count
		candidates = others
	}
	return nil
}

func (o *Options) scoreGraph(ctx context.Context, template *onnxio.Model, list []*candidate, progress func(done, total int)) (err error) {
	scorer, err := o.Runtime.NewScorer(template, o.Data, ScorerOptions{Threads: o.Threads, Batch: o.Batch, Sessions: o.Sessions})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, scorer.Close()) }()
	values := make([]onnxio.Values, len(list))
	for i, c := range list {
		values[i] = c.values
	}
	scores, err := scorer.Score(ctx, values, progress)
	if err != nil {
		return err
	}
	for i, c := range list {
		c.score = scores[i]
	}
	return nil
}

// compare fills in each candidate's nearest and most alike original. The
// originals come first among candidates.
func (o *Options) compare(ctx context.Context, sp *space, candidates []*candidate) error {
	originals, rest := candidates[:len(o.Against)], candidates[len(o.Against):]
	values := make([]onnxio.Values, len(rest))
	for i, c := range rest {
		values[i] = c.values
	}
	places, err := sp.place(ctx, values, o.Threads)
	if err != nil {
		return err
	}
	among, err := sp.nearest(ctx, sp.places, true, o.Threads)
	if err != nil {
		return err
	}
	near, err := sp.nearest(ctx, places, false, o.Threads)
	if err != nil {
		return err
	}
	for i, c := range candidates {
		if i < len(originals) {
			c.near = among[i]
		} else {
			c.near = near[i-len(originals)]
		}
		c.alike = neighbour{index: -1}
		for k, other := range originals {
			if k == i {
				continue
			}
			if u := IoU(c.score.Wrong, other.score.Wrong); c.alike.index < 0 || u > c.alike.l2 {
				c.alike = neighbour{k, u}
			}
		}
	}
	return nil
}

// zoo sums up the originals among themselves; nil if there is only one.
func zoo(sp *space, candidates []*candidate) *ZooResult {
	n := len(sp.places)
	if n < 2 {
		return nil
	}
	z := &ZooResult{Spread: sp.variance(), Values: sp.values}
	var nearest []float64
	pairs := 0
	for i, c := range candidates[:n] {
		nearest = append(nearest, c.near.l2)
		for _, other := range candidates[i+1 : n] {
			z.OriginalIoU += IoU(c.score.Wrong, other.score.Wrong)
			pairs++
		}
	}
	z.OriginalIoU /= float64(pairs)
	z.NearestNeighbour = median(nearest)
	// Checkpoints of one run differ by 1e-6 to a few percent of the variance and
	// err on the same images; unrelated networks differ by nearly all of it.
	z.Kind = OneTrajectory
	if z.Spread > 0.1 && z.OriginalIoU < 0.75 {
		z.Kind = Independent
	}
	return z
}

// fill writes groups and models from what was found.
func (r *Result) fill(candidates []*candidate, originals []*onnxio.Model) {
	for _, c := range candidates {
		n := float64(c.score.N)
		m := ModelResult{Path: c.name, Group: c.group, Correct: c.score.Correct, Top1: float64(c.score.Correct) / n, Top5: float64(c.score.Top5) / n}
		m.Top1Low, m.Top1High = Wilson(c.score.Correct, c.score.N)
		if len(originals) > 0 && c.near.index >= 0 {
			m.Nearest = &NearestResult{Path: originals[c.near.index].Path, L2: c.near.l2, IoU: c.alike.l2, IoUPath: originals[c.alike.index].Path}
		}
		r.Models = append(r.Models, m)
	}
	for start := 0; start < len(r.Models); {
		end := start
		for end < len(r.Models) && r.Models[end].Group == r.Models[start].Group {
			end++
		}
		r.Groups = append(r.Groups, sumUp(r.Models[start:end], r.Zoo))
		start = end
	}
}

func sumUp(models []ModelResult, zoo *ZooResult) GroupResult {
	g := GroupResult{Name: models[0].Group, Count: len(models)}
	var top1, top5, iou, l2 []float64
	for _, m := range models {
		top1, top5 = append(top1, m.Top1), append(top5, m.Top5)
		if m.Nearest != nil {
			iou, l2 = append(iou, m.Nearest.IoU), append(l2, m.Nearest.L2)
		}
	}
	g.Top1, g.Top5 = summarize(top1), summarize(top5)
	if len(l2) > 0 {
		s := summarize(iou)
		g.Similarity = &SimilarityResult{Mean: s.Mean, Max: s.Max}
		g.Distance = &DistanceResult{Min: slices.Min(l2), Median: median(l2)}
		if zoo != nil && zoo.NearestNeighbour > 0 {
			g.Distance.MinRatio = new(float64)
			*g.Distance.MinRatio = g.Distance.Min / zoo.NearestNeighbour
			g.Distance.Ratio = new(float64)
			*g.Distance.Ratio = g.Distance.Median / zoo.NearestNeighbour
		}
	}
	return g
}

// group gives the result of a group, nil if there is none of that name.
func (r *Result) group(name string) *GroupResult {
	for i := range r.Groups {
		if r.Groups[i].Name == name {
			return &r.Groups[i]
		}
	}
	return nil
}
