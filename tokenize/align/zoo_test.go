package align

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"rpg/onnxio"
)

// memory is Values in memory.
type memory [][]float32

func (m memory) ReadValues(i int, dst []float32, off int) error {
	copy(dst, m[i][off:])
	return nil
}

// permuteCNN permutes the channels of a CNN(m) of the fixtures by what is known of
// that network, without this package: three convolutions, the last of which makes
// 15 channels of 2 by 2 pixels, then two layers.
func permuteCNN(t *testing.T, m *onnxio.Model, p [4][]int) memory {
	t.Helper()
	at := map[string]int{}
	var v memory
	for i, w := range m.Weights() {
		at[w.Name] = i
		v = append(v, valuesOf(t, m, m, i))
	}
	// out moves rows of n values; in moves, within each of rows, blocks of n.
	out := func(name string, q []int, n int) {
		i := at[name]
		old := v[i]
		v[i] = make([]float32, len(old))
		for to, from := range q {
			copy(v[i][to*n:(to+1)*n], old[from*n:(from+1)*n])
		}
	}
	in := func(name string, q []int, n int) {
		i := at[name]
		old := v[i]
		v[i] = make([]float32, len(old))
		for row := 0; row < len(old); row += len(q) * n {
			for to, from := range q {
				copy(v[i][row+to*n:row+(to+1)*n], old[row+from*n:row+(from+1)*n])
			}
		}
	}
	layers := []struct {
		name          string
		inputs, inner int // values a row, values of one input channel
	}{{"module.0", 3, 9}, {"module.3", 16, 9}, {"module.6", 32, 9}, {"head.0", 15, 4}, {"head.2", 20, 1}}
	for k, q := range p {
		l, next := layers[k], layers[k+1]
		row := len(v[at[l.name+".weight"]]) / len(v[at[l.name+".bias"]])
		out(l.name+".weight", q, row)
		out(l.name+".bias", q, 1)
		in(next.name+".weight", q, len(v[at[next.name+".weight"]])/len(v[at[next.name+".bias"]])/next.inputs)
	}
	return v
}

func TestPlantedPermutationOfCNN(t *testing.T) {
	m := cnns(t, 1)[0]
	s := Find(m)
	if got, want := describe(m, s), "16: module.0.weight/0 module.0.bias/0 module.3.weight/1; 32: module.3.weight/0 module.3.bias/0 module.6.weight/1; "+
		"15: module.6.weight/0 module.6.bias/0 head.0.weight/1; 20: head.0.weight/0 head.0.bias/0 head.2.weight/1"; got != want {
		t.Fatalf("groups %s, expected %s", got, want)
	}
	r := rand.New(rand.NewPCG(11, 0))
	for k := range 5 {
		p := [4][]int{r.Perm(16), r.Perm(32), r.Perm(15), r.Perm(20)}
		permuted := rewritten(t, m, permuteCNN(t, m, p))
		tokenizer, tokens := tokensOf(t, []*onnxio.Model{m, permuted})
		matcher, err := NewMatcher(s, &tokenizer.Layout)
		if err != nil {
			t.Fatal(err)
		}
		found, err := matcher.Match(t.Context(), tokens[0], tokens[1], uint64(k))
		if err != nil {
			t.Fatal(err)
		}
		for g, q := range found.Inverse() {
			for i, from := range q {
				if int(from) != p[g][i] {
					t.Fatalf("draw %d: group %d: place %d is from %d, expected %d", k, g, i, from, p[g][i])
				}
			}
		}
		back := s.Apply(found, permuted)
		for i, w := range m.Weights() {
			if !equal(valuesOf(t, m, m, i), valuesOf(t, m, back, i)) {
				t.Errorf("draw %d: %s is not what it was", k, w.Name)
			}
		}
	}
}

func equal(a, b []float32) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

// Real networks, permuted by Apply: ONNX Runtime says that the permutation is one
// that changes nothing, and Match must find the way back, exactly or to equal
// weights where channels are equal.
func TestPlantedPermutationOfZoos(t *testing.T) {
	openRuntime(t)
	for _, c := range []struct {
		folder           string
		groups, channels int
	}{
		{"zoo/cifar10-cnn-medium", 4, 83},
		{"zoo/cifar10-resnet20", 14, 400},
		{"zoo/imagenet-squeezenet", 25, 2976},
		{"zoo/digits-mlp-seeds", 2, 64},
		{"zoo/acasxu", 6, 300},
	} {
		t.Run(c.folder, func(t *testing.T) {
			m := zooOf(t, c.folder, 1)[0]
			s := Find(m)
			channels := 0
			for _, g := range s.Groups {
				channels += g.Size
			}
			if len(s.Groups) != c.groups || channels != c.channels {
				t.Errorf("%d groups of %d channels, expected %d of %d", len(s.Groups), channels, c.groups, c.channels)
			}
			p := s.Random(rand.New(rand.NewPCG(1, 2)))
			permuted := rewritten(t, m, s.Apply(p, m))
			sameOutputs(t, outputs(t, m, m), outputs(t, permuted, permuted))
			tokenizer, tokens := tokensOf(t, []*onnxio.Model{m, permuted})
			matcher, err := NewMatcher(s, &tokenizer.Layout)
			if err != nil {
				t.Fatal(err)
			}
			found, err := matcher.Match(t.Context(), tokens[0], tokens[1], 1)
			if err != nil {
				t.Fatal(err)
			}
			left := p.Then(found).Moved()
			if !equal(matcher.Permute(found, tokens[1]), tokens[0]) {
				t.Errorf("the permutation found does not bring the weights back: %d channels are elsewhere", left)
			}
			t.Logf("%d channels of %d were moved, %d are not in their own place", p.Moved(), channels, left)
		})
	}
}

// A zoo that the test has permuted at random comes back into one order, and the
// copies lie as close together as the zoo did before.
func TestFrameOfPermutedZoo(t *testing.T) {
	for _, c := range []struct {
		folder string
		models int
	}{{"zoo/cifar10-cnn-medium", 8}, {"zoo/cifar10-resnet20", 4}} {
		t.Run(c.folder, func(t *testing.T) {
			models := zooOf(t, c.folder, c.models)
			s := Find(models[0])
			var planted []Permutation
			mixed := []*onnxio.Model{models[0]}
			for k, m := range models {
				planted = append(planted, s.Identity())
				if k > 0 {
					planted[k] = s.Random(rand.New(rand.NewPCG(9, uint64(k))))
					mixed = append(mixed, rewritten(t, m, s.Apply(planted[k], m)))
				}
			}
			tokenizer, tokens := tokensOf(t, mixed)
			matcher, err := NewMatcher(s, &tokenizer.Layout)
			if err != nil {
				t.Fatal(err)
			}
			told := map[int]int{}
			f, err := matcher.Frame(t.Context(), tokens, FrameOptions{Rounds: DefaultRounds, Seed: 4, Threads: 2, Matched: func(round, done, total int) {
				if told[round]++; done != told[round] || total != c.models {
					t.Errorf("round %d: %d of %d", round, done, total)
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			for k := range models {
				if n := planted[k].Then(f.Permutations[k]).Moved(); n != 0 {
					t.Errorf("model %d: %d channels are not where they were", k, n)
				}
			}
			if len(told) != 2 || told[0] != c.models || told[1] != c.models {
				t.Errorf("progress %v, expected that the first mean is the last", told)
			}
			again, err := matcher.Frame(t.Context(), tokens, FrameOptions{Rounds: DefaultRounds, Seed: 4, Threads: 1})
			if err != nil || fmt.Sprint(again.Permutations) != fmt.Sprint(f.Permutations) || !equal(again.Mean, f.Mean) {
				t.Errorf("another number of threads gives another frame: %v", err)
			}
		})
	}
}

// The gain that a descent adds up is the distance that it is about.
func TestMatchBringsModelsCloser(t *testing.T) {
	models := zooOf(t, "zoo/digits-mlp-seeds", 6)
	s := Find(models[0])
	tokenizer, tokens := tokensOf(t, models)
	matcher, err := NewMatcher(s, &tokenizer.Layout)
	if err != nil {
		t.Fatal(err)
	}
	for k := 1; k < len(tokens); k++ {
		p, err := matcher.Match(t.Context(), tokens[0], tokens[k], 1)
		if err != nil {
			t.Fatal(err)
		}
		raw, aligned := distance(tokens[0], tokens[k]), distance(tokens[0], matcher.Permute(p, tokens[k]))
		if !(aligned < 0.9*raw) {
			t.Errorf("model %d: distance %.2f after, %.2f before", k, aligned, raw)
		}
		// No exchange of two channels may be better: it would be another order of
		// one group.
		for g, q := range p {
			for i := range q {
				for j := range i {
					swapped := append(Permutation{}, p...)
					swapped[g] = append([]int32{}, q...)
					swapped[g][i], swapped[g][j] = q[j], q[i]
					if d := distance(tokens[0], matcher.Permute(swapped, tokens[k])); !(d >= aligned-1e-6) {
						t.Fatalf("model %d, group %d: exchanging %d and %d gives %.6f, found %.6f", k, g, i, j, d, aligned)
					}
				}
			}
		}
	}
}

func distance(a, b []float32) float64 {
	sum := 0.0
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		sum += d * d
	}
	return math.Sqrt(sum)
}
