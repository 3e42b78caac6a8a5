package evaluate

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"rpg/onnxio"
)

// spoiled are the values of a model with one of its last weight, a bias, replaced.
type spoiled struct {
	*onnxio.Model
	by float32
}

func (s spoiled) ReadValues(i int, dst []float32, off int) error {
	err := s.Model.ReadValues(i, dst, off)
	if i == len(s.Weights())-1 && off == 0 {
		dst[0] = s.by
	}
	return err
}

func (s spoiled) Name() string { return "spoiled" }

// TestNaNLogits: images for which a model gives NaN count as wrong, and nothing
// else changes: not the model's other figures, not the other models.
func TestNaNLogits(t *testing.T) {
	r := openTestRuntime(t)
	zoo := testZoo(t, 3)
	d := testImages(t, 100)
	for _, sessions := range []Sessions{SessionsOwn, SessionsShared} {
		o := ScorerOptions{Sessions: sessions, Threads: 2}
		want := score(t, r, d, o, zoo[0], zoo[0], zoo[1], zoo[2])
		got := score(t, r, d, o, zoo[0], zoo[0], overflowing{zoo[1]}, zoo[2])
		for _, k := range []int{0, 2} {
			if !reflect.DeepEqual(got[k], want[k]) || got[k].NaN != nil {
				t.Errorf("sessions %d: model %d, beside one that gives NaN, has other figures", sessions, k)
			}
		}
		if s := got[1]; s.N != 100 || s.NaN.Len() != 100 || s.Wrong.Len() != 100 || s.Correct != 0 || s.Top5 != 0 || s.Ties != 0 || s.Calibration != (Calibration{}) {
			t.Errorf("sessions %d: a model that gives NaN: %+v", sessions, s)
		}
	}
	o := ScorerOptions{Sessions: SessionsShared} // no file may hold what follows
	if s := score(t, r, d, o, zoo[0], spoiled{zoo[1], float32(math.NaN())})[0]; s.NaN.Len() != 100 {
		t.Errorf("a model with a NaN among its weights: %+v", s)
	}
	// An infinite logit is one that can be compared.
	if s := score(t, r, d, o, zoo[0], spoiled{zoo[1], float32(math.Inf(-1))})[0]; s.NaN != nil || s.Correct < 50 {
		t.Errorf("a model that never says class 0: %+v", s)
	}
}

// TestNaNResult: the result names the models that give NaN, and their scores are
// not kept.
func TestNaNResult(t *testing.T) {
	r := openTestRuntime(t)
	zoo := testZoo(t, 4)
	o := Options{Runtime: r, Data: testImages(t, 40), Against: zoo[2:], Noise: []float64{0.1}, Keep: t.TempDir()}
	run := func() *Result {
		s, err := NewStream(t.Context(), o, zoo[0], 2)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Add(t.Context(), []onnxio.Values{zoo[0], overflowing{zoo[1]}}); err != nil {
			t.Fatal(err)
		}
		result, err := s.Finish(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	result := run()
	good, bad := result.Models[2], result.Models[3]
	if good.NaN != 0 || good.Top1 < 0.5 || bad.NaN != 40 || bad.Top1 != 0 || bad.Top1Low != 0 || bad.ECE != 0 || bad.Nearest == nil || bad.Nearest.Disagreement != 1 {
		t.Errorf("%+v\n%+v", good, bad)
	}
	var table strings.Builder
	if err := result.WriteModels(&table); err != nil {
		t.Fatal(err)
	}
	for _, say := range []string{"NaN logits\n", " 40\n", "NaN: 1 of 12 models give NaN logits for some image, which count as wrong, most often overflowing, on"} {
		if !strings.Contains(table.String(), say) {
			t.Errorf("the table does not say %q:\n%s", say, table.String())
		}
	}
	if again := run(); again.Kept != len(result.Models)-1 {
		t.Errorf("%d of %d scores were kept, want all but one", again.Kept, len(result.Models))
	}
}

// overflowing are finite values whose products are not: infinite sums of both
// signs meet in every logit.
type overflowing struct{ *onnxio.Model }

func (o overflowing) ReadValues(i int, dst []float32, off int) error {
	for k := range dst {
		dst[k] = 1e30
		if (off+k)%2 == 1 && i == len(o.Weights())-2 {
			dst[k] = -1e30
		}
	}
	return nil
}

func (o overflowing) Name() string { return "overflowing" }
