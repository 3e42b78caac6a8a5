package tokenize

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"rpg/onnxio"
)

// pruned gives models whose elements are 0 in all of them where dead says so, and
// now and then in one of them elsewhere.
func pruned(models, elements int, dead func(e int) bool) []memory {
	r := rand.New(rand.NewPCG(1, 1))
	var zoo []memory
	for k := range models {
		values := make([]float32, elements)
		for e := range values {
			if !dead(e) && (k == 0 || r.IntN(10) > 0) {
				values[e] = float32(3 + r.NormFloat64())
			}
		}
		zoo = append(zoo, memory{values})
	}
	return zoo
}

func TestZeros(t *testing.T) {
	third := func(e int) bool { return e%3 != 1 }
	for _, c := range []struct {
		name     string
		elements int
		dead     func(e int) bool
		values   int // generated
	}{
		{"two thirds", 9001, third, 3000},
		{"a block in the middle", 5000, func(e int) bool { return e >= 1000 && e < 4000 }, 2000},
		{"all but the last", 1025, func(e int) bool { return e < 1000 }, 25},
		{"all but the first", 1024, func(e int) bool { return e >= 8 }, 8},
		{"a single one", 6400, func(e int) bool { return e == 77 }, 6399},
		{"none", 100, func(int) bool { return false }, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := pooled(16)
			o.Zeros = true
			zoo := pruned(4, c.elements, c.dead)
			tok := mustBuild(t, o, onnxio.RoleWeight, zoo...)
			w := &tok.Layout.Weights[0]
			if w.Values() != c.values || w.Tokens != ceilDiv(c.values, 16) || (w.Zeros == nil) != (c.values == c.elements) {
				t.Fatalf("%d values in %d tokens, expected %d", w.Values(), w.Tokens, c.values)
			}
			total := int32(0)
			for _, n := range tok.Layout.Valid() {
				total += n
			}
			if int(total) != c.values {
				t.Errorf("%d valid values in tokens, expected %d", total, c.values)
			}
			// Statistics of what is left, by the definition.
			var sum, squares, n float64
			for _, m := range zoo {
				for e, x := range m[0] {
					if w.Zeros == nil || !c.dead(e) {
						sum, n = sum+float64(x), n+1
					}
				}
			}
			for _, m := range zoo {
				for e, x := range m[0] {
					if w.Zeros == nil || !c.dead(e) {
						squares += (float64(x) - sum/n) * (float64(x) - sum/n)
					}
				}
			}
			s := tok.Stats.Weights[0]
			if !(math.Abs(s.Mean-sum/n) <= 1e-9) || !(math.Abs(s.Std-math.Sqrt(squares/n)) <= 1e-9) {
				t.Errorf("mean %g and std %g, expected %g and %g", s.Mean, s.Std, sum/n, math.Sqrt(squares/n))
			}

			text, err := tok.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			again, err := Parse(text)
			if err != nil || !reflect.DeepEqual(again, tok) {
				t.Fatalf("another tokenizer after Marshal and Parse: %v", err)
			}
			for _, m := range zoo {
				tokens := make([]float32, tok.Layout.Tokens()*16)
				if err := tok.Encode(m, tokens); err != nil {
					t.Fatal(err)
				}
				parts := make([]float32, len(tokens))
				for first := 0; first < tok.Layout.Tokens(); first += 7 {
					if err := again.EncodePart(m, parts[first*16:min(len(parts), (first+7)*16)], first); err != nil {
						t.Fatal(err)
					}
				}
				if !slices.Equal(tokens, parts) {
					t.Error("encoding in parts gives other tokens")
				}
				back := again.Decode(tokens)
				whole, pieces := make([]float32, c.elements), make([]float32, c.elements)
				if err := back.ReadValues(0, whole, 0); err != nil {
					t.Fatal(err)
				}
				for off := 0; off < c.elements; off += 333 {
					if err := back.ReadValues(0, pieces[off:min(off+333, c.elements)], off); err != nil {
						t.Fatal(err)
					}
				}
				for e, x := range m[0] {
					if !(math.Abs(float64(whole[e]-x)) <= 1e-6*s.Std*4) || c.dead(e) && w.Zeros != nil && whole[e] != 0 || whole[e] != pieces[e] {
						t.Fatalf("element %d: %g, in pieces %g, expected %g", e, whole[e], pieces[e], x)
					}
				}
			}
		})
	}
}

// TestZerosAreKeptInNewModels decodes tokens that no model had.
func TestZerosAreKeptInNewModels(t *testing.T) {
	o := pooled(8)
	o.Zeros = true
	dead := func(e int) bool { return e%5 < 3 }
	tok := mustBuild(t, o, onnxio.RoleWeight, pruned(3, 777, dead)...)
	tokens := make([]float32, tok.Layout.Tokens()*8)
	for i := range tokens {
		tokens[i] = float32(i%11) - 20 // far from anything
	}
	got := make([]float32, 777)
	if err := tok.Decode(tokens).ReadValues(0, got, 0); err != nil {
		t.Fatal(err)
	}
	for e, x := range got {
		if dead(e) != (x == 0) {
			t.Fatalf("element %d is %g", e, x)
		}
	}
}

// TestNoZerosWithoutAsking keeps the published statistics, and those of other
// programs that cut weights into tokens, as they are.
func TestNoZerosWithoutAsking(t *testing.T) {
	zoo := pruned(3, 1000, func(e int) bool { return e%2 == 0 })
	withPaper := paper(16)
	withPaper.Zeros = true
	for name, o := range map[string]Options{"pooled": pooled(16), "paper": withPaper} {
		if w := mustBuild(t, o, onnxio.RoleWeight, zoo...).Layout.Weights[0]; w.Zeros != nil || w.Values() != 1000 {
			t.Errorf("%s: %d values", name, w.Values())
		}
	}
}

func TestZerosRefused(t *testing.T) {
	o := pooled(16)
	o.Zeros = true
	for _, c := range []struct {
		name   string
		change func(w *Weight)
		say    string
	}{
		{"too short", func(w *Weight) { w.Zeros = w.Zeros[:10] }, "zeros of 10 bytes, expected 125 for 999 elements"},
		{"too long", func(w *Weight) { w.Zeros = append(slices.Clone(w.Zeros), 0) }, "zeros of 126 bytes"},
		{"behind the end", func(w *Weight) { w.Zeros[124] |= 0x80 }, "behind the last of 999"},
		{"all", func(w *Weight) {
			for e := range 999 {
				w.Zeros[e/8] |= 1 << (e % 8)
			}
		}, "999 of 999"},
		{"none", func(w *Weight) { clear(w.Zeros) }, "0 of 999"},
		{"one more", func(w *Weight) {
			w.Zeros[0] |= 2
			w.Zeros[2] = 0xff
			w.Zeros[4] = 0xff
			w.Zeros[6] = 0xff
			w.Zeros[8] = 0xff
		}, "tokens, expected"},
		{"of a variance", func(w *Weight) { w.Role, w.Transform = onnxio.RoleVariance, TransformLog }, `zeros with transform "log"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			tok := mustBuild(t, o, onnxio.RoleWeight, pruned(3, 999, func(e int) bool { return e%2 == 0 })...)
			c.change(&tok.Layout.Weights[0])
			_, err := tok.Marshal()
			wantError(t, err, c.say)
		})
	}
}
