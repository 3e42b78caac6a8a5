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
		{"Preprocessing", r.Data.Preprocess, false},
		{"Scored by", fmt.Sprintf("ONNX Runtime %s on %s, %s images/s", r.Runtime, r.Provider, thousands(int(math.Round(r.ImagesPerS)))), false},
		{"Seed of the baselines", fmt.Sprint(r.Seed), false},
	}
	if r.Data.Shift != "" {
		list = append(list, fact{"Changed before", r.Data.Shift, false})
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
