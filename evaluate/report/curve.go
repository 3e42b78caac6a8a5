package report

import (
	"fmt"
	"html/template"
	"math"
)

const curveBottom = 250.0

// buckets is how many points a curve is drawn with at most.
const buckets = 80

// A stretch of a training: the mean of the losses and their range.
type stretch struct{ step, mean, low, high float64 }

// stretches cuts the steps into at most n parts of equal length.
func stretches(steps []Step, n int) []stretch {
	size := (len(steps) + n - 1) / n
	var list []stretch
	for i := 0; i < len(steps); i += size {
		part := steps[i:min(i+size, len(steps))]
		b := stretch{low: math.Inf(1), high: math.Inf(-1)}
		for _, s := range part {
			b.step += float64(s.Step) / float64(len(part))
			b.mean += s.Loss / float64(len(part))
			b.low, b.high = min(b.low, s.Loss), max(b.high, s.Loss)
		}
		list = append(list, b)
	}
	return list
}

// lossCurve draws the loss over the steps, smoothed, with the range of single
// steps behind it. It is empty without two steps.
func lossCurve(id string, t *Training) template.HTML {
	list := stretches(t.Steps, buckets)
	if len(list) < 2 {
		return ""
	}
	var values []float64
	for _, b := range list {
		values = append(values, b.low, b.high)
	}
	y := span(values, 0.04)
	yLabel := "loss"
	if low := usualLow(values); low > 0 && y.high/low > 20 {
		y, yLabel = logSpan(values, 0.04), "loss (logarithmic)"
	}
	x := axis{low: 0, high: max(1, float64(t.Steps[len(t.Steps)-1].Step))}
	first, last := list[0].mean, list[len(list)-1].mean
	s := newSVG(id, "Loss over training", fmt.Sprintf("From %s at step %d to %s at step %d.", digits(first, 3), t.Steps[0].Step, digits(last, 3), t.Steps[len(t.Steps)-1].Step), curveBottom+54)
	x.from, x.to, y.from, y.to = plotLeft, plotRight, curveBottom, plotTop
	s.frame(x, y, "training step", yLabel)
	// The line is the mean over a twentieth of the training around each place.
	reach := max(1, len(list)/40)
	s.add(`<path class="range" d="`)
	for i, b := range list {
		s.add("%s%s %s", letter(i), num(x.at(b.step)), num(y.at(b.high)))
	}
	for i := len(list) - 1; i >= 0; i-- {
		s.add("L%s %s", num(x.at(list[i].step)), num(y.at(list[i].low)))
	}
	s.add(`z"/><path class="curve" d="`)
	for i := range list {
		sum, n := 0.0, 0.0
		for _, b := range list[max(0, i-reach):min(len(list), i+reach+1)] {
			v := b.mean
			if y.log {
				v = math.Log(max(v, y.low))
			}
			sum, n = sum+v, n+1
		}
		v := sum / n
		if y.log {
			v = math.Exp(v)
		}
		s.add("%s%s %s", letter(i), num(x.at(list[i].step)), num(y.at(v)))
	}
	s.add(`"/>`)
	return s.done()
}

func letter(i int) string {
	if i == 0 {
		return "M"
	}
	return "L"
}

// usualLow is the lowest value, 0 if one is not positive: then there is no logarithm.
func usualLow(values []float64) float64 {
	low := math.Inf(1)
	for _, v := range values {
		if !(v > least*least) { // or so small that its logarithm cannot be drawn
			return 0
		}
		low = min(low, v)
	}
	return low
}

// evalCurve draws the accuracy of models sampled during training, with their
// standard deviation. It is empty without evaluations.
func evalCurve(id string, t *Training, originals float64) template.HTML {
	if len(t.Evals) == 0 {
		return ""
	}
	var values []float64
	for _, e := range t.Evals {
		values = append(values, 100*(e.Mean-e.Std), 100*(e.Mean+e.Std))
	}
	if originals > 0 {
		values = append(values, 100*originals)
	}
	y := span(values, 0.08).between(0, 100)
	x := axis{low: 0, high: float64(t.Evals[len(t.Evals)-1].Step)}
	if n := len(t.Steps); n > 0 {
		x.high = max(x.high, float64(t.Steps[n-1].Step))
	}
	x.high = max(x.high, 1)
	last := t.Evals[len(t.Evals)-1]
	s := newSVG(id, "Accuracy of sampled models over training", fmt.Sprintf("%d evaluations; the last, at step %d, is %.2f %%.", len(t.Evals), last.Step, 100*last.Mean), curveBottom+54)
	x.from, x.to, y.from, y.to = plotLeft, plotRight, curveBottom, plotTop
	s.frame(x, y, "training step", "top-1 of sampled models, %")
	if originals > 0 {
		s.line("rule", plotLeft, y.at(100*originals), plotRight, y.at(100*originals))
		s.text("tag", "start", plotLeft+4, y.at(100*originals)+14, fmt.Sprintf("originals %.2f", 100*originals))
	}
	s.add(`<path class="curve thin" d="`)
	for i, e := range t.Evals {
		s.add("%s%s %s", letter(i), num(x.at(float64(e.Step))), num(y.at(100*e.Mean)))
	}
	s.add(`"/>`)
	for _, e := range t.Evals {
		at := x.at(float64(e.Step))
		if e.Std > 0 {
			s.line("spread", at, y.at(max(100*(e.Mean-e.Std), y.low)), at, y.at(min(100*(e.Mean+e.Std), y.high)))
		}
	}
	s.open("marks generated")
	for _, e := range t.Evals {
		s.marker("diamond", x.at(float64(e.Step)), y.at(100*e.Mean), 3.6, fmt.Sprintf("step %d: %.2f ± %.2f %%", e.Step, 100*e.Mean, 100*e.Std))
	}
	s.close()
	return s.done()
}
