package evaluate

import (
	"fmt"
	"math"
	"strings"
)

// farEnough is how many times farther from its nearest original than the
// originals from each other a generated model must lie to be called new.
const farEnough = 10

// verdicts says in sentences what the figures show, and only what their
// intervals support.
func verdicts(r *Result, candidates []*candidate) []string {
	groups := map[string][]*candidate{}
	for _, c := range candidates {
		groups[c.group] = append(groups[c.group], c)
	}
	list := []string{zooVerdict(r)}
	list = append(list, accuracyVerdict(groups[GroupGenerated], groups[GroupOriginals]))
	list = append(list, distanceVerdict(r, groups[GroupGenerated]))
	if v := overlapVerdict(r); v != "" {
		list = append(list, v)
	}
	for _, g := range r.Groups {
		if g.Name != GroupOriginals && g.Name != GroupGenerated {
			list = append(list, baselineVerdict(r, g, groups))
		}
	}
	return list
}

func zooVerdict(r *Result) string {
	z := r.Zoo
	if z == nil {
		return "There is only one original: what was learned from it can only be that model with changes, and nothing can be said about how far originals lie from each other."
	}
	facts := fmt.Sprintf("%s of the weights' variance lies between them, and their wrong predictions overlap by %.2f on average", percent(z.Spread), z.OriginalIoU)
	if z.Kind == OneTrajectory {
		return "The originals are one trajectory, in effect one network with a little jitter: " + facts + ". Good accuracy alone proves little here; compare with noise and average."
	}
	return "The originals are independent networks: " + facts + "."
}

// percent writes a fraction with two significant digits and no exponent.
func percent(f float64) string {
	digits := 0
	if f > 0 && f < 0.1 {
		digits = int(math.Ceil(-math.Log10(100*f))) + 1
	}
	return fmt.Sprintf("%.*f %%", max(digits, 0), 100*f)
}

// difference estimates mean accuracy of group a minus that of group b with its
// 95 % interval, as fractions. Both groups saw the same images, so the images
// count as pairs; the models of each group count as drawn from many.
func difference(a, b []*candidate) (d, low, high float64) {
	n := a[0].score.N
	var mean, squares float64
	for i := range n {
		x := rightShare(a, i) - rightShare(b, i)
		delta := x - mean
		mean += delta / float64(i+1)
		squares += delta * (x - mean)
	}
	variance := modelVariance(a) + modelVariance(b)
	if n > 1 {
		variance += squares / float64(n-1) / float64(n)
	}
	half := z95 * math.Sqrt(variance)
	return mean, mean - half, mean + half
}

// rightShare is the part of the models that are right on image i.
func rightShare(group []*candidate, i int) float64 {
	right := 0
	for _, c := range group {
		if !c.score.Wrong.Has(i) {
			right++
		}
	}
	return float64(right) / float64(len(group))
}

// modelVariance is the variance of a group's mean accuracy that comes from
// which models happen to be in it.
func modelVariance(group []*candidate) float64 {
	var top1 []float64
	for _, c := range group {
		top1 = append(top1, float64(c.score.Correct)/float64(c.score.N))
	}
	std := summarize(top1).Std
	return std * std / float64(len(group))
}

func accuracyVerdict(generated, originals []*candidate) string {
	d, low, high := difference(generated, originals)
	interval := fmt.Sprintf("%+.2f points (95 %% interval %+.2f to %+.2f)", 100*d, 100*low, 100*high)
	switch {
	case high < 0:
		return "The generated models are less accurate than the originals: mean top-1 differs by " + interval + "."
	case low > 0:
		return "The generated models are more accurate than the originals: mean top-1 differs by " + interval + "."
	}
	return "No difference in accuracy between generated models and originals can be shown: mean top-1 differs by " + interval + "."
}

// distanceVerdict tells in every case whether each generated model is ten times
// farther from its nearest original than the originals are from theirs.
func distanceVerdict(r *Result, generated []*candidate) string {
	if r.Zoo == nil {
		return fmt.Sprintf("Whether each generated model is at least %d times farther from its nearest original than the originals from each other cannot be told: there is only one original.", farEnough)
	}
	usual := r.Zoo.NearestNeighbour
	if usual == 0 {
		return fmt.Sprintf("Whether each generated model is at least %d times farther from its nearest original than the originals from each other cannot be told: at least half of the originals are equal to another one.", farEnough)
	}
	g := r.group(GroupGenerated).Distance
	far := 0
	for _, c := range generated {
		if c.near.l2 >= farEnough*usual {
			far++
		}
	}
	if far == len(generated) {
		return fmt.Sprintf("Every generated model is at least %d times farther from its nearest original than the originals' median nearest neighbour is: %.1f to %.1f times that distance, which is %.4g.",
			farEnough, *g.MinRatio, maxRatio(generated, usual), usual)
	}
	text := fmt.Sprintf("Not every generated model is at least %d times farther from its nearest original than the originals' median nearest neighbour is: %d of %d are; they lie at %.2f to %.2f times that distance, which is %.4g.",
		farEnough, far, len(generated), *g.MinRatio, maxRatio(generated, usual), usual)
	// Two models whose values have nothing to do with each other differ by
	// sqrt(2) standard deviations in each.
	unrelated := math.Sqrt(2*float64(r.Zoo.Values)) / usual
	if unrelated < farEnough {
		return text + fmt.Sprintf(" The originals lie so far apart that even unrelated weights would only be %.1f times farther.", unrelated)
	}
	text += fmt.Sprintf(" The generated weights stay near the originals': the nearest differ by %.2g standard deviations a weight at the median, unrelated weights by 1.4.",
		g.Median/math.Sqrt(float64(r.Zoo.Values)))
	if r.Zoo.Kind == OneTrajectory {
		text += " The reason: what a generator can learn from one trajectory is what its moments have in common, and that lies near all of them."
	}
	return text
}

func maxRatio(group []*candidate, usual float64) float64 {
	most := 0.0
	for _, c := range group {
		most = max(most, c.near.l2/usual)
	}
	return most
}

func overlapVerdict(r *Result) string {
	g, o := r.group(GroupGenerated).Similarity, r.group(GroupOriginals).Similarity
	if g == nil || o == nil {
		return ""
	}
	return fmt.Sprintf("The wrong predictions of a generated model overlap with those of the most alike original by %.2f on average (highest %.2f); between an original and the most alike other original it is %.2f.", g.Mean, g.Max, o.Mean)
}

// baselineVerdict compares the generated models with a trivial way to make
// models, by accuracy and by distance.
func baselineVerdict(r *Result, base GroupResult, groups map[string][]*candidate) string {
	name := base.Name
	if strings.HasPrefix(name, "noise ") {
		name = "originals with " + name
	} else if name == GroupAverage {
		name = "averages of originals"
	}
	d, low, high := difference(groups[GroupGenerated], groups[base.Name])
	accuracy := "not shown to differ in accuracy from"
	switch {
	case high < 0:
		accuracy = "less accurate than"
	case low > 0:
		accuracy = "more accurate than"
	}
	mine, theirs := r.group(GroupGenerated).Distance.Median, base.Distance.Median
	distance := "as far from the originals"
	if mine > theirs {
		distance = "farther from the originals"
	} else if mine < theirs {
		distance = "nearer to the originals"
	}
	text := fmt.Sprintf("The generated models are %s %s (%+.2f points, %+.2f to %+.2f) and %s (median %.4g against %.4g)",
		accuracy, name, 100*d, 100*low, 100*high, distance, mine, theirs)
	if low <= 0 && mine <= theirs {
		return text + ": nothing here shows them to be better than this baseline."
	}
	return text + "."
}
