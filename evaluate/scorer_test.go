package evaluate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"rpg/evaluate/fetch"
	"rpg/internal/shareddata"
	"rpg/onnxio"
)

// score scores models with the given options and fails on any error.
func score(t *testing.T, r *Runtime, d *Dataset, o ScorerOptions, template *onnxio.Model, models ...onnxio.Values) []Score {
	t.Helper()
	s, err := r.NewScorer(template, d, o)
	if err != nil {
		t.Fatal(err)
	}
	scores, err := s.Score(t.Context(), models, nil)
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	return scores
}

// withoutConfidence gives scores without what differs by rounding between
// sessions and batches.
func withoutConfidence(scores []Score) []Score {
	cut := slices.Clone(scores)
	for i := range cut {
		cut[i].Calibration = Calibration{}
	}
	return cut
}

// TestPublishedAccuracy scores the public ResNets, whose accuracy Python's ONNX
// Runtime gives too.
func TestPublishedAccuracy(t *testing.T) {
	data := shareddata.Path(t, "")
	r := openTestRuntime(t)
	d, err := OpenCIFAR10(filepath.Join(data, "cifar10", "test_1017.bin"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file          string
		correct, top5 int
	}{{"resnet20.onnx", 932, 1015}, {"resnet56.onnx", 943, 1015}} {
		m := open(t, filepath.Join(data, "models", "cifar10", c.file))
		s := score(t, r, d, ScorerOptions{}, m, m)[0]
		if s.N != 1017 || s.Correct != c.correct || s.Top5 != c.top5 || s.Wrong.Len() != 1017-c.correct {
			t.Errorf("%s: %d and %d of %d right, %d wrong, expected %d and %d of 1017", c.file, s.Correct, s.Top5, s.N, s.Wrong.Len(), c.correct, c.top5)
		}
	}
}

// TestZooAccuracy compares checkpoints with what PyTorch measured on all 10,000
// test images when it saved them.
func TestZooAccuracy(t *testing.T) {
	data := shareddata.Path(t, "")
	folder, err := fetch.FindCIFAR10()
	if err != nil {
		t.Skip("CIFAR-10 is not on this machine; `rpg fetch cifar10` gets it")
	}
	r := openTestRuntime(t)
	d, err := OpenCIFAR10(folder)
	if err != nil {
		t.Fatal(err)
	}
	var index struct {
		Checkpoints []struct {
			File     string
			Accuracy float64 `json:"test_accuracy"`
		}
	}
	zoo := filepath.Join(data, "zoo", "cifar10-cnn-medium")
	text, err := os.ReadFile(filepath.Join(zoo, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &index); err != nil {
		t.Fatal(err)
	}
	var models []onnxio.Values
	var want []float64
	for _, k := range []int{0, 17, 49} {
		models = append(models, open(t, filepath.Join(zoo, index.Checkpoints[k].File)))
		want = append(want, index.Checkpoints[k].Accuracy)
	}
	for i, s := range score(t, r, d, ScorerOptions{}, models[0].(*onnxio.Model), models...) {
		if s.N != 10000 || s.Correct != int(math.Round(10000*want[i])) {
			t.Errorf("%s: %d of %d right, PyTorch measured %.4f", models[i].(*onnxio.Model).Path, s.Correct, s.N, want[i])
		}
	}
}

// TestScoreIsTheSameEveryWay scores the same models in every way there is.
func TestScoreIsTheSameEveryWay(t *testing.T) {
	r := openTestRuntime(t)
	d := testImages(t, 200)
	zoo := testZoo(t, 3)
	models := []onnxio.Values{zoo[0], zoo[1], zoo[2], mean{zoo[0], zoo[1], zoo[2]}}
	want := score(t, r, d, ScorerOptions{Threads: 1, Sessions: SessionsOwn}, zoo[0], models...)
	if want[0].Correct < 130 || want[0].Correct > 170 || want[0].Top5 < 190 {
		t.Errorf("%d and %d of 200 right, expected about 150 and 196", want[0].Correct, want[0].Top5)
	}
	if reflect.DeepEqual(want[0].Predictions, want[2].Predictions) {
		t.Error("two models predict the same everywhere; the test would see no mix-up")
	}
	for _, o := range []ScorerOptions{
		{}, {Threads: 3}, {Sessions: SessionsShared}, {Sessions: SessionsShared, Threads: 3, Batch: 7},
		{Sessions: SessionsOwn, Batch: 1}, {Sessions: SessionsOwn, Batch: 199, Threads: 2}, {Batch: 1000},
	} {
		if got := score(t, r, d, o, zoo[0], models...); !reflect.DeepEqual(withoutConfidence(got), withoutConfidence(want)) {
			t.Errorf("%+v gives other scores", o)
		}
	}
	for i, s := range want {
		for k, label := range d.Labels {
			if wrong := s.Predictions[k] != uint16(label); wrong != s.Wrong.Has(k) {
				t.Fatalf("model %d, image %d: predicted %d, label %d, marked wrong: %v", i, k, s.Predictions[k], label, s.Wrong.Has(k))
			}
		}
	}
}

// unnamed are values without the model they are of.
type unnamed struct{ onnxio.Values }

// TestWeightsElsewhere scores the embedded network as a local function with its
// weights inside, and with a sparse bias that its operator set cannot take as an
// input: there no session can be shared, so every variant gets its own. Both
// score as the network itself does.
func TestWeightsElsewhere(t *testing.T) {
	r := openTestRuntime(t)
	d := testImages(t, 200)
	zoo := testZoo(t, 3)
	want := score(t, r, d, ScorerOptions{}, zoo[0], zoo[0], zoo[1], zoo[2])
	for _, c := range []struct {
		file    string
		refused error
	}{{"localfunction.onnx", nil}, {"sparsebias.onnx", onnxio.ErrUnsupported}} {
		m := open(t, filepath.Join("testdata", c.file))
		if _, _, err := m.WithWeightsAsInputs(); !errors.Is(err, c.refused) {
			t.Fatalf("%s: weights as inputs: %v, expected %v", c.file, err, c.refused)
		}
		models := []onnxio.Values{m, unnamed{zoo[1]}, withValues(t, "third.onnx", m, zoo[2])}
		for _, o := range []ScorerOptions{{}, {Sessions: SessionsShared}, {Sessions: SessionsOwn}, {Sessions: SessionsShared, Threads: 2, Batch: 7}} {
			if got := score(t, r, d, o, m, models...); !reflect.DeepEqual(withoutConfidence(got), withoutConfidence(want)) {
				t.Errorf("%s, %+v: %d, %d, %d right, expected %d, %d, %d", c.file, o, got[0].Correct, got[1].Correct, got[2].Correct, want[0].Correct, want[1].Correct, want[2].Correct)
			}
		}
	}
}

// TestFixedBatch scores a model that takes 16 images at a time and no other
// number: the embedded one with its batch dimension made a number.
func TestFixedBatch(t *testing.T) {
	r := openTestRuntime(t)
	data := zooBytes(t, 0)
	// TensorShapeProto.Dimension: dim_param (2) "batch" becomes dim_value (1) 16,
	// written as a longer varint than needed so that every length stays.
	symbol, number := []byte("\x0a\x07\x12\x05batch"), []byte("\x0a\x07\x08\x90\x80\x80\x80\x80\x00")
	if bytes.Count(data, symbol) == 0 {
		t.Fatal("the embedded model has no batch dimension of that name")
	}
	fixed := parse(t, "fixed.onnx", bytes.ReplaceAll(data, symbol, number))
	if got := fixed.Info().Inputs[0].Shape[0]; got != 16 {
		t.Fatalf("batch dimension %d, expected 16", got)
	}
	free := testZoo(t, 2)
	other := withValues(t, "other.onnx", fixed, free[1])
	for _, n := range []int{1, 15, 16, 17, 100} {
		d := testImages(t, n)
		want := score(t, r, d, ScorerOptions{}, free[0], free[0], free[1])
		for k, models := range [][]onnxio.Values{{fixed}, {fixed, other}} {
			if got := score(t, r, d, ScorerOptions{Batch: 64}, fixed, models...); !reflect.DeepEqual(withoutConfidence(got), withoutConfidence(want[:k+1])) {
				t.Errorf("%d images, %d models: other scores than with a free batch", n, k+1)
			}
		}
	}
}

// TestInputMadeOnce scores with the input of all images in memory, as for several
// models, and without the room for it.
func TestInputMadeOnce(t *testing.T) {
	r := openTestRuntime(t)
	d := testImages(t, 100)
	zoo := testZoo(t, 2)
	want := score(t, r, d, ScorerOptions{}, zoo[0], zoo[1])
	for _, c := range []struct {
		name   string
		bytes  int
		models []onnxio.Values
		ready  bool
	}{
		{"one model", windowBytes, []onnxio.Values{zoo[1]}, false},
		{"several", windowBytes, []onnxio.Values{zoo[0], zoo[1]}, true},
		{"just enough room", 4 * 105 * d.Pixels(), []onnxio.Values{zoo[0], zoo[1]}, true}, // 15 batches of 7
		{"too little room", 4*105*d.Pixels() - 1, []onnxio.Values{zoo[0], zoo[1]}, false},
	} {
		s, err := r.NewScorer(zoo[0], d, ScorerOptions{Batch: 7, Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		s.windowBytes = c.bytes
		scores, err := s.Score(t.Context(), c.models, nil)
		if err != nil {
			t.Fatal(err)
		}
		if (s.ready != nil) != c.ready {
			t.Errorf("%s: input of all images in memory: %v, expected %v", c.name, s.ready != nil, c.ready)
		}
		if last := scores[len(scores)-1:]; !reflect.DeepEqual(withoutConfidence(last), withoutConfidence(want)) {
			t.Errorf("%s: other scores than batch by batch", c.name)
		}
	}
}
func TestProgress(t *testing.T) {
	r := openTestRuntime(t)
	d := testImages(t, 100)
	zoo := testZoo(t, 2)
	s, err := r.NewScorer(zoo[0], d, ScorerOptions{Batch: 30, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	last, calls := 0, 0
	_, err = s.Score(t.Context(), []onnxio.Values{zoo[0], zoo[1]}, func(done, total int) {
		if done <= last || total != 200 {
			t.Errorf("%d of %d after %d", done, total, last)
		}
		last = done
		calls++
	})
	if err != nil || last != 200 || calls != 8 {
		t.Errorf("%d images in %d calls, %v", last, calls, err)
	}
}

func TestCancel(t *testing.T) {
	r := openTestRuntime(t)
	d := testImages(t, 300)
	zoo := testZoo(t, 4)
	s, err := r.NewScorer(zoo[0], d, ScorerOptions{Batch: 10, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	models := []onnxio.Values{zoo[0], zoo[1], zoo[2], zoo[3]}
	ctx, cancel := context.WithCancel(t.Context())
	most := 0
	_, err = s.Score(ctx, models, func(done, total int) {
		most = done
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, expected context.Canceled", err)
	}
	if most > 20 {
		t.Errorf("%d images were scored after the first batch of 10 on 2 threads", most)
	}
	// The Scorer still works.
	if _, err := s.Score(t.Context(), models[:1], nil); err != nil {
		t.Error(err)
	}
}

// unreadable are weights that cannot be read.
type unreadable struct{}

func (unreadable) ReadValues(i int, dst []float32, off int) error { return errors.New("disk on fire") }

func TestScoreRefuses(t *testing.T) {
	r := openTestRuntime(t)
	d := testImages(t, 100)
	zoo := testZoo(t, 2)
	for _, sessions := range []Sessions{SessionsOwn, SessionsShared} {
		s, err := r.NewScorer(zoo[0], d, ScorerOptions{Sessions: sessions, Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name string
			v    onnxio.Values
			say  string
		}{
			{"unreadable weights", unreadable{}, "model 1: "},
		} {
			t.Run(fmt.Sprint(c.name, " ", sessions), func(t *testing.T) {
				_, err := s.Score(t.Context(), []onnxio.Values{zoo[0], c.v, zoo[1]}, nil)
				if err == nil || !strings.Contains(err.Error(), c.say) {
					t.Errorf("error %v, expected %q", err, c.say)
				}
			})
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestNewScorerRefuses(t *testing.T) {
	m := testZoo(t, 1)[0]
	d := testImages(t, 10)
	changed := func(change func(d *Dataset)) *Dataset {
		c := *d
		change(&c)
		return &c
	}
	r := &Runtime{} // refused before the library is needed
	for _, c := range []struct {
		name string
		d    *Dataset
		say  []string
	}{
		{"another height", changed(func(d *Dataset) { d.Shape = []int{3, 28, 32} }), []string{`input "image": shape: expected [batch 3 28 32]`, "float32 [batch 3 32 32]"}},
		{"another number of channels", changed(func(d *Dataset) { d.Shape = []int{1, 32, 32} }), []string{`expected [batch 1 32 32]`}},
		{"another number of classes", changed(func(d *Dataset) { d.Classes = 100 }), []string{"outputs: expected float32 [batch 100]", `"logits" float32 [batch 10]`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := r.NewScorer(m, c.d, ScorerOptions{})
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range append(c.say, m.Path) {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
	t.Run("a network for other data", func(t *testing.T) {
		file := filepath.Join(shareddata.Path(t, ""), "zoo", "digits-mlp-seeds")
		found, err := filepath.Glob(filepath.Join(file, "*.onnx"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no models in %s: %v", file, err)
		}
		if _, err := r.NewScorer(open(t, found[0]), d, ScorerOptions{}); err == nil || !strings.Contains(err.Error(), "shape: expected [batch 3 32 32]") {
			t.Errorf("error %v, expected one about the input's shape", err)
		}
	})
}

func TestScoreRefusesAnotherGraph(t *testing.T) {
	data := shareddata.Path(t, "")
	r := openTestRuntime(t)
	m := testZoo(t, 1)[0]
	other := open(t, filepath.Join(data, "models", "cifar10", "resnet20.onnx"))
	s, err := r.NewScorer(m, testImages(t, 10), ScorerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Score(t.Context(), []onnxio.Values{other}, nil); err == nil || !strings.Contains(err.Error(), "resnet20.onnx: not the graph of") {
		t.Errorf("error %v, expected that the graph differs", err)
	}
}
