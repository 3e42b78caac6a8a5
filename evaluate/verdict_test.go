package evaluate

import (
	"path/filepath"
	"strings"
	"testing"

	"rpg/internal/shareddata"
	"rpg/onnxio"
)

// resnetZoo opens the first n checkpoints of the shared ResNet-20 zoo.
func resnetZoo(t *testing.T, n int) []*onnxio.Model {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(shareddata.Path(t, ""), "zoo", "cifar10-resnet20", "*.onnx"))
	if err != nil || len(found) < n {
		t.Fatalf("%d checkpoints, expected %d, %v", len(found), n, err)
	}
	var zoo []*onnxio.Model
	for _, path := range found[:n] {
		zoo = append(zoo, open(t, path))
	}
	return zoo
}

// generatedAt makes candidates at distances l2, and the Result that sums them up.
func generatedAt(z *ZooResult, l2 ...float64) (*Result, []*candidate) {
	r := &Result{Zoo: z}
	var list []*candidate
	var models []ModelResult
	for _, d := range l2 {
		list = append(list, &candidate{group: GroupGenerated, novelty: novelty{near: neighbour{0, d}, aligned: neighbour{index: -1}}})
		models = append(models, ModelResult{Group: GroupGenerated, Nearest: &NearestResult{L2: d}})
	}
	r.Groups = []GroupResult{r.sumUp(models)}
	return r, list
}

func TestDistanceVerdict(t *testing.T) {
	near := &ZooResult{Kind: OneTrajectory, NearestNeighbour: 2, Values: 10000}
	apart := &ZooResult{Kind: Independent, NearestNeighbour: 50, Values: 3000}
	for _, c := range []struct {
		name string
		zoo  *ZooResult
		l2   []float64
		says []string
	}{
		{"all far", near, []float64{20, 30}, []string{"Every generated model is at least 10 times farther", "10.0 to 15.0 times", "which is 2."}},
		{"one near", near, []float64{19.9, 30}, []string{"Not every generated model", "1 of 2 are", "9.95 to 15.00 times", "stay near the originals'", "The reason"}},
		{"copies", near, []float64{0, 0}, []string{"0 of 2 are", "0.00 to 0.00 times"}},
		{"no room", apart, []float64{30, 40}, []string{"0 of 2 are", "even unrelated weights would only be 1.5 times farther"}},
		{"one original", nil, []float64{5}, []string{"at least 10 times", "cannot be told", "only one original"}},
		{"equal originals", &ZooResult{Values: 10}, []float64{5}, []string{"at least 10 times", "cannot be told", "equal to another one"}},
	} {
		r, list := generatedAt(c.zoo, c.l2...)
		got := distanceVerdict(r, list)
		for _, part := range c.says {
			if !strings.Contains(got, part) {
				t.Errorf("%s: %q does not say %q", c.name, got, part)
			}
		}
	}
}

func TestPercent(t *testing.T) {
	for f, want := range map[float64]string{0: "0 %", 1: "100 %", 0.5: "50 %", 0.123: "12 %", 0.0123: "1.2 %", 0.00123: "0.12 %", 3.2e-5: "0.0032 %", 5.9e-7: "0.000059 %"} {
		if got := percent(f); got != want {
			t.Errorf("percent(%g) = %q, expected %q", f, got, want)
		}
	}
}

// wrongOn makes a group of models that are wrong on the given images of n.
func wrongOn(n int, sets ...[]int) []*candidate {
	var list []*candidate
	for _, set := range sets {
		list = append(list, &candidate{score: Score{N: n, Correct: n - len(set), Wrong: bitset(n, set...)}})
	}
	return list
}

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func TestAccuracyVerdict(t *testing.T) {
	const n = 1000
	good := wrongOn(n, upTo(200), upTo(201), upTo(202))
	for _, c := range []struct {
		name      string
		generated []*candidate
		say       string
	}{
		{"equal", good, "No difference in accuracy"},
		{"a little worse", wrongOn(n, upTo(202), upTo(203), upTo(201)), "No difference in accuracy"},
		{"worse", wrongOn(n, upTo(300), upTo(301), upTo(302)), "are less accurate than the originals: mean top-1 differs by -10.00 points"},
		{"better", wrongOn(n, upTo(100), upTo(101), upTo(102)), "are more accurate than the originals: mean top-1 differs by +10.00 points"},
		{"worse on average, but it depends on the model", wrongOn(n, upTo(150), upTo(500)), "No difference in accuracy"},
	} {
		if got := accuracyVerdict(c.generated, good, 1); !strings.Contains(got, c.say) {
			t.Errorf("%s: %q does not say %q", c.name, got, c.say)
		}
	}
}

// TestKindOfZoo tells 50 checkpoints of one run from networks that have nothing
// in common but their graph.
func TestKindOfZoo(t *testing.T) {
	r := openTestRuntime(t)
	d := testImages(t, 100)
	resnets := resnetZoo(t, 3)
	result, err := Evaluate(t.Context(), Options{Runtime: r, Data: d, Models: resnets[:1], Against: resnets, Baselines: 1})
	if err != nil {
		t.Fatal(err)
	}
	if z := result.Zoo; z.Kind != OneTrajectory || !(z.Spread < 1e-3) {
		t.Errorf("ResNet-20 zoo: %+v", z)
	}
	if got := result.group("noise 0.05").Top1.Mean; !(got > 0.5) {
		t.Errorf("ResNet-20 with noise 0.05 in token space: top-1 %g, expected a working network", got)
	}
	// Reversing each tensor keeps its statistics and makes unrelated weights.
	zoo := testZoo(t, 2)
	reversed := withValues(t, "reversed.onnx", zoo[0], backwards{zoo[1]})
	result, err = Evaluate(t.Context(), Options{Runtime: r, Data: d, Models: zoo[:1], Against: []*onnxio.Model{zoo[0], reversed}, Baselines: 1})
	if err != nil {
		t.Fatal(err)
	}
	if z := result.Zoo; z.Kind != Independent || !(z.Spread > 0.5) {
		t.Errorf("unrelated networks: %+v", z)
	}
}

// backwards are a model's weights, each in reverse order.
type backwards struct{ *onnxio.Model }

func (b backwards) ReadValues(i int, dst []float32, off int) error {
	n := b.Weights()[i].Elements
	if err := b.Model.ReadValues(i, dst, n-off-len(dst)); err != nil {
		return err
	}
	for l, r := 0, len(dst)-1; l < r; l, r = l+1, r-1 {
		dst[l], dst[r] = dst[r], dst[l]
	}
	return nil
}
