package evaluate

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// McNemar gives the two-sided p-value of the exact McNemar test: whether two
// models differ in accuracy, of which a and b are the wrongly predicted images.
// Only the images that one of them got right count; without a difference each goes
// either way with 1/2. Source: McNemar, Psychometrika 12 (1947), exact form.
func McNemar(a, b Bitset) float64 {
	onlyA, onlyB := onlyIn(a, b), onlyIn(b, a)
	n, k := onlyA+onlyB, min(onlyA, onlyB)
	if n == 0 {
		return 1
	}
	// The binomial tail, each term from its logarithm: 2^-n is no float64 for large n.
	logN, _ := math.Lgamma(float64(n + 1))
	tail := 0.0
	for i := range k + 1 {
		x, _ := math.Lgamma(float64(i + 1))
		y, _ := math.Lgamma(float64(n - i + 1))
		tail += math.Exp(logN - x - y - float64(n)*math.Ln2)
	}
	return min(1, 2*tail)
}

// onlyIn counts the images of a that are not in b.
func onlyIn(a, b Bitset) int {
	n := 0
	for i := range a {
		n += Bitset{a[i] &^ b[i]}.Len()
	}
	return n
}

// paired compares two models. What only the other has wrong, one has right.
func paired(a, b *candidate) *PairedResult {
	return &PairedResult{A: a.name, B: b.name, OnlyA: onlyIn(b.score.Wrong, a.score.Wrong), OnlyB: onlyIn(a.score.Wrong, b.score.Wrong),
		Difference: float64(a.score.Correct-b.score.Correct) / float64(a.score.N), P: McNemar(a.score.Wrong, b.score.Wrong)}
}

// String says what the test allows to say, at 5 %.
func (p *PairedResult) String() string {
	found := "are not shown to differ in top-1"
	if p.P < 0.05 {
		found = "differ in top-1"
	}
	return fmt.Sprintf("%s and %s %s: %+.2f points, %d images only the first has right, %d only the second (McNemar's exact test, p = %.3g).",
		p.A, p.B, found, 100*p.Difference, p.OnlyA, p.OnlyB, p.P)
}

// resamples is how many bootstrap samples an interval is made from.
const resamples = 1000

// difference estimates mean accuracy of group a minus that of group b with its
// 95 % percentile bootstrap interval, as fractions. Both groups saw the same
// images, so images are drawn as pairs; the models of each group are drawn too,
// as they are a few of many (Efron and Tibshirani, 1993, chapters 8 and 13). The
// two sources are drawn independently and added.
func difference(a, b []*candidate, seed uint64) (d, low, high float64) {
	n := a[0].score.N
	share := make([]float64, n)
	for i := range share {
		share[i] = rightShare(a, i) - rightShare(b, i)
		d += share[i] / float64(n)
	}
	accuracies := [2][]float64{top1(a), top1(b)}
	r := rand.New(rand.NewPCG(seed, 1))
	draws := make([]float64, resamples)
	for k := range draws {
		sum := 0.0
		for range n {
			sum += share[r.IntN(n)]
		}
		draws[k] = sum/float64(n) + redraw(accuracies[0], r) - redraw(accuracies[1], r)
	}
	slices.Sort(draws)
	return d, draws[resamples*25/1000], draws[resamples*975/1000-1]
}

// redraw is the mean of as many values drawn with replacement, minus their mean.
func redraw(values []float64, r *rand.Rand) float64 {
	sum := 0.0
	for _, v := range values {
		sum += values[r.IntN(len(values))] - v
	}
	return sum / float64(len(values))
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

func top1(group []*candidate) []float64 {
	var list []float64
	for _, c := range group {
		list = append(list, float64(c.score.Correct)/float64(c.score.N))
	}
	return list
}
