package evaluate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"rpg/onnxio"
)

// Options are what to evaluate.
type Options struct {
	Runtime *Runtime
	Data    *Dataset
	Models  []*onnxio.Model // to score
	Against []*onnxio.Model // the originals they were learned from; nil to score only

	Noise       []float64 // sizes of the noise baselines, in standard deviations of each tensor; nil is DefaultNoise
	SpreadNoise []float64 // the same in standard deviations of each value over the originals
	Without     []string  // baselines and comparisons to leave out, of BaselineNames
	Baselines   int       // models in each baseline group; 0 is as many as Models, at most 10
	Bar         float64   // top-1 from which a model is good; 0 is the originals' mean less one point
	Seed        uint64    // of the baselines

	Keep string // folder of scores to take and to keep, with others' in it; "" keeps none

	Threads  int // 0 is one for each core available
	Batch    int // 0 is the Scorer's choice
	Sessions Sessions
	Progress func(done, total int) // images; nil is silent

	graph *onnxio.Model // has that of all that have no file
}

// DefaultNoise are the sizes of the noise baselines.
func DefaultNoise() []float64 { return []float64{0.01, 0.02, 0.05, 0.1, 0.2} }

// candidate is one model on its way through Evaluate.
type candidate struct {
	values onnxio.Values
	name   string
	group  string
	score  Score
	scored bool   // score is there already
	kept   bool   // score is one of an earlier evaluation
	key    string // of the score, "" if it is not to be kept
	framed bool   // made of aligned originals, so that it is in their order already
	placed bool   // where it lies is known already
	novelty
}

// Evaluate scores o.Models. With o.Against it scores the originals and the
// trivial baselines too, compares every model with the originals, and says what
// the figures show. All models must then be of one graph; without originals
// they may be of several. Equal options give an equal Result but for
// ImagesPerS, at any number of threads.
func Evaluate(ctx context.Context, o Options) (*Result, error) {
	if err := o.check(len(o.Models)); err != nil {
		return nil, err
	}
	f, err := o.newFrame(ctx)
	if err != nil {
		return nil, err
	}
	return o.finish(ctx, f, addModels(nil, o.group(), o.Models), 0)
}

// group is that of the models to score.
func (o *Options) group() string {
	if len(o.Against) == 0 {
		return GroupModels
	}
	return GroupGenerated
}

// finish scores and compares what of models is not scored and placed yet, the
// originals and the baselines. Of the scoring so much is spent already.
func (o *Options) finish(ctx context.Context, f *frame, models []*candidate, spent time.Duration) (*Result, error) {
	result := &Result{Schema: Schema, Provider: o.Runtime.Provider, Runtime: o.Runtime.Version, Seed: o.Seed,
		Data: DataResult{Name: o.Data.Name, Images: o.Data.Count, SHA256: o.Data.SHA256, Preprocess: o.Data.Preprocess, Shift: o.Data.Shift, Notes: o.Data.Notes,
			CropPct: o.Data.CropPct, Interpolation: o.Data.Interpolation},
		Verdicts: []string{}}
	if shape := o.Data.Shape; len(shape) == 3 {
		result.Data.ImageSize = shape[2]
	}
	candidates := models
	if f != nil {
		candidates = o.withBaselines(f, models)
	}
	start := time.Now()
	note, err := o.score(ctx, candidates)
	if err != nil {
		return nil, err
	}
	if note != "" {
		result.Notes = append(result.Notes, note)
	}
	for _, c := range candidates {
		if c.kept {
			result.Kept++
		}
	}
	result.ImagesPerS = float64((len(candidates)-result.Kept)*o.Data.Count) / (spent + time.Since(start)).Seconds()
	result.Data.Skipped, result.Data.Damaged = o.Data.Bad(), o.Data.Damaged()
	result.Data.Images -= len(result.Data.Skipped)
	if f != nil {
		if err := o.compare(ctx, f, candidates); err != nil {
			return nil, err
		}
		result.Zoo = zoo(f, candidates)
	}
	o.fill(result, candidates)
	result.Notes = append(result.Notes, tieNotes(candidates)...)
	result.Notes = append(result.Notes, nanNotes(candidates)...)
	if f == nil && len(candidates) == 2 {
		result.Paired = paired(candidates[0], candidates[1])
	}
	if f != nil {
		result.Verdicts = verdicts(result, candidates)
	}
	return result, nil
}

// check refuses options that cannot be, for so many models, and fills in defaults.
func (o *Options) check(models int) error {
	switch {
	case o.Runtime == nil || o.Data == nil:
		panic("evaluate: Options without Runtime or Data")
	case models < 1:
		return errors.New("evaluate: models: expected at least one, found none")
	case o.Baselines < 0:
		return fmt.Errorf("evaluate: baselines: expected 0 or more, found %d", o.Baselines)
	}
	if o.Noise == nil {
		o.Noise = DefaultNoise()
	}
	for _, list := range [][]float64{o.Noise, o.SpreadNoise} {
		for i, sigma := range list {
			if !(sigma > 0 && sigma <= math.MaxFloat32) {
				return fmt.Errorf("evaluate: noise: expected a number above 0, found %g", sigma)
			}
			if slices.Contains(list[:i], sigma) {
				return fmt.Errorf("evaluate: noise: expected different sizes, found %g twice", sigma)
			}
		}
	}
	for _, name := range o.Without {
		if !slices.Contains(BaselineNames(), name) {
			return fmt.Errorf("evaluate: nothing to leave out is named %q, expected one of %s", name, strings.Join(BaselineNames(), ", "))
		}
	}
	if !(o.Bar >= 0 && o.Bar <= 1) {
		return fmt.Errorf("evaluate: bar: expected 0 to 1, found %g", o.Bar)
	}
	if o.Baselines == 0 {
		o.Baselines = min(models, 10)
	}
	if o.Threads <= 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if len(o.Against) == 0 {
		return nil
	}
	first := o.Against[0]
	o.graph = first
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

// withBaselines gives originals, models and baselines, in this order.
func (o *Options) withBaselines(f *frame, models []*candidate) []*candidate {
	list := append(addModels(nil, GroupOriginals, o.Against), models...)
	raw := source{space: f.space}
	for _, c := range list[:len(o.Against)] {
		raw.originals, raw.names = append(raw.originals, c.values), append(raw.names, c.name)
	}
	groups := raw.baselines(o, "")
	if a := f.aligned; a != nil && a.moved > 0 { // else they would be the same ones again
		aligned := source{space: a.space, names: raw.names}
		for i, v := range raw.originals {
			aligned.originals = append(aligned.originals, a.original(i, v))
		}
		groups = append(groups, aligned.baselines(o, alignedSuffix)...)
	}
	for _, g := range groups {
		list = addModels(list, g.name, g.models)
		for _, c := range list[len(list)-len(g.models):] {
			c.framed = strings.HasSuffix(g.name, alignedSuffix)
		}
	}
	return list
}

// zoo sums up the originals among themselves; nil if there is only one.
func zoo(f *frame, candidates []*candidate) *ZooResult {
	n := len(f.places)
	if n < 2 {
		return nil
	}
	z := &ZooResult{Spread: f.variance(), Values: f.values, OriginalIoU: *within(candidates[:n])}
	var nearest, aligned []float64
	for _, c := range candidates[:n] {
		nearest = append(nearest, c.near.l2)
		aligned = append(aligned, c.aligned.l2)
	}
	z.NearestNeighbour = median(nearest)
	if a := f.aligned; a != nil {
		z.Aligned = &AlignedZoo{Moved: a.moved, Spread: a.space.variance(), NearestNeighbour: median(aligned)}
	}
	// Checkpoints of one run differ by 1e-6 to a few percent of the variance and
	// err on the same images; unrelated networks differ by nearly all of it.
	z.Kind = OneTrajectory
	if z.Spread > 0.1 && z.OriginalIoU < 0.75 {
		z.Kind = Independent
	}
	return z
}

// usual is the originals' median distance to their nearest neighbour in the space
// that novelty is judged in.
func (z *ZooResult) usual() float64 {
	if z.Aligned != nil {
		return z.Aligned.NearestNeighbour
	}
	return z.NearestNeighbour
}

// fill writes groups and models from what was found.
func (o *Options) fill(r *Result, candidates []*candidate) {
	novel := len(o.Against) > 0
	for _, c := range candidates {
		n := float64(c.score.N)
		m := ModelResult{Path: c.name, Group: c.group, Correct: c.score.Correct, Top1: float64(c.score.Correct) / n, Top5: float64(c.score.Top5) / n, Ties: c.score.Ties, NaN: c.score.NaN.Len(), ECE: c.score.Calibration.ECE()}
		m.Top1Low, m.Top1High = Wilson(c.score.Correct, c.score.N)
		if model, ok := c.values.(*onnxio.Model); ok {
			m.Params = parameters(model)
		} else {
			m.Params = parameters(o.graph)
		}
		if novel && c.near.index >= 0 {
			m.Nearest = &NearestResult{Path: o.Against[c.near.index].Path, L2: c.near.l2, IoU: c.alike.l2, IoUPath: o.Against[c.alike.index].Path,
				MeanL2: c.toMean, Cosine: c.cosine, Disagreement: c.differs, P: c.p}
			if c.aligned.index >= 0 {
				m.Nearest.Aligned = &AlignedResult{Path: o.Against[c.aligned.index].Path, L2: c.aligned.l2}
			}
			if c.group == GroupGenerated && r.Zoo != nil {
				m.Kind = c.kind(r.Zoo.usual(), r.Zoo.Values)
			}
		}
		r.Models = append(r.Models, m)
	}
	if novel {
		r.Bar = o.Bar
		if r.Bar == 0 {
			r.Bar = max(0, summarize(top1(candidates[:len(o.Against)])).Mean-0.01)
		}
	}
	for start := 0; start < len(r.Models); {
		end := start
		for end < len(r.Models) && r.Models[end].Group == r.Models[start].Group {
			end++
		}
		g := r.sumUp(r.Models[start:end])
		if novel {
			group := candidates[start:end]
			g.Vote = vote(group, o.right)
			if g.Similarity != nil {
				g.Similarity.Within = within(group)
				for _, c := range group {
					g.Similarity.Pairs += c.pairs / float64(len(group))
				}
			}
		}
		r.Groups = append(r.Groups, g)
		if g.Name == GroupGenerated && !slices.Contains(o.Without, BaselineNearest) {
			r.Groups = append(r.Groups, r.nearestGroup(candidates[:len(o.Against)], candidates[start:end]))
		}
		start = end
	}
}

// right tells whether class is the label of an image.
func (o *Options) right(image int, class uint16) bool { return int(o.Data.Labels[image]) == int(class) }

// nearestGroup is each generated model's nearest original, for what they are.
func (r *Result) nearestGroup(originals, generated []*candidate) GroupResult {
	var models []ModelResult
	for _, c := range generated {
		m := ModelResult{Group: GroupNearest}
		score := originals[c.nearest().index].score
		m.Top1, m.Top5, m.ECE = float64(score.Correct)/float64(score.N), float64(score.Top5)/float64(score.N), score.Calibration.ECE()
		models = append(models, m)
	}
	return r.sumUp(models)
}

// sumUp is the result of a group of at least one model.
func (r *Result) sumUp(models []ModelResult) GroupResult {
	g := GroupResult{Name: models[0].Group, Count: len(models)}
	var top1, top5, ece, iou, l2, aligned, differs []float64
	for _, m := range models {
		top1, top5, ece = append(top1, m.Top1), append(top5, m.Top5), append(ece, m.ECE)
		if m.Nearest != nil {
			iou, l2, differs = append(iou, m.Nearest.IoU), append(l2, m.Nearest.L2), append(differs, m.Nearest.Disagreement)
			if m.Nearest.Aligned != nil {
				aligned = append(aligned, m.Nearest.Aligned.L2)
			}
		}
	}
	g.Top1, g.Top5, g.ECE = summarize(top1), summarize(top5), summarize(ece)
	if len(l2) == 0 {
		return g
	}
	s := summarize(iou)
	g.Similarity = &SimilarityResult{Mean: s.Mean, Max: s.Max}
	disagreement := summarize(differs).Mean
	g.Disagreement = &disagreement
	usual, far := 0.0, l2
	if r.Zoo != nil {
		usual = r.Zoo.NearestNeighbour
	}
	g.Distance = distances(l2, usual)
	if len(aligned) > 0 {
		if r.Zoo != nil {
			usual = r.Zoo.Aligned.NearestNeighbour
		}
		g.Aligned, far = distances(aligned, usual), aligned
	}
	if usual > 0 {
		for _, k := range novelRatios() {
			n := NovelResult{Ratio: k}
			for i := range far {
				if top1[i] >= r.Bar && far[i] >= k*usual {
					n.Share += 1 / float64(len(far))
				}
			}
			g.Novel = append(g.Novel, n)
		}
	}
	return g
}

// distances sums up a group's distances to the nearest originals, whose own is usual.
func distances(l2 []float64, usual float64) *DistanceResult {
	d := &DistanceResult{Min: slices.Min(l2), Median: median(l2)}
	if usual > 0 {
		min, ratio := d.Min/usual, d.Median/usual
		d.MinRatio, d.Ratio = &min, &ratio
	}
	return d
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
