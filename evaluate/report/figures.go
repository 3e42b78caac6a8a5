package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"rpg/evaluate"
)

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
