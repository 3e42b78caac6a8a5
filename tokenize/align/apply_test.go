package align

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"rpg/onnxio"
)

// big has weights whose last axis is longer than a slab, shorter, and split.
func big(t *testing.T) *onnxio.Model {
	g := newGraph().in("x", -1, 3).weight("a", 3, slabElements+5).weight("b", slabElements+5, 4).weight("c", 40, 30, 5, 5).weight("ic", 40)
	g.node("MatMul", "x a", "h").node("MatMul", "h b", "y").in("z", -1, 30, 6, 6).node("Conv", "z c ic", "zc").weight("d", 2, 40, 1, 1).
		node("Conv", "zc d", "zd")
	return parse(t, "big", g.out("y", "zd").model(17))
}

func TestApplyReadsAnyPart(t *testing.T) {
	m := big(t)
	s := Find(m)
	if got := describe(m, s); got != "16389: a/1 b/0; 40: c/0 ic/0 d/1" {
		t.Fatal(got)
	}
	r := rand.New(rand.NewPCG(1, 1))
	v := s.Apply(s.Random(r), m)
	for i, w := range m.Weights() {
		whole := valuesOf(t, m, v, i)
		for range 50 {
			from := r.IntN(w.Elements + 1)
			part := make([]float32, r.IntN(w.Elements-from+1))
			if err := v.ReadValues(i, part, from); err != nil {
				t.Fatal(err)
			}
			if !equal(part, whole[from:from+len(part)]) {
				t.Fatalf("%s: %d values from %d are not those of the whole", w.Name, len(part), from)
			}
		}
	}
}

func TestApplyIsAGroupAction(t *testing.T) {
	m := big(t)
	s := Find(m)
	r := rand.New(rand.NewPCG(2, 2))
	p, q := s.Random(r), s.Random(r)
	twice, once, back := s.Apply(q, s.Apply(p, m)), s.Apply(p.Then(q), m), s.Apply(p.Inverse(), s.Apply(p, m))
	if p.Moved() == 0 || p.Then(p.Inverse()).Moved() != 0 || s.Identity().Moved() != 0 {
		t.Error("Moved counts wrongly")
	}
	for i, w := range m.Weights() {
		if !equal(valuesOf(t, m, twice, i), valuesOf(t, m, once, i)) {
			t.Errorf("%s: p, then q, is not p.Then(q)", w.Name)
		}
		if !equal(valuesOf(t, m, back, i), valuesOf(t, m, m, i)) {
			t.Errorf("%s: the inverse does not bring it back", w.Name)
		}
		if w.Name != "c" && equal(valuesOf(t, m, once, i), valuesOf(t, m, m, i)) {
			t.Errorf("%s: nothing moved", w.Name)
		}
	}
}

// What is not followed is pinned, with a reason that names it.
func TestPinned(t *testing.T) {
	for _, c := range []struct {
		name string
		g    *graph
		want string // "WEIGHT/AXIS SIZE: part of the reason"
	}{
		{"input", dense(newGraph().in("x", -1, 5), "x", "y", "a", "b", 5, 4).out("y"), `a/0 5: the input "x"`},
		{"output", dense(newGraph().in("x", -1, 5), "x", "y", "a", "b", 5, 4).out("y"), `b/0 4: the output "y"`},
		{"LSTM", newGraph().in("x", 7, 1, 5).weight("e", 5, 6).weight("w", 1, 16, 6).weight("r", 1, 16, 4).node("MatMul", "x e", "h").
			node("LSTM", "h w r", "y", whole("hidden_size", 4)).out("y"), "e/1 6: node 1 (LSTM) is not followed"},
		{"recurrent weight", newGraph().in("x", 7, 1, 5).weight("w", 1, 16, 5).weight("r", 1, 16, 4).
			node("LSTM", "x w r", "y", whole("hidden_size", 4)).out("y"), "r/2 4: node 0 (LSTM) is not followed"},
		{"embedding", newGraph().in("x", -1, 5).ints("at", 1, 2).weight("e", 9, 6).node("Gather", "e at", "y").out("y"), "e/0 9: node 0 (Gather) looks its places up"},
		{"unknown domain", newGraph().in("x", -1, 5).weight("a", 5, 6).node("MatMul", "x a", "h").node("else:Relu", "h", "y").out("y"), "a/1 6: node 1 (Relu) is not followed"},
		{"behind what is not followed", newGraph().in("x", -1, 5).weight("a", 5, 6).node("else:Relu", "x", "h").node("Gemm", "h a", "y").out("y"),
			"a/0 5: node 1 (Gemm) takes a value of unknown shape"},
		{"sum of a copied table", newGraph().in("x", -1, 5).weight("a", 5, 6).ints("table", 1, 2, 3, 4, 5, 6).node("MatMul", "x a", "h").
			node("Cast", "table", "f", whole("to", 1)).node("Add", "h f", "y0").weight("b", 6, 2).node("MatMul", "y0 b", "y").out("y"), "a/1 6: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := parse(t, c.name, c.g.model(17))
			var found []string
			for _, p := range Find(m).Pinned {
				found = append(found, m.Weights()[p.Weight].Name+"/"+strconv.Itoa(p.Axis.Axis)+" "+strconv.Itoa(p.Size)+": "+p.Why)
			}
			for _, text := range found {
				if strings.HasPrefix(text, c.want) {
					return
				}
			}
			t.Errorf("expected %q among\n%s", c.want, strings.Join(found, "\n"))
		})
	}
}

// The check of outputs in these tests sees a wrong permutation.
func TestWrongPermutationIsSeen(t *testing.T) {
	openRuntime(t)
	g := dense(dense(newGraph().in("x", -1, 5), "x", "h", "a", "ab", 5, 6).node("Relu", "h", "r"), "r", "y", "b", "bb", 6, 4).out("y")
	m := parse(t, "wrong", g.model(17))
	s := Find(m)
	p := s.Identity()
	p[0][0], p[0][1] = 1, 0
	right := s.Apply(p, m)
	var wrong memory
	for i := range m.Weights() {
		v := m.Weights()[i]
		wrong = append(wrong, valuesOf(t, m, m, i))
		if v.Name == "a" {
			wrong[i] = valuesOf(t, m, right, i)
		}
	}
	before, after := outputs(t, m, m), outputs(t, m, wrong)
	apart := 0.0
	for i := range before {
		apart = max(apart, float64(before[i]-after[i]))
	}
	if !(apart > 0.01) {
		t.Errorf("half a permutation changes outputs by %g", apart)
	}
	sameOutputs(t, before, outputs(t, m, right))
}

// A file can join a value with itself more often than any memory holds.
func TestHostileGraphs(t *testing.T) {
	doubled := func(op string, more ...[]byte) *graph {
		g := newGraph().in("x", -1, 3).weight("a", 3, 4).node("MatMul", "x a", "h0")
		for k := range 100 {
			from := "h" + strconv.Itoa(k)
			g.node(op, from+" "+from, "h"+strconv.Itoa(k+1), more...)
		}
		return g.out("h100")
	}
	unsqueezed := newGraph().in("x", -1, 3).weight("a", 3, 4).node("MatMul", "x a", "h0")
	var many []int64
	for k := range int64(1000) {
		many = append(many, k)
	}
	unsqueezed.ints("many", many...).node("Unsqueeze", "h0 many", "y").out("y")
	for _, c := range []struct {
		name string
		g    *graph
	}{
		{"Concat of itself", doubled("Concat", whole("axis", 1))},
		{"Add of itself", doubled("Add")},
		{"Unsqueeze to many axes", unsqueezed},
		{"no outputs, no inputs", newGraph().in("x", -1, 3).weight("a", 3, 4).node("Shape", "x", "").node("Concat", "", "c").node("Split", "x", "").
			node("Conv", "", "d").node("Gemm", "", "e").node("MatMul", "", "f").node("Einsum", "", "g").node("Slice", "", "i").node("Pad", "", "j").
			node("Reshape", "", "k").node("Transpose", "", "l").node("Flatten", "", "m").node("Gather", "", "n").node("Resize", "", "o").
			node("LayerNormalization", "", "p").node("BatchNormalization", "", "q").node("MaxPool", "", "r").node("Squeeze", "", "s").
			node("Expand", "", "t").node("Tile", "", "u").node("ReduceSum", "", "v").node("ArgMax", "", "w").node("Add", "", "z").node("Trilu", "", "y").
			node("MatMul", "x a", "h").out("h")},
		{"numbers that do not fit", newGraph().in("x", -1, 3).weight("a", 3, 4).node("MatMul", "x a", "h").
			ints("big", math.MaxInt64, math.MinInt64).ints("pads", 0, math.MaxInt64, 0, math.MaxInt64).node("Reshape", "h big", "b").node("Expand", "h big", "c").
			node("Tile", "h big", "d").node("Slice", "h big big", "e").node("Pad", "h pads", "f").node("Split", "h big", "g1 g2").
			node("Transpose", "h", "i", list("perm", math.MaxInt64, math.MinInt64)).node("Flatten", "h", "j", whole("axis", math.MinInt64)).
			node("Concat", "h h", "k", whole("axis", math.MinInt64)).node("Gather", "h big", "l", whole("axis", math.MaxInt64)).
			node("Unsqueeze", "h big", "m").node("Squeeze", "h big", "n").node("ReduceSum", "h big", "o").node("Mul", "big big", "p").
			node("ConstantOfShape", "big", "q").node("LayerNormalization", "h a", "r", whole("axis", math.MinInt64)).out("h")},
		{"attributes that do not fit", newGraph().in("x", -1, 3, 8, 8).weight("w", 4, 3, 3, 3).node("Conv", "x w", "a", whole("group", math.MaxInt64)).
			node("Conv", "x w", "b", whole("group", -1)).node("Conv", "x w", "c", list("strides", 0, 0), list("dilations", -1, math.MaxInt64)).
			node("Conv", "x w", "d", list("pads", 1), text("group", "one")).node("ConvTranspose", "x w", "e", whole("group", 0)).
			node("DepthToSpace", "x", "f", whole("blocksize", 0)).node("SpaceToDepth", "x", "g", whole("blocksize", math.MaxInt64)).
			node("GroupNormalization", "x w w", "h", whole("num_groups", 0)).node("MaxPool", "x", "i", list("kernel_shape", 0, math.MinInt64)).
			node("ConvTranspose", "x w", "j", list("strides", math.MaxInt64, math.MaxInt64)).out("a", "b", "c")},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := parse(t, c.name, c.g.model(17))
			s := Find(m)
			s.Apply(s.Random(rand.New(rand.NewPCG(1, 1))), m)
		})
	}
}
