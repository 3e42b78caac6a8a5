package evaluate

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"rpg/onnxio"
)

// constant are weights that are one value everywhere, so that all logits are equal.
type constant struct{ onnxio.Values }

func (constant) ReadValues(_ int, dst []float32, _ int) error {
	clear(dst)
	return nil
}

// TestTwoModels scores a trained model and one whose weights are all 0: it gives
// every class the same logit, so class 0, everywhere.
func TestTwoModels(t *testing.T) {
	r := openTestRuntime(t)
	d := testImages(t, 100)
	m := testZoo(t, 1)[0]
	flat := withValues(t, "flat.onnx", m, constant{})
	result, err := Evaluate(t.Context(), Options{Runtime: r, Data: d, Models: []*onnxio.Model{m, flat}})
	if err != nil {
		t.Fatal(err)
	}
	zeros := 0
	for _, label := range d.Labels {
		if label == 0 {
			zeros++
		}
	}
	good, bad := result.Models[0], result.Models[1]
	if bad.Correct != zeros || bad.Ties != 100 || good.Ties != 0 {
		t.Errorf("%d right with %d ties, and %d ties of the trained one; expected %d, 100, 0", bad.Correct, bad.Ties, good.Ties, zeros)
	}
	p := result.Paired
	if p == nil || p.OnlyA-p.OnlyB != good.Correct-bad.Correct || !(math.Abs(p.Difference-(good.Top1-bad.Top1)) < 1e-12) || !(p.P < 1e-6) {
		t.Fatalf("paired %+v", p)
	}
	var b bytes.Buffer
	if err := result.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	for _, say := range []string{"flat.onnx differ in top-1: +", "(McNemar's exact test, p = ", "Ties: 1 of 2 models", "most often flat.onnx, on 100 of 100; the lowest class counts."} {
		if !strings.Contains(text, say) {
			t.Errorf("table does not say %q: %s", say, text)
		}
	}

	same, err := Evaluate(t.Context(), Options{Runtime: r, Data: d, Models: []*onnxio.Model{m, m}})
	if err != nil {
		t.Fatal(err)
	}
	if p := same.Paired; p.OnlyA != 0 || p.OnlyB != 0 || p.P != 1 || !strings.Contains(p.String(), "are not shown to differ") || len(same.Notes) != 0 {
		t.Errorf("a model with itself: %v, notes %q", p, same.Notes)
	}
	one, err := Evaluate(t.Context(), Options{Runtime: r, Data: d, Models: []*onnxio.Model{m}})
	if err != nil || one.Paired != nil {
		t.Errorf("one model: paired %v, %v", one.Paired, err)
	}
}
