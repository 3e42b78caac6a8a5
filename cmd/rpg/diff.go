package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"rpg/onnxio"
	"rpg/onnxio/compare"
)

// diffOrders are the values of --sort.
var diffOrders = []string{"relative-l2", "cosine", "max", "elements", "name", "graph"}

func (s *session) diffVerb() verb {
	return verb{
		name: "diff", usage: "structure and weight differences of two models", arguments: "A B",
		description: "Says whether both have one graph, and if not what differs; then how much each weight of B\n" +
			"differs from A's: relative L2 |B-A|/|A|, cosine, the largest change, and how many values\n" +
			"changed by how much. Models of other graphs are compared where names and shapes agree.",
		examples: "rpg diff before.onnx after.onnx\nrpg diff a.onnx b.onnx --sort name | grep bias\nrpg diff a.onnx b.onnx --exit-code -q -o diff.txt || echo they differ",
		flags: []cli.Flag{
			&cli.StringFlag{Name: "sort", Value: diffOrders[0], Usage: "`ORDER` of the weights: " + strings.Join(diffOrders, ", ")},
			&cli.BoolFlag{Name: "exit-code", Usage: "end with exit code 3 when the models differ"},
		},
		run: func(c *cli.Context) error {
			if c.NArg() != 2 {
				return usagef("rpg diff A B", "diff needs two models, found %d arguments", c.NArg())
			}
			order := c.String("sort")
			if !slices.Contains(diffOrders, order) {
				return usagef(didYouMean(order, diffOrders, "--sort ", ""), "--sort: expected one of %s, found %q", strings.Join(diffOrders, ", "), order)
			}
			models, closeModels, err := s.openModels(c.Args().Slice())
			defer closeModels()
			if err != nil {
				return err
			}
			answer, err := s.diff(models[0], models[1])
			if err != nil {
				return err
			}
			answer.order(order)
			if s.json {
				err = s.answerJSON(answer)
			} else {
				s.printDiff(answer)
			}
			if err == nil && answer.Differ && c.Bool("exit-code") {
				return errNo
			}
			return err
		},
	}
}

// The JSON answer, rpg.diff/1.
type (
	difference struct {
		Schema    string         `json:"schema"`
		A         string         `json:"a"`
		B         string         `json:"b"`
		SameGraph bool           `json:"same_graph"`
		Differ    bool           `json:"differ"`
		Structure []string       `json:"structure"`
		Tensors   []weightChange `json:"tensors"`
		Total     change         `json:"total"`
		Edges     []float64      `json:"change_edges"` // lower limits of the classes of changes, from the third on
	}
	weightChange struct {
		Name      string      `json:"name"`
		OtherName string      `json:"other_name,omitempty"` // in B, where it is another
		Role      onnxio.Role `json:"role"`
		Shape     []int       `json:"shape"`
		Rounded   bool        `json:"rounded,omitempty"` // float64, compared as float32
		change
		number int // in A's order
	}
	change struct {
		Equal      bool            `json:"equal"`
		Cosine     float64         `json:"cosine"`
		RelativeL2 *float64        `json:"relative_l2"` // null when A is zero and B is not
		MaxAbs     float64         `json:"max_abs"`
		MaxAt      *int            `json:"max_at,omitempty"` // element of the largest change
		Elements   int             `json:"elements"`
		Changed    int             `json:"changed"`
		NotFinite  int             `json:"not_finite"` // pairs with NaN or Inf: in no sum
		Changes    compare.Changes `json:"changes"`
	}
)

// shownDifferences bounds the sentences about structure.
const shownDifferences = 20

func (s *session) diff(a, b *onnxio.Model) (*difference, error) {
	out := &difference{
		Schema: "rpg.diff/1", A: a.Path, B: b.Path, Edges: compare.Edges(), Tensors: []weightChange{},
		Structure: append([]string{}, a.Differences(b, shownDifferences)...),
	}
	out.SameGraph = len(out.Structure) == 0
	out.Differ = !out.SameGraph
	pairs, alone := pairWeights(a, b)
	out.Structure = append(out.Structure, alone...)
	var meter compare.Meter
	p := s.progress("comparing", "weights")
	defer p.close()
	for n, pair := range pairs {
		w, v := a.Weights()[pair[0]], b.Weights()[pair[1]]
		r, err := meter.Weights(s.ctx, a, pair[0], b, pair[1], w.Elements)
		if err != nil {
			return nil, explain(err)
		}
		row := weightChange{Name: w.Name, Role: w.Role, Shape: append([]int{}, w.Shape...), change: changeOf(r), number: n,
			Rounded: w.DType == onnxio.Float64 || v.DType == onnxio.Float64}
		if v.Name != w.Name {
			row.OtherName = v.Name
		}
		out.Differ = out.Differ || !r.Equal
		out.Tensors = append(out.Tensors, row)
		p.at(n+1, len(pairs))
	}
	out.Total = changeOf(meter.Total())
	return out, nil
}

func changeOf(r compare.Result) change {
	c := change{
		Equal: r.Equal, Cosine: r.Cosine, MaxAbs: r.MaxAbs, Elements: r.Elements,
		Changed: r.Changed, NotFinite: r.NotFinite, Changes: r.Changes,
	}
	if !math.IsInf(r.RelativeL2, 0) {
		c.RelativeL2 = &r.RelativeL2
	}
	if r.MaxAt >= 0 {
		c.MaxAt = &r.MaxAt
	}
	return c
}

// pairWeights finds which weights to compare: by their order when both models
// have the same shapes in the same order, else by name where the shapes agree.
// The weights that are left over are told.
func pairWeights(a, b *onnxio.Model) (pairs [][2]int, alone []string) {
	va, vb := a.Weights(), b.Weights()
	if slices.EqualFunc(va, vb, func(x, y *onnxio.Tensor) bool { return slices.Equal(x.Shape, y.Shape) }) {
		for i := range va {
			pairs = append(pairs, [2]int{i, i})
		}
		return pairs, nil
	}
	named := map[string]int{}
	for j, w := range vb {
		named[w.Name] = j
	}
	taken := map[int]bool{}
	var left []string
	for i, w := range va {
		j, ok := named[w.Name]
		switch {
		case !ok || taken[j]:
			left = append(left, fmt.Sprintf("weight %s %s is only in A", w.Name, shapeOf(w.Shape)))
		case !slices.Equal(w.Shape, vb[j].Shape):
			taken[j] = true
			left = append(left, fmt.Sprintf("weight %s is %s in A, %s in B", w.Name, shapeOf(w.Shape), shapeOf(vb[j].Shape)))
		default:
			taken[j] = true
			pairs = append(pairs, [2]int{i, j})
		}
	}
	for j, w := range vb {
		if !taken[j] {
			left = append(left, fmt.Sprintf("weight %s %s is only in B", w.Name, shapeOf(w.Shape)))
		}
	}
	if more := len(left) - shownDifferences; more > 0 {
		left = append(left[:shownDifferences], fmt.Sprintf("and %d weights more are not in both", more))
	}
	return pairs, left
}

// order sorts the weights, the largest difference first.
func (d *difference) order(by string) {
	l2 := func(c weightChange) float64 {
		if c.RelativeL2 == nil {
			return math.Inf(1)
		}
		return *c.RelativeL2
	}
	slices.SortStableFunc(d.Tensors, func(a, b weightChange) int {
		switch by {
		case "relative-l2":
			return cmp.Compare(l2(b), l2(a))
		case "cosine":
			return cmp.Compare(a.Cosine, b.Cosine)
		case "max":
			return cmp.Compare(b.MaxAbs, a.MaxAbs)
		case "elements":
			return cmp.Compare(b.Elements, a.Elements)
		case "name":
			return cmp.Compare(a.Name, b.Name)
		}
		return cmp.Compare(a.number, b.number)
	})
}

func (s *session) printDiff(d *difference) {
	s.printf("A        %s\nB        %s\n", d.A, d.B)
	if d.SameGraph {
		s.printf("graph    the same\n")
	} else {
		s.printf("graph    not the same\n")
	}
	for _, text := range d.Structure {
		s.paragraph("- ", text)
	}
	if len(d.Tensors) == 0 {
		s.printf("weights  none to compare\n")
		return
	}
	equal := 0
	for _, t := range d.Tensors {
		if t.Equal {
			equal++
		}
	}
	if equal == len(d.Tensors) && !slices.ContainsFunc(d.Tensors, func(w weightChange) bool { return w.Rounded }) {
		s.printf("weights  all %s equal: %s\n", count(equal), several(d.Total.Elements, "value"))
		return
	}
	s.printf("weights  %s compared, %s equal; %s, %s changed\n", count(len(d.Tensors)), count(equal), several(d.Total.Elements, "value"), count(d.Total.Changed))
	s.printf("total    relative L2 %s, cosine %s, largest change %s\n\n", relativeL2(d.Total), cosine(d.Total), short(d.Total.MaxAbs))
	t := table{{"TENSOR", "ELEMENTS", "REL-L2", "COSINE", "MAX-CHANGE", "CHANGES"}}
	for _, w := range d.Tensors {
		changes := w.Changes.String()
		if w.Equal {
			changes = "equal"
		}
		t = append(t, []string{w.Name, count(w.Elements), relativeL2(w.change), cosine(w.change), short(w.MaxAbs), changes})
	}
	t.fit(s.width(), narrowing{0, 12, tail})
	t.write(s.out)
	s.printf("\n")
	s.paragraph("", "CHANGES counts values by |B-A| over the root mean square of A: unchanged, below 1e-6, then by decades up to 10 and more.")
	for _, w := range d.Tensors {
		if w.Rounded {
			s.paragraph("", fmt.Sprintf("%s is float64, compared after rounding to float32", w.Name))
		}
		if w.NotFinite > 0 {
			s.paragraph("", fmt.Sprintf("%s: %s values are NaN or Inf in A or in B and count nowhere else", w.Name, count(w.NotFinite)))
		}
	}
}

func relativeL2(c change) string {
	if c.RelativeL2 == nil {
		return "inf"
	}
	return short(*c.RelativeL2)
}

// cosine writes a cosine so that only 1 looks like 1.
func cosine(c change) string {
	if text := strconv.FormatFloat(c.Cosine, 'f', 8, 64); text != "1.00000000" || c.Cosine == 1 {
		return text
	}
	return "0.99999999"
}

// short writes a number in eight letters or less.
func short(x float64) string {
	if x == 0 {
		return "0"
	}
	return strconv.FormatFloat(x, 'e', 2, 64)
}
