package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"rpg/evaluate"
)

// The places of a strip plot: names on the left, means on the right.
const (
	stripLeft  = 112.0
	stripRight = width - 58.0
	stripTop   = 26.0
	stripRow   = 27.0
)

// strip draws the accuracy of every model, one row for each group, with its mean
// and the mean's interval. a is the accuracies to show, in percent; what lies
// outside is a small arrow at the edge.
func strip(id, title string, r *evaluate.Result, a axis) template.HTML {
	groups := arranged(r.Groups)
	bottom := stripTop + stripRow*float64(len(groups))
	s := newSVG(id, title, "One row for each group, one mark for each model. "+stripWords(groups), bottom+46)
	a.from, a.to = stripLeft, stripRight
	s.text("head", "end", width, stripTop-10, "mean %")
	for _, t := range a.ticks(5) {
		x := a.at(t.value)
		s.line("grid", x, stripTop, x, bottom)
		s.text("tick", "middle", x, bottom+17, t.label)
	}
	s.text("axis", "middle", (stripLeft+stripRight)/2, bottom+38, "top-1 accuracy, %")
	for i, g := range groups {
		y := stripTop + stripRow*(float64(i)+0.5)
		s.line("grid", stripLeft, y, stripRight, y)
		s.groupName(g.Name, i > 0 && g.Name == groups[i-1].Name+aligned, y)
		s.text("value", "end", width, y+4.5, fmt.Sprintf("%.2f", 100*g.Top1.Mean))
		s.stripMarks(r, g, a, y)
	}
	return s.done()
}

func (s *svg) groupName(name string, follows bool, y float64) {
	class := "name"
	if follows {
		name, class = "aligned", "name minor"
	}
	s.text(class, "end", stripLeft-10, y+4.5, clip(name, 15))
}

// stripMarks draws the models of a group, then their mean and its interval.
func (s *svg) stripMarks(r *evaluate.Result, g evaluate.GroupResult, a axis, y float64) {
	f := familyOf(g.Name)
	s.open(marks(g.Name))
	left, right, k := 0, 0, 0
	for _, m := range r.Models {
		if m.Group != g.Name {
			continue
		}
		x := 100 * m.Top1
		k++
		switch {
		case x < a.low:
			left++
		case x > a.high:
			right++
		default:
			// The golden ratio spreads neighbours; the order has no meaning.
			_, part := math.Modf(float64(k) * math.Phi)
			s.marker(f.shape, a.at(x), y+14*(part-0.5), 0.9*radius(g.Name, r.Groups), fmt.Sprintf("%s: %.2f %%", clip(m.Path, 60), x))
		}
	}
	s.close()
	mean := 100 * g.Top1.Mean
	if k == 0 { // a group without models of its own, as nearest
		left, right = count(mean < a.low), count(mean > a.high)
		if g.Top1.Max > g.Top1.Min {
			s.interval(a, 100*g.Top1.Min, 100*g.Top1.Max, y)
		}
	} else if half := 100 * meanInterval(g.Top1.Std, g.Count); half > 0 {
		s.interval(a, mean-half, mean+half, y)
	}
	if a.has(mean) {
		s.line("mean", a.at(mean), y-9, a.at(mean), y+9)
	}
	if left > 0 {
		s.add(`<path class="edge" d="M%s %sl7-4v8z"/>`, num(stripLeft-5), num(y))
	}
	if right > 0 {
		s.add(`<path class="edge" d="M%s %sl-7-4v8z"/>`, num(stripRight+5), num(y))
	}
}

// interval draws from low to high, as far as the axis goes.
func (s *svg) interval(a axis, low, high, y float64) {
	if low, high = max(low, a.low), min(high, a.high); high > low {
		s.line("interval", a.at(low), y, a.at(high), y)
	}
}

// marks are the classes of a group's markers.
func marks(group string) string {
	class := "marks " + familyOf(group).class
	if strings.HasSuffix(group, aligned) || group == evaluate.GroupNearest {
		class += " hollow"
	}
	return class
}

// stripWords say what a strip plot shows.
func stripWords(groups []evaluate.GroupResult) string {
	var list []string
	for _, g := range groups {
		list = append(list, fmt.Sprintf("%s %.2f %%", g.Name, 100*g.Top1.Mean))
	}
	return "Means: " + strings.Join(list, ", ") + "."
}

// meanInterval is half the 95 % interval of the mean of n values with this
// standard deviation, by Student's t; 0 for one value.
func meanInterval(std float64, n int) float64 {
	if n < 2 {
		return 0
	}
	return studentT95(n-1) * std / math.Sqrt(float64(n))
}

// studentT95 is the two-sided 95 % quantile of Student's t distribution: below ten
// degrees of freedom from a table, above by Fisher's expansion about the normal
// quantile (Abramowitz and Stegun 26.7.5), right to a ten-thousandth.
func studentT95(freedom int) float64 {
	table := [...]float64{12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622}
	if freedom <= len(table) {
		return table[max(freedom, 1)-1]
	}
	const z = 1.959963984540054
	n, z2 := float64(freedom), z*z
	return z + z*(z2+1)/(4*n) + z*((5*z2+16)*z2+3)/(96*n*n) + z*(((3*z2+19)*z2+17)*z2-15)/(384*n*n*n)
}

// clip keeps the end of a text, which tells paths apart.
func clip(text string, most int) string {
	r := []rune(text)
	if len(r) <= most {
		return text
	}
	return "…" + string(r[len(r)-most+1:])
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
