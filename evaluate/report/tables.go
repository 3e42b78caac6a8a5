package report

import (
	"fmt"
	"html/template"
	"math"
	"path"
	"strconv"

	"rpg/evaluate"
)

// A table has a head and rows; the first cell of a row names it. The first Words
// cells stand to the left, numbers behind them to the right.
type table struct {
	Caption, Note string
	Head          []string
	Words         int // columns of words, the row's name among them
	Rows          []row
}

type row struct {
	Mark  template.HTML
	Name  string
	Title string // the whole of a name that is cut
	Cells []string
}

// Left tells whether cell i behind the row's name stands to the left.
func (t table) Left(i int) bool { return i+1 < t.Words }

func novelTable(r *evaluate.Result) *table {
	t := &table{Words: 1, Caption: "Models that are new and good, %",
		Note: fmt.Sprintf("The part of each group that has top-1 of at least %.2f %% and lies at least ratio times as far from its nearest original as the originals do from theirs.", 100*r.Bar)}
	for _, g := range arranged(r.Groups) {
		if len(g.Novel) == 0 {
			continue
		}
		if t.Head == nil {
			t.Head = []string{"group"}
			for _, n := range g.Novel {
				t.Head = append(t.Head, "ratio "+strconv.FormatFloat(n.Ratio, 'g', 4, 64))
			}
		}
		line := row{Mark: mark(g.Name), Name: g.Name}
		for _, n := range g.Novel {
			line.Cells = append(line.Cells, fmt.Sprintf("%.0f", 100*n.Share))
		}
		if len(line.Cells) == len(t.Head)-1 {
			t.Rows = append(t.Rows, line)
		}
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return t
}

func accuracyTable(r *evaluate.Result) table {
	t := table{Words: 1, Caption: "Accuracy of the groups, %",
		Note: "± is the standard deviation over the models. vote: the majority of the group's first models, 16 at most, and what it gains over their mean, in points. ECE: expected calibration error, the mean distance between confidence and accuracy.",
		Head: []string{"group", "models", "top-1", "±", "lowest", "highest", "top-5", "±", "lowest", "highest", "ECE", "±", "vote", "of", "gain"}}
	miscalibrated := calibration(r)
	for _, g := range arranged(r.Groups) {
		line := row{Mark: mark(g.Name), Name: g.Name, Cells: []string{strconv.Itoa(g.Count)}}
		for _, s := range []evaluate.Summary{g.Top1, g.Top5} {
			line.Cells = append(line.Cells, percent(s.Mean), percent(s.Std), percent(s.Min), percent(s.Max))
		}
		line.Cells = append(line.Cells, miscalibrated(g.ECE.Mean), miscalibrated(g.ECE.Std))
		if v := g.Vote; v != nil {
			line.Cells = append(line.Cells, percent(v.Top1), strconv.Itoa(v.Models), signed(100*v.Gain))
		} else {
			line.Cells = append(line.Cells, none, none, none)
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}

// calibration writes calibration errors. Results of before they were measured
// have none at all.
func calibration(r *evaluate.Result) func(x float64) string {
	for _, m := range r.Models {
		if m.ECE != 0 {
			return percent
		}
	}
	return func(float64) string { return none }
}

func likenessTable(r *evaluate.Result) *table {
	t := &table{Words: 1, Caption: "How alike the groups are to the originals",
		Note: "max IoU: overlap of wrong predictions with the most alike original, mean over the models, and the highest. pairs: mean over all pairs of a model and an original; within: over the pairs of the group. " +
			"differs: images to which a model and its nearest original give different classes. Distances in token space to the nearest original; ratios over the originals' own.",
		Head: []string{"group", "max IoU", "highest", "pairs", "within", "differs %", "distance, least", "median", "ratio, least", "median"}}
	moved := aligning(r)
	switch {
	case moved:
		t.Head = append(t.Head, "aligned, least", "median", "ratio, least", "median")
		t.Note += " aligned: the same after the channels of all models were put in one order."
	case r.Zoo != nil && r.Zoo.Aligned != nil:
		t.Note += " Distances are the same after the channels of all models were put in one order."
	}
	for _, g := range arranged(r.Groups) {
		if g.Similarity == nil && g.Distance == nil {
			continue
		}
		line := row{Mark: mark(g.Name), Name: g.Name}
		if s := g.Similarity; s != nil {
			line.Cells = append(line.Cells, fixed(s.Mean, 3), fixed(s.Max, 3), fixed(s.Pairs, 3), optional(s.Within, func(x float64) string { return fixed(x, 3) }))
		} else {
			line.Cells = append(line.Cells, none, none, none, none)
		}
		line.Cells = append(line.Cells, optional(g.Disagreement, percent))
		for i, d := range []*evaluate.DistanceResult{g.Distance, g.Aligned} {
			switch {
			case i == 1 && !moved:
				continue
			case d == nil:
				line.Cells = append(line.Cells, none, none, none, none)
				continue
			}
			line.Cells = append(line.Cells, digits(d.Min, 4), digits(d.Median, 4), ratio(d.MinRatio), ratio(d.Ratio))
		}
		t.Rows = append(t.Rows, line)
	}
	if len(t.Rows) == 0 {
		return nil
	}
	return t
}

// aligning tells whether distances differ after permutation alignment.
func aligning(r *evaluate.Result) bool {
	for _, g := range r.Groups {
		if d, a := g.Distance, g.Aligned; d != nil && a != nil &&
			(math.Abs(d.Min-a.Min) > 1e-6*d.Min || math.Abs(d.Median-a.Median) > 1e-6*d.Median) {
			return true
		}
	}
	return false
}

// modelTable is every model that is neither an original nor a baseline.
func modelTable(r *evaluate.Result, generations []*Generation) table {
	made := map[string]Made{}
	for _, g := range generations {
		for _, m := range g.Models {
			made[m.Path] = m
		}
	}
	known, compared := false, false
	for _, m := range r.Models {
		if m.Group == evaluate.GroupModels || m.Group == evaluate.GroupGenerated {
			_, ok := made[m.Path]
			known, compared = known || ok, compared || m.Nearest != nil
		}
	}
	moved := aligning(r)
	t := table{Words: 1, Caption: "Generated models", Head: []string{"model"},
		Note: "The interval is Wilson's, at 95 %."}
	if !compared {
		t.Caption = "Models"
	} else {
		t.Note += " p: McNemar's exact test that the model and its nearest original are equally accurate, on the same images. to mean: distance to the originals' mean. cosine: between the ways from the nearest original to the model and to that mean."
		t.Words, t.Head = 3, append(t.Head, "kind", "nearest")
	}
	if known {
		t.Head = append(t.Head, "seed", "state")
	}
	t.Head = append(t.Head, "right", "top-1 %", "95 % interval", "top-5 %", "ECE %")
	if compared {
		t.Head = append(t.Head, "differs %", "p", "max IoU", "distance", "ratio", "to mean", "cosine")
		if moved {
			t.Head = append(t.Head, "aligned")
		}
	}
	unit, _ := distanceUnit(r)
	miscalibrated := calibration(r)
	for _, m := range r.Models {
		if m.Group != evaluate.GroupModels && m.Group != evaluate.GroupGenerated {
			continue
		}
		line := named(m.Path)
		if compared {
			near := none
			if m.Nearest != nil {
				near = clip(path.Base(m.Nearest.Path), 30)
				if m.Nearest.Aligned != nil {
					near = clip(path.Base(m.Nearest.Aligned.Path), 30)
				}
			}
			line.Cells = append(line.Cells, orNone(m.Kind), near)
		}
		if known {
			if g, ok := made[m.Path]; ok {
				line.Cells = append(line.Cells, strconv.FormatUint(g.Seed, 10), orNone(g.State))
			} else {
				line.Cells = append(line.Cells, none, none)
			}
		}
		line.Cells = append(line.Cells, thousands(m.Correct), percent(m.Top1), percent(m.Top1Low)+" to "+percent(m.Top1High), percent(m.Top5), miscalibrated(m.ECE))
		if compared {
			cells := nearestCells(m.Nearest, unit)
			line.Cells = append(line.Cells, cells[:len(t.Head)-1-len(line.Cells)]...)
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}

func nearestCells(n *evaluate.NearestResult, unit float64) []string {
	if n == nil {
		return []string{none, none, none, none, none, none, none, none}
	}
	far, after := n.L2, none
	if n.Aligned != nil {
		far, after = n.Aligned.L2, digits(n.Aligned.L2, 4)
	}
	over := none
	if unit != 1 {
		x := far / unit
		over = ratio(&x)
	}
	return []string{percent(n.Disagreement), chance(n.P), fixed(n.IoU, 3), digits(n.L2, 4), over, digits(n.MeanL2, 4), fixed(n.Cosine, 2), after}
}

// allTable is every model there is, originals and baselines too.
func allTable(r *evaluate.Result) *table {
	if groupOf(r, evaluate.GroupOriginals) == nil {
		return nil
	}
	t := &table{Words: 2, Caption: "Every model: originals, generated models, baselines", Head: []string{"model", "group", "right", "top-1 %", "95 % interval", "top-5 %", "ECE %", "max IoU", "distance", "aligned"}}
	miscalibrated := calibration(r)
	for _, m := range r.Models {
		line := named(m.Path)
		line.Cells = []string{m.Group, thousands(m.Correct), percent(m.Top1), percent(m.Top1Low) + " to " + percent(m.Top1High), percent(m.Top5), miscalibrated(m.ECE), none, none, none}
		if n := m.Nearest; n != nil {
			line.Cells[6], line.Cells[7] = fixed(n.IoU, 3), digits(n.L2, 4)
			if n.Aligned != nil {
				line.Cells[8] = digits(n.Aligned.L2, 4)
			}
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}

// timeTable is how long each stage took, as far as the page knows; nil if it
// knows nothing.
func timeTable(p Page) *table {
	t := &table{Words: 1, Caption: "Time by stage", Head: []string{"stage", "seconds", "%"}}
	var seconds []float64
	add := func(name string, s float64) {
		t.Rows = append(t.Rows, row{Name: name})
		seconds = append(seconds, s)
	}
	for _, run := range p.Runs {
		if len(run.Steps) > 0 {
			if len(run.Evals) > 0 {
				t.Note = "Training includes scoring the models that were sampled on its way."
			}
			add(fmt.Sprintf("training %s, %s", run.Dir, plural(len(run.Steps), "step")), trainingSeconds(run.Steps))
		}
	}
	for _, g := range p.Generations {
		add(fmt.Sprintf("generating %s: loading", plural(len(g.Models), "model")), g.Seconds.Load)
		add("generating: prototypes", g.Seconds.Prototypes)
		add("generating: denoising", g.Seconds.Denoise)
		add("generating: writing", g.Seconds.Write)
	}
	for _, r := range p.Results {
		if scored := len(r.Models) - r.Kept; scored > 0 && r.ImagesPerS > 0 {
			add(fmt.Sprintf("scoring %s on %s", plural(scored, "model"), r.Data.Name), float64(scored)*float64(r.Data.Images)/r.ImagesPerS)
		}
	}
	total := 0.0
	for _, s := range seconds {
		total += s
	}
	if len(seconds) == 0 || total <= 0 {
		return nil
	}
	for i, s := range seconds {
		t.Rows[i].Cells = []string{fixed(s, 2), fixed(100*s/total, 1)}
	}
	return t
}

// trainingSeconds adds up what each process took: the time since its beginning
// falls where a resumed training begins.
func trainingSeconds(steps []Step) float64 {
	sum, last := 0.0, 0.0
	for _, s := range steps {
		if s.Elapsed < last {
			sum += last
		}
		last = s.Elapsed
	}
	return sum + last
}

// named is a row for a file, with the end of a long path.
func named(file string) row {
	if name := short(file); name != file {
		return row{Name: name, Title: file}
	}
	return row{Name: file}
}

// short is a path, or of a long one its end.
func short(file string) string {
	const most = 34
	if len([]rune(file)) <= most {
		return file
	}
	return clip("…/"+path.Base(file), most)
}
