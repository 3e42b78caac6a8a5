package tokenize

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"rpg/onnxio"
)

// TestPartsAreTheWhole: tokens made in pieces, read in pieces, are those made
// at once, whatever the pieces.
func TestPartsAreTheWhole(t *testing.T) {
	models := embedded(t, 3)
	for _, D := range []int{1, 100, 256, 5000} {
		tok, err := Build(models, pooled(D))
		if err != nil {
			t.Fatal(err)
		}
		L := tok.Layout.Tokens()
		whole := make([]float32, L*D)
		if err := tok.Encode(models[1], whole); err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 7, L - 1, L} {
			for first := 0; n > 0 && first < L; first += n {
				part := make([]float32, min(n, L-first)*D)
				for e := range part {
					part[e] = 99 // what padding must overwrite
				}
				if err := tok.EncodePart(models[1], part, first); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(part, whole[first*D:first*D+len(part)]) {
					t.Fatalf("D %d, tokens from %d, %d at once: not those made at once", D, first, n)
				}
			}
			if D == 1 {
				break // every token by itself is enough
			}
		}
		memory, file := tok.Decode(whole), tok.DecodeFrom(func(dst []float32, off int) error {
			copy(dst, whole[off:off+len(dst)])
			return nil
		})
		for j, w := range tok.Layout.Weights {
			a, b := make([]float32, w.Elements), make([]float32, w.Elements)
			cut := w.Elements / 3
			if err := errors.Join(memory.ReadValues(j, a, 0), file.ReadValues(j, b[:cut], 0), file.ReadValues(j, b[cut:], cut)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(a, b) {
				t.Fatalf("D %d: weight %q read from a file is another", D, w.Name)
			}
		}
	}
}

func TestDecodeFromPassesErrorsOn(t *testing.T) {
	tok, err := Build(embedded(t, 2), pooled(64))
	if err != nil {
		t.Fatal(err)
	}
	disk := errors.New("disk on fire")
	values := tok.DecodeFrom(func([]float32, int) error { return disk })
	if err := values.ReadValues(0, make([]float32, 1), 0); !errors.Is(err, disk) {
		t.Errorf("error %v, expected that of the source", err)
	}
}

// TestSelectionIsPartOfTheLayout: what was left out is not in the tokens, and
// the layout says so after a trip through JSON.
func TestSelectionIsPartOfTheLayout(t *testing.T) {
	models := embedded(t, 3)
	s := onnxio.Selection{Exclude: []string{"head.*"}}
	for _, m := range models {
		if err := m.Select(s); err != nil {
			t.Fatal(err)
		}
	}
	tok, err := Build(models, pooled(64))
	if err != nil {
		t.Fatal(err)
	}
	text, err := tok.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again.Layout.Selection, s) || len(again.Layout.Weights) != 6 {
		t.Errorf("selection %v, %d weights, expected %v and 6", again.Layout.Selection, len(again.Layout.Weights), s)
	}
	plain := embedded(t, 1)[0]
	wantError(t, again.Fits(plain), "another graph")
	if err := plain.Select(again.Layout.Selection); err != nil {
		t.Fatal(err)
	}
	if err := again.Fits(plain); err != nil {
		t.Error(err)
	}
}
