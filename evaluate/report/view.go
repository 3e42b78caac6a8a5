package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"rpg/evaluate"
)

// view is what the template shows, every figure and number as it is written.
type view struct {
	Title    string
	Results  []resultView
	Runs     []runView
	Times    *table
	Commands []commandView
	Facts    []fact
}

// resultView is one evaluation.
type resultView struct {
	ID       string
	Heading  string // for several evaluations on one page
	Answer   string
	Tiles    []tile
	Verdicts []string
	Figures  []figure
	Tables   []table
	All      *table // every model, folded away
	Facts    []fact
}

// runView is one training.
type runView struct {
	Heading  string
	Figures  []figure
	Settings table
	Facts    []fact
}

type (
	tile   struct{ Name, Value, Unit, Note string }
	figure struct {
		Heading, Caption string
		Panels           []template.HTML
		Legend           []legendEntry
	}
	legendEntry struct {
		Mark template.HTML
		Name string
	}
	commandView struct{ What, Text string }
	fact        struct {
		Name, Value string
		Code        bool // a hash or a name: fixed width
	}
)

func newView(p Page) view {
	v := view{Title: "rpg report"}
	for i, r := range p.Results {
		v.Results = append(v.Results, newResultView(fmt.Sprintf("e%d", i+1), r, p.Generations))
		if len(p.Results) > 1 {
			v.Results[i].Heading = heading(r)
		}
	}
	if len(p.Results) == 1 {
		v.Title = heading(p.Results[0])
	} else if len(p.Results) > 1 {
		v.Title = fmt.Sprintf("%d evaluations", len(p.Results))
	} else if len(p.Runs) > 0 {
		v.Title = "Training " + p.Runs[0].Dir
	}
	originals := 0.0
	if len(p.Results) == 1 {
		if g := groupOf(p.Results[0], evaluate.GroupOriginals); g != nil {
			originals = g.Top1.Mean
		}
	}
	for i, t := range p.Runs {
		v.Runs = append(v.Runs, newRunView(fmt.Sprintf("t%d", i+1), t, originals))
	}
	v.Times = timeTable(p)
	v.Commands = commands(p)
	if p.Version != "" {
		v.Facts = append(v.Facts, fact{"Report written by", "rpg " + p.Version, false})
	}
	return v
}

func heading(r *evaluate.Result) string {
	g, o := groupOf(r, evaluate.GroupGenerated), groupOf(r, evaluate.GroupOriginals)
	data := r.Data.Name
	if r.Data.Shift != "" {
		data += " with " + r.Data.Shift
	}
	if g != nil && o != nil {
		return fmt.Sprintf("%s and %s on %s", plural(g.Count, "generated model"), plural(o.Count, "original"), data)
	}
	return fmt.Sprintf("%s on %s", plural(len(r.Models), "model"), data)
}

func newResultView(id string, r *evaluate.Result, made []*Generation) resultView {
	v := resultView{ID: id, Answer: together(answer(r)), Tiles: tiles(r)}
	for _, s := range r.Verdicts {
		v.Verdicts = append(v.Verdicts, together(s))
	}
	if r.Paired != nil {
		v.Verdicts = append(v.Verdicts, together(r.Paired.String()))
	}
	v.Figures = append(v.Figures, accuracyFigure(id, r))
	if groupOf(r, evaluate.GroupOriginals) != nil {
		v.Figures = append(v.Figures, noveltyFigures(id, r)...)
		if t := novelTable(r); t != nil {
			v.Tables = append(v.Tables, *t)
		}
	}
	v.Tables = append(v.Tables, accuracyTable(r))
	if t := likenessTable(r); t != nil {
		v.Tables = append(v.Tables, *t)
	}
	v.Tables = append(v.Tables, modelTable(r, made))
	v.All = allTable(r)
	v.Facts = resultFacts(r)
	return v
}

// together keeps a percent sign on the line of its number.
func together(text string) string { return strings.ReplaceAll(text, " %", "\u00a0%") }

func groupOf(r *evaluate.Result, name string) *evaluate.GroupResult {
	for i := range r.Groups {
		if r.Groups[i].Name == name {
			return &r.Groups[i]
		}
	}
	return nil
}

// answer is the result in one sentence, of figures alone: what they allow to say
// is in the verdicts.
func answer(r *evaluate.Result) string {
	g, o := groupOf(r, evaluate.GroupGenerated), groupOf(r, evaluate.GroupOriginals)
	if g == nil || o == nil {
		low, high := math.Inf(1), math.Inf(-1)
		for _, m := range r.Models {
			low, high = min(low, 100*m.Top1), max(high, 100*m.Top1)
		}
		if low == high {
			return fmt.Sprintf("Top-1 accuracy is %.2f %% of %s images.", low, thousands(r.Data.Images))
		}
		return fmt.Sprintf("Top-1 accuracy is %.2f to %.2f %% of %s images.", low, high, thousands(r.Data.Images))
	}
	text := fmt.Sprintf("The generated models reach %.2f %% top-1 on average, the originals %.2f %%", 100*g.Top1.Mean, 100*o.Top1.Mean)
	if d := judged(g); d != nil && d.Ratio != nil {
		text += fmt.Sprintf("; from their nearest original they lie %s times as far as the originals do from each other", digits(*d.Ratio, 2))
	}
	if kinds := kinds(r); len(kinds) > 0 {
		text += "; " + strings.Join(kinds, ", ")
	}
	return text + "."
}

// kinds counts the generated models by what they are.
func kinds(r *evaluate.Result) []string {
	counts, n := map[string]int{}, 0
	for _, m := range r.Models {
		if m.Group == evaluate.GroupGenerated && m.Kind != "" {
			counts[m.Kind]++
			n++
		}
	}
	var list []string
	for _, k := range []string{evaluate.KindCopy, evaluate.KindNoise, evaluate.KindAverage} {
		if c := counts[k]; c > 0 {
			name := k
			if k == evaluate.KindCopy {
				name = "copies of an original"
			}
			list = append(list, fmt.Sprintf("%d of %d are %s", c, n, name))
		}
	}
	if n > 0 && len(list) == 0 {
		list = append(list, "none is a copy, noise-like or average-like")
	}
	return list
}

// judged is the distance that novelty is judged by.
func judged(g *evaluate.GroupResult) *evaluate.DistanceResult {
	if g.Aligned != nil {
		return g.Aligned
	}
	return g.Distance
}

func tiles(r *evaluate.Result) []tile {
	g, o := groupOf(r, evaluate.GroupGenerated), groupOf(r, evaluate.GroupOriginals)
	if g == nil || o == nil {
		return nil
	}
	spread := func(s evaluate.Summary) string {
		return fmt.Sprintf("± %.2f over the models", 100*s.Std)
	}
	list := []tile{
		{"Top-1, generated", fmt.Sprintf("%.2f", 100*g.Top1.Mean), "%", spread(g.Top1)},
		{"Top-1, originals", fmt.Sprintf("%.2f", 100*o.Top1.Mean), "%", spread(o.Top1)},
	}
	if d := judged(g); d != nil && d.Ratio != nil {
		list = append(list, tile{"Distance ratio", ratio(d.Ratio), "", "median; 1 is the originals' own"})
	}
	if g.Similarity != nil && o.Similarity != nil {
		list = append(list, tile{"Overlap of errors", fmt.Sprintf("%.3f", g.Similarity.Mean), "", fmt.Sprintf("max IoU; originals %.3f", o.Similarity.Mean)})
	}
	if z := r.Zoo; z != nil {
		list = append(list, tile{"The originals are", z.Kind, "", fmt.Sprintf("%s %% of the variance lies between them", digits(100*z.Spread, 2))})
	}
	return list
}

// accuracyFigure is every model of every group, all of them and, where that
// shows more, the range of most originals and generated models.
func accuracyFigure(id string, r *evaluate.Result) figure {
	var all []float64
	for _, m := range r.Models {
		all = append(all, 100*m.Top1)
	}
	for _, g := range r.Groups {
		all = append(all, 100*g.Top1.Mean)
	}
	f := figure{Heading: "Accuracy of every model", Legend: legend(r, false)}
	whole := span(all, 0.04).between(0, 100)
	f.Panels = append(f.Panels, strip(id+"-top1", "Top-1 accuracy of every model, by group", r, whole))
	f.Caption = "Each mark is a model; within a row the height has no meaning. The upright line is the group's mean, the bar through it the mean's 95 % interval over the models (Student's t)."
	if detail, of, ok := detailOf(r, whole); ok {
		f.Panels = append(f.Panels, strip(id+"-top1-detail", "Top-1 accuracy around the "+of, r, detail))
		f.Caption += " The second panel is the same around the " + of + "; a small arrow at its edge stands for models beyond it."
	}
	if o := groupOf(r, evaluate.GroupOriginals); o != nil && o.Count > 0 {
		p := o.Top1.Mean
		f.Caption += fmt.Sprintf(" All models saw the same %s images; with others every row would shift by about ± %.2f points.", thousands(r.Data.Images), 196*math.Sqrt(p*(1-p)/float64(r.Data.Images)))
	}
	return f
}

// detailOf is the range of most originals and generated models, or where they
// differ as much as the rest, of most originals; and what it is of. It is only
// worth a figure when it is much less than the whole.
func detailOf(r *evaluate.Result, whole axis) (a axis, of string, ok bool) {
	var values []float64
	for _, name := range []string{evaluate.GroupOriginals, evaluate.GroupGenerated} {
		var group []float64
		for _, m := range r.Models {
			if m.Group == name {
				group = append(group, 100*m.Top1)
			}
		}
		if len(group) == 0 {
			continue
		}
		values = append(values, usual(group)...)
		b := span(values, 0.15).between(0, 100)
		if b.high-b.low < 0.5*(whole.high-whole.low) {
			a, ok = b, true
			of = "originals"
			if name == evaluate.GroupGenerated {
				of = "originals and generated models"
			}
		}
	}
	return a, of, ok
}

// noveltyFigures are accuracy against the overlap of errors, as in the paper, and
// against the distance to the nearest original.
func noveltyFigures(id string, r *evaluate.Result) []figure {
	var alike, far []point
	unit, named := distanceUnit(r)
	zeros := 0
	for _, m := range r.Models {
		n := m.Nearest
		if n == nil {
			continue
		}
		p := point{y: 100 * m.Top1, group: m.Group}
		p.x, p.name = n.IoU, fmt.Sprintf("%s: %.2f %%, max IoU %.3f", clip(m.Path, 60), p.y, n.IoU)
		alike = append(alike, p)
		l2 := n.L2
		if n.Aligned != nil {
			l2 = n.Aligned.L2
		}
		p.x, p.name = l2/unit, fmt.Sprintf("%s: %.2f %%, %s %s", clip(m.Path, 60), p.y, named, digits(l2/unit, 3))
		if p.x > least {
			far = append(far, p)
		} else {
			zeros++
		}
	}
	var list []figure
	if len(alike) > 0 {
		list = append(list, scatterFigure(r, scatter{id: id + "-iou", title: "Accuracy against similarity", xLabel: "max IoU of wrong predictions (1: the same mistakes)", points: alike},
			"Similarity is the largest overlap (intersection over union) of a model's wrong predictions with those of an original, itself excluded. New and good models stand high on the left.", 0))
	}
	if len(far) > 0 {
		c := scatter{id: id + "-distance", title: "Accuracy against distance", xLabel: named + " (logarithmic)", points: far}
		text := "Distance in token space to the nearest original, itself excluded."
		if unit != 1 {
			text = "Distance in token space to the nearest original, itself excluded, over the originals' median distance to theirs (the line at 1). New and good models stand high on the right."
			c.xRule = &rule{1, ""}
		}
		if r.Zoo != nil && r.Zoo.Aligned != nil {
			text += " Distances are measured after the channels of all models were put in one order."
		}
		list = append(list, scatterFigure(r, c, text, zeros))
	}
	return list
}

// distanceUnit is what distances are divided by, and the name of the quotient.
func distanceUnit(r *evaluate.Result) (float64, string) {
	unit := 0.0
	if z := r.Zoo; z != nil {
		unit = z.NearestNeighbour
		if z.Aligned != nil {
			unit = z.Aligned.NearestNeighbour
		}
	}
	switch {
	case !(unit > 0):
		return 1, "distance"
	case r.Zoo.Aligned != nil:
		return unit, "aligned distance ratio"
	}
	return unit, "distance ratio"
}

func scatterFigure(r *evaluate.Result, c scatter, caption string, zeros int) figure {
	f := figure{Heading: c.title, Caption: caption, Legend: legend(r, true)}
	c.groups = r.Groups
	c.yRule = &rule{100 * r.Bar, fmt.Sprintf("good from %.2f", 100*r.Bar)}
	across := func(points []point) axis {
		var x []float64
		for _, p := range points {
			x = append(x, p.x)
		}
		if c.id[len(c.id)-3:] == "iou" {
			return span(x, 0.06).between(0, 1)
		}
		return logSpan(x, 0.06)
	}
	var y []float64
	for _, p := range c.points {
		y = append(y, p.y)
	}
	c.x, c.y = across(c.points), span(y, 0.06).between(0, 100)
	f.Panels = append(f.Panels, c.draw())
	if detail, of, ok := detailOf(r, c.y); ok {
		c.id, c.title, c.y = c.id+"-detail", c.title+", around the "+of, detail
		if within := c.shown(); len(within) > 1 {
			c.x = across(within)
			f.Panels = append(f.Panels, c.draw())
			f.Caption += fmt.Sprintf(" The second panel is the same around the %s; %s %s beyond it.", of, plural(len(c.points)-len(within), "model"), lie(len(c.points)-len(within)))
		}
	}
	if zeros > 0 {
		f.Caption += fmt.Sprintf(" Not shown: %s at no distance at all.", plural(zeros, "model"))
	}
	return f
}

// legend are the looks of the groups, each once; of those that have models, if
// only they are drawn.
func legend(r *evaluate.Result, withModels bool) []legendEntry {
	var list []legendEntry
	seen, hollow := map[string]bool{}, false
	if withModels {
		seen[evaluate.GroupNearest] = true
	}
	for _, g := range arranged(r.Groups) {
		f := familyOf(g.Name)
		hollow = hollow || strings.HasSuffix(g.Name, aligned)
		if seen[f.class] || strings.HasSuffix(g.Name, aligned) {
			continue
		}
		seen[f.class] = true
		name := g.Name
		if f.class == "noise" {
			name = "noise, larger marks for more"
		}
		list = append(list, legendEntry{mark(g.Name), name})
	}
	if hollow {
		list = append(list, legendEntry{mark(evaluate.GroupAverage + aligned), "hollow: of aligned originals"})
	}
	return list
}

// mark is a group's marker alone, as in legends and tables.
func mark(group string) template.HTML {
	var s svg
	s.add(`<svg class="mark" viewBox="0 0 16 16" aria-hidden="true">`)
	s.open(marks(group))
	s.marker(familyOf(group).shape, 8, 8, 4.2, "")
	s.close()
	return s.done()
}

func newRunView(id string, t *Training, originals float64) runView {
	v := runView{Heading: "Training " + t.Dir}
	var panels []template.HTML
	if c := lossCurve(id+"-loss", t); c != "" {
		panels = append(panels, c)
	}
	if c := evalCurve(id+"-top1", t, originals); c != "" {
		panels = append(panels, c)
	}
	if len(panels) > 0 {
		f := figure{Heading: "Loss over training", Panels: panels,
			Caption: "The line is the loss, averaged over a twentieth of the training; the area behind it is the range of single steps."}
		if len(panels) > 1 || len(t.Steps) == 0 {
			f.Heading = "Loss and sampled accuracy over training"
			f.Caption += " The marks are models sampled during training, with their standard deviation."
		}
		v.Figures = append(v.Figures, f)
	}
	v.Settings = table{Caption: "Settings of the training", Head: []string{"setting", "value", "from"}, Words: 3}
	for _, s := range t.Settings {
		v.Settings.Rows = append(v.Settings.Rows, row{Name: s.Key, Cells: []string{s.Value, s.Origin}})
	}
	v.Facts = []fact{{"Learned from", plural(t.Models, "model"), false}, {"SHA-256 of their tokens", t.ZooSHA256, true},
		{"Signature of their graph", t.Signature, true}, {"SHA-256 of the settings", t.ConfigSHA256, true}}
	return v
}

func resultFacts(r *evaluate.Result) []fact {
	list := []fact{
		{"Images", fmt.Sprintf("%s, %s images", r.Data.Name, thousands(r.Data.Images)), false},
		{"SHA-256 of the images", r.Data.SHA256, true},
		{"Changed before", orNone(r.Data.Shift), false},
		{"Preprocessing", r.Data.Preprocess, false},
		{"Scored by", fmt.Sprintf("ONNX Runtime %s on %s, %s images/s", r.Runtime, r.Provider, thousands(int(math.Round(r.ImagesPerS)))), false},
		{"Seed of the baselines", fmt.Sprint(r.Seed), false},
	}
	if r.Bar > 0 {
		list = append(list, fact{"A model is good from", fmt.Sprintf("%.2f %% top-1", 100*r.Bar), false})
	}
	if z := r.Zoo; z != nil {
		list = append(list, fact{"Generated values of a model", thousands(z.Values), false})
	}
	if r.Version != "" {
		list = append(list, fact{"Evaluated by", "rpg " + r.Version, false})
	}
	for _, n := range slices.Concat(r.Data.Notes, r.Notes) {
		list = append(list, fact{"Note", n, false})
	}
	for _, b := range r.Data.Skipped {
		list = append(list, fact{"Left out", b.Name + ": " + b.What, false})
	}
	for _, b := range r.Data.Damaged {
		list = append(list, fact{"Damaged, but scored", b.Name + ": " + b.What, false})
	}
	return list
}

func commands(p Page) []commandView {
	var list []commandView
	for _, t := range p.Runs {
		list = append(list, commandView{"train, as " + t.Dir + "/config.json has it", trainCommand(t)})
	}
	for _, g := range p.Generations {
		if len(g.Command) > 0 {
			list = append(list, commandView{"generate", commandText(g.Command)})
		}
	}
	for _, r := range p.Results {
		if len(r.Command) > 0 {
			list = append(list, commandView{"evaluate", commandText(r.Command)})
		}
	}
	if len(p.Command) > 0 {
		list = append(list, commandView{"report", commandText(p.Command)})
	}
	return list
}
