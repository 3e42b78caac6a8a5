package report

import (
	"fmt"
	"html/template"
	"slices"

	"rpg/evaluate"
)

// The places of a scatter plot.
const (
	plotLeft   = 68.0
	plotRight  = width - 20.0
	plotTop    = 34.0
	plotBottom = 330.0
)

// A point is a model in a scatter plot: y is its accuracy in percent.
type point struct {
	x, y        float64
	group, name string
}

// A rule is a line across a plot at a value with a meaning.
type rule struct {
	at    float64
	label string
}

// scatter draws models by a measure of novelty and accuracy. Points outside the
// axes are not drawn; the caption counts them.
type scatter struct {
	id, title string
	xLabel    string
	points    []point
	groups    []evaluate.GroupResult
	x, y      axis
	xRule     *rule
	yRule     *rule
}

func (c scatter) draw() template.HTML {
	s := newSVG(c.id, c.title, fmt.Sprintf("Across: %s. Up: top-1 accuracy in percent. %d models.", c.xLabel, len(c.points)), plotBottom+54)
	c.x.from, c.x.to, c.y.from, c.y.to = plotLeft, plotRight, plotBottom, plotTop
	s.frame(c.x, c.y, c.xLabel, "top-1 accuracy, %")
	if c.yRule != nil && c.y.has(c.yRule.at) {
		s.line("rule", plotLeft, c.y.at(c.yRule.at), plotRight, c.y.at(c.yRule.at))
	}
	if c.xRule != nil && c.x.has(c.xRule.at) {
		s.line("rule", c.x.at(c.xRule.at), plotTop, c.x.at(c.xRule.at), plotBottom)
	}
	shown := c.shown()
	for _, g := range drawnLast(c.groups) {
		s.open(marks(g.Name))
		for _, p := range shown {
			if p.group == g.Name {
				s.marker(familyOf(g.Name).shape, c.x.at(p.x), c.y.at(p.y), radius(g.Name, c.groups), p.name)
			}
		}
		s.close()
	}
	c.label(s, shown)
	return s.done()
}

// frame draws the axes with ticks and titles.
func (s *svg) frame(x, y axis, xLabel, yLabel string) {
	bottom, top := y.from, y.to
	for _, t := range y.ticks(6) {
		s.line("grid", plotLeft, y.at(t.value), plotRight, y.at(t.value))
		s.text("tick", "end", plotLeft-7, y.at(t.value)+4.5, t.label)
	}
	for _, t := range x.ticks(6) {
		s.line("grid", x.at(t.value), top, x.at(t.value), bottom)
		s.text("tick", "middle", x.at(t.value), bottom+22, t.label)
	}
	s.text("axis", "start", 2, top-16, yLabel)
	s.text("axis", "middle", (plotLeft+plotRight)/2, bottom+45, xLabel)
}

// shown are the points within the axes.
func (c scatter) shown() []point {
	var list []point
	for _, p := range c.points {
		if c.x.has(p.x) && c.y.has(p.y) {
			list = append(list, p)
		}
	}
	return list
}

// drawnLast puts originals and generated models over the baselines.
func drawnLast(groups []evaluate.GroupResult) []evaluate.GroupResult {
	rank := func(g evaluate.GroupResult) int {
		switch familyOf(g.Name).class {
		case "generated":
			return 2
		case "originals":
			return 1
		}
		return 0
	}
	list := slices.Clone(groups)
	slices.SortStableFunc(list, func(a, b evaluate.GroupResult) int { return rank(a) - rank(b) })
	return list
}

// A box is a part of a figure that a mark or a text takes.
type box struct{ x0, y0, x1, y1 float64 }

// label names the line of good models and writes the size of each noise group
// beside its middle, both where no mark is in the way.
func (c scatter) label(s *svg, shown []point) {
	var taken []box
	for _, p := range shown {
		x, y := c.x.at(p.x), c.y.at(p.y)
		taken = append(taken, box{x - 4, y - 4, x + 4, y + 4})
	}
	// write puts a text in the middle of the first place that is free.
	write := func(class, text string, places [][2]float64) {
		half := 4.4 * float64(len(text))
		for _, at := range places {
			b := box{at[0] - half, at[1] - 8, at[0] + half, at[1] + 8}
			free := b.x0 >= plotLeft && b.x1 <= plotRight && b.y0 >= plotTop && b.y1 <= plotBottom
			for _, t := range taken {
				free = free && !(b.x0 < t.x1 && b.x1 > t.x0 && b.y0 < t.y1 && b.y1 > t.y0)
			}
			if free {
				taken = append(taken, b)
				s.text("tag "+class, "middle", at[0], at[1]+4.5, text)
				return
			}
		}
	}
	if c.yRule != nil && c.y.has(c.yRule.at) {
		y, half := c.y.at(c.yRule.at), 4.4*float64(len(c.yRule.label))+2
		var places [][2]float64
		for _, x := range []float64{plotLeft + half, plotRight - half, (plotLeft + plotRight) / 2} {
			places = append(places, [2]float64{x, y + 10}, [2]float64{x, y - 10})
		}
		write("minor", c.yRule.label, places)
		taken = append(taken, box{plotLeft, y - 1, plotRight, y + 1})
	}
	for _, g := range c.groups {
		var x, y, n float64
		for _, p := range shown {
			if p.group == g.Name {
				x, y, n = x+c.x.at(p.x), y+c.y.at(p.y), n+1
			}
		}
		size := noiseSize(g.Name)
		if n == 0 || size == "" {
			continue
		}
		x, y = x/n, y/n
		aside := 4.4*float64(len(size)) + 8
		write("noise-size", size, [][2]float64{{x - aside, y}, {x + aside, y}, {x - aside, y - 14}, {x + aside, y + 14},
			{x, y - 18}, {x, y + 18}, {x - aside - 18, y}, {x + aside + 18, y}})
	}
}
