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
	list = append(list, accuracyVerdict(groups[GroupGenerated], groups[GroupOriginals], r.Seed))
	list = append(list, kindVerdict(r, groups[GroupGenerated])...)
	list = append(list, distanceVerdict(r, groups[GroupGenerated]))
	if v := overlapVerdict(r); v != "" {
		list = append(list, v)
	}
	if v := voteVerdict(r); v != "" {
		list = append(list, v)
	}
	return append(list, baselineVerdicts(r, groups)...)
}

// kindVerdict says how many of the generated models are no news.
func kindVerdict(r *Result, generated []*candidate) []string {
	if r.Zoo == nil {
		return nil
	}
	counts := map[string]int{}
	for _, c := range generated {
		counts[c.kind(r.Zoo.usual(), r.Zoo.Values)]++
	}
	var list []string
	for _, k := range []struct{ kind, what string }{
		{KindCopy, "copies: they lie at less than a twentieth of the originals' own distance from one of them"},
		{KindNoise, "noise-like: each is one original with changes that have nothing to do with the others"},
		{KindAverage, "average-like: they lie nearer to the mean of the originals than to any of them"},
	} {
		if n := counts[k.kind]; n > 0 {
			list = append(list, fmt.Sprintf("%d of %d generated models are %s.", n, len(generated), k.what))
		}
	}
	return list
}

// voteVerdict says whether the generated models err in different ways.
func voteVerdict(r *Result) string {
	g, o := r.group(GroupGenerated).Vote, r.group(GroupOriginals).Vote
	if g == nil || o == nil {
		return ""
	}
	return fmt.Sprintf("The majority vote of %d generated models gains %+.2f points over their mean, that of %d originals %+.2f.", g.Models, 100*g.Gain, o.Models, 100*o.Gain)
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
	if z.Aligned != nil && z.Aligned.Moved > 0 {
		facts += fmt.Sprintf("; putting the channels of %d of them in one order, which changes no output, leaves %s of the variance", z.Aligned.Moved, percent(z.Aligned.Spread))
	}
	return "The originals are independent runs: " + facts + "."
}

// percent writes a fraction with two significant digits and no exponent.
func percent(f float64) string {
	digits := 0
	if f > 0 && f < 0.1 {
		digits = int(math.Ceil(-math.Log10(100*f))) + 1
	}
	return fmt.Sprintf("%.*f %%", max(digits, 0), 100*f)
}

func accuracyVerdict(generated, originals []*candidate, seed uint64) string {
	d, low, high := difference(generated, originals, seed)
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

// baselineVerdicts compare the generated models with the trivial ways to make
// models, by accuracy and by distance: a sentence for each of four outcomes.
func baselineVerdicts(r *Result, groups map[string][]*candidate) []string {
	const worse, good, new, both = 0, 1, 2, 3
	var found [4][]string
	generated := r.group(GroupGenerated)
	for _, g := range r.Groups {
		if g.Distance == nil || g.Name == GroupOriginals || g.Name == GroupGenerated {
			continue
		}
		d, low, _ := difference(groups[GroupGenerated], groups[g.Name], r.Seed)
		mine, theirs := generated.far().Median, g.far().Median
		outcome := worse
		if low > 0 {
			outcome |= good
		}
		if mine > theirs {
			outcome |= new
		}
		found[outcome] = append(found[outcome], fmt.Sprintf("%s (%+.2f points, %.2g times as far)", g.Name, 100*d, mine/theirs))
	}
	var list []string
	for outcome, text := range [4]string{
		worse: "Nothing here shows the generated models to be better than these, neither more accurate nor farther from the originals: ",
		good:  "More accurate, but not farther from the originals than: ",
		new:   "Farther from the originals, but not shown to be more accurate than: ",
		both:  "More accurate and farther from the originals than: ",
	} {
		if len(found[outcome]) > 0 {
			list = append(list, text+strings.Join(found[outcome], ", ")+".")
		}
	}
	return list
}

// far is the distance by which novelty is judged.
func (g *GroupResult) far() *DistanceResult {
	if g.Aligned != nil {
		return g.Aligned
	}
	return g.Distance
}
