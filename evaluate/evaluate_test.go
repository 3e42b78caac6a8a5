package evaluate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"rpg/internal/shareddata"
	"rpg/onnxio"
)

// evaluateZoo evaluates, against the first 20 checkpoints of the embedded zoo, a
// copy of one of them and one with noise of a tenth of a standard deviation.
func evaluateZoo(t *testing.T, r *Runtime, images, threads int) (*Result, []*onnxio.Model) {
	t.Helper()
	originals := testZoo(t, 20)
	s := testSource(t, originals)
	copied := parse(t, "copy.onnx", zooBytes(t, 7))
	noised := withValues(t, "noised.onnx", originals[0], s.noised(3, 0.1, nil, 99, 99))
	result, err := Evaluate(t.Context(), Options{
		Runtime: r, Data: testImages(t, images), Models: []*onnxio.Model{copied, noised}, Against: originals,
		Baselines: 3, Seed: 5, Threads: threads,
	})
	if err != nil {
		t.Fatal(err)
	}
	return result, originals
}

func TestEvaluate(t *testing.T) {
	r := openTestRuntime(t)
	result, originals := evaluateZoo(t, r, 300, 2)
	var got []string
	for _, g := range result.Groups {
		got = append(got, fmt.Sprint(g.Name, " ", g.Count))
	}
	if want := []string{"originals 20", "generated 2", "nearest 2",
		"noise 0.01 3", "noise 0.02 3", "noise 0.05 3", "noise 0.1 3", "noise 0.2 3", "average 3", "interpolation 3", "gaussian 3", "pca gaussian 3"}; !slices.Equal(got, want) {
		t.Fatalf("groups %q, expected %q", got, want)
	}
	if len(result.Models) != 49 || result.Data.Images != 300 || result.ImagesPerS <= 0 {
		t.Errorf("%d models, %d images, %g images/s", len(result.Models), result.Data.Images, result.ImagesPerS)
	}

	t.Run("a copy is found", func(t *testing.T) {
		c := result.Models[20]
		if c.Path != "copy.onnx" || c.Group != GroupGenerated || c.Nearest.L2 != 0 || c.Nearest.IoU != 1 || c.Nearest.Path != originals[7].Path {
			t.Errorf("%+v, nearest %+v", c, c.Nearest)
		}
	})
	t.Run("an original is not its own neighbour", func(t *testing.T) {
		for i, m := range result.Models[:20] {
			if m.Nearest.L2 == 0 || m.Nearest.Path == originals[i].Path || m.Nearest.IoUPath == originals[i].Path {
				t.Errorf("%s: nearest %+v", m.Path, m.Nearest)
			}
		}
	})
	t.Run("noise lies as far as its size says", func(t *testing.T) {
		for name, sigma := range map[string]float64{"noise 0.01": 0.01, "noise 0.05": 0.05} {
			// The nearest original is the noised one or one that is almost it.
			want := sigma * math.Sqrt(float64(result.Zoo.Values))
			if d := result.group(name).Distance; !(math.Abs(d.Median/want-1) < 0.05) {
				t.Errorf("%s: distance %g, expected about %g", name, d.Median, want)
			}
		}
	})
	t.Run("the average lies among the originals", func(t *testing.T) {
		a, n := result.group(GroupAverage), result.group("noise 0.05")
		if !(a.Distance.Median < n.Distance.Median) || !(a.Top1.Mean > 0.6) {
			t.Errorf("average: distance %g, top-1 %g", a.Distance.Median, a.Top1.Mean)
		}
	})
	t.Run("the zoo is one trajectory", func(t *testing.T) {
		z := result.Zoo
		if z.Kind != OneTrajectory || !(z.Spread > 1e-6 && z.Spread < 1e-3) || !(z.OriginalIoU > 0.75 && z.OriginalIoU < 0.99) {
			t.Errorf("%+v", z)
		}
		if d := result.group(GroupOriginals).Distance; *d.Ratio != 1 || d.Median != z.NearestNeighbour {
			t.Errorf("originals: ratio %g, median %g of %g", *d.Ratio, d.Median, z.NearestNeighbour)
		}
	})
	t.Run("not ten times farther", func(t *testing.T) {
		all := strings.Join(result.Verdicts, "\n")
		if !strings.Contains(all, "Not every generated model is at least 10 times farther") || !strings.Contains(all, "1 of 2 are") {
			t.Errorf("verdicts: %s", all)
		}
	})
}

// TestOverlapIsOfWrongPredictions computes the overlap again, from predictions.
// On the images that both get right it would be near 1 for any two good models.
func TestOverlapIsOfWrongPredictions(t *testing.T) {
	r := openTestRuntime(t)
	d := testImages(t, 300)
	zoo := testZoo(t, 2)
	result, err := Evaluate(t.Context(), Options{Runtime: r, Data: d, Models: zoo[1:], Against: zoo[:1], Baselines: 1})
	if err != nil {
		t.Fatal(err)
	}
	scores := score(t, r, d, ScorerOptions{}, zoo[0], zoo[0], zoo[1])
	var wrongBoth, wrongEither, rightBoth, rightEither float64
	for i, label := range d.Labels {
		a, b := scores[0].Predictions[i] == uint16(label), scores[1].Predictions[i] == uint16(label)
		if a && b {
			rightBoth++
		}
		if a || b {
			rightEither++
		}
		if !a && !b {
			wrongBoth++
		}
		if !a || !b {
			wrongEither++
		}
	}
	want, opposite := wrongBoth/wrongEither, rightBoth/rightEither
	if got := result.Models[1].Nearest.IoU; got != want || got == opposite {
		t.Errorf("IoU %g, expected %g (of right predictions it would be %g)", got, want, opposite)
	}
	if result.Zoo != nil || !strings.Contains(result.Verdicts[0], "only one original") {
		t.Errorf("one original: zoo %+v, %q", result.Zoo, result.Verdicts[0])
	}
	if result.group(GroupAverage) != nil {
		t.Error("an average of one original")
	}
}

func TestEvaluateIsRepeatable(t *testing.T) {
	r := openTestRuntime(t)
	a, _ := evaluateZoo(t, r, 100, 1)
	b, _ := evaluateZoo(t, r, 100, 3)
	a.ImagesPerS, b.ImagesPerS = 0, 0
	if !reflect.DeepEqual(a, b) {
		t.Error("1 and 3 threads give different results")
	}
}

func TestResultJSON(t *testing.T) {
	r := openTestRuntime(t)
	result, _ := evaluateZoo(t, r, 100, 2)
	text, err := json.Marshal(result)
	if err != nil {
		t.Fatal(err)
	}
	var object any
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"schema", "data.name", "data.images", "data.sha256", "data.preprocess", "provider", "images_per_s",
		"groups.0.name", "groups.0.count", "groups.0.top1.mean", "groups.0.top1.std", "groups.0.top1.min", "groups.0.top1.max", "groups.0.top5.mean",
		"groups.0.similarity.mean", "groups.0.similarity.max", "groups.0.distance.min", "groups.0.distance.ratio",
		"models.0.path", "models.0.group", "models.0.top1", "models.0.top1_low", "models.0.top1_high", "models.0.top5",
		"models.0.nearest.path", "models.0.nearest.iou", "models.0.nearest.l2",
		"zoo.kind", "zoo.original_iou", "zoo.spread", "verdicts.0",
	} {
		at := object
		for key := range strings.SplitSeq(path, ".") {
			switch v := at.(type) {
			case map[string]any:
				at = v[key]
			case []any:
				at = v[0]
			}
		}
		if at == nil {
			t.Errorf("the JSON has no %s", path)
		}
	}
	if result.Schema != "rpg.evaluate/1" {
		t.Errorf("schema %q", result.Schema)
	}
}

func TestTables(t *testing.T) {
	r := openTestRuntime(t)
	result, originals := evaluateZoo(t, r, 100, 2)
	alone, err := Evaluate(t.Context(), Options{Runtime: r, Data: testImages(t, 100), Models: originals[:2]})
	if err != nil {
		t.Fatal(err)
	}
	if alone.Zoo != nil || len(alone.Verdicts) != 0 || alone.Models[0].Nearest != nil || alone.Groups[0].Name != GroupModels {
		t.Errorf("without originals: %+v", alone)
	}
	alone.Models[0].Path = filepath.Join(strings.Repeat("folder/", 10), strings.Repeat("name", 20)+".onnx")
	var groups, models, single bytes.Buffer
	if err := errors.Join(result.WriteTable(&groups), result.WriteModels(&models), alone.WriteTable(&single)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		has        []string
	}{
		{"groups", groups.String(), []string{"group          models", "originals          20", "noise 0.05          3", "generated           2", "pca gaussian        3", "ratio", "and at a ratio of"}},
		{"models", models.String(), []string{"copy.onnx", "95 % interval", "max IoU"}},
		{"single", single.String(), []string{"95 % interval", "name.onnx", originals[1].Path}},
	} {
		for _, part := range c.has {
			if !strings.Contains(c.text, part) {
				t.Errorf("%s: no %q in\n%s", c.name, part, c.text)
			}
		}
		for line := range strings.Lines(c.text) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > tableWidth {
				t.Errorf("%s: a line of %d columns: %s", c.name, n, line)
			}
		}
		if strings.Contains(c.text, "\x1b") {
			t.Errorf("%s: has colour", c.name)
		}
	}
	if strings.Contains(models.String(), "noise 0.") {
		t.Error("the list of models has baselines")
	}
}

func TestEvaluateRefuses(t *testing.T) {
	r := &Runtime{} // refused before the library is needed
	d := testImages(t, 10)
	zoo := testZoo(t, 2)
	for _, c := range []struct {
		name string
		o    Options
		say  string
	}{
		{"no models", Options{}, "expected at least one"},
		{"noise of 0", Options{Models: zoo, Noise: []float64{0}}, "expected a number above 0, found 0"},
		{"noise that is no number", Options{Models: zoo, Noise: []float64{math.NaN()}}, "found NaN"},
		{"the same noise twice", Options{Models: zoo, Noise: []float64{0.1, 0.1}}, "0.1 twice"},
		{"nothing of this name", Options{Models: zoo, Without: []string{"noisy"}}, `"noisy", expected one of noise, average`},
		{"bar above 1", Options{Models: zoo, Bar: 75}, "expected 0 to 1, found 75"},
		{"negative baselines", Options{Models: zoo, Baselines: -1}, "expected 0 or more, found -1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Runtime, c.o.Data = r, d
			if _, err := Evaluate(t.Context(), c.o); err == nil || !strings.Contains(err.Error(), c.say) {
				t.Errorf("error %v, expected %q", err, c.say)
			}
		})
	}
	t.Run("models of two graphs", func(t *testing.T) {
		other := open(t, filepath.Join(shareddata.Path(t, ""), "models", "cifar10", "resnet20.onnx"))
		_, err := Evaluate(t.Context(), Options{Runtime: r, Data: d, Models: []*onnxio.Model{other}, Against: zoo})
		if err == nil || !strings.Contains(err.Error(), "resnet20.onnx: expected the graph of "+zoo[0].Path) {
			t.Errorf("error %v, expected that the graph differs", err)
		}
	})
}

// TestSeveralGraphs scores networks of two graphs in one call.
func TestSeveralGraphs(t *testing.T) {
	data := shareddata.Path(t, "")
	r := openTestRuntime(t)
	resnet := open(t, filepath.Join(data, "models", "cifar10", "resnet20.onnx"))
	zoo := testZoo(t, 2)
	last := 0
	result, err := Evaluate(t.Context(), Options{Runtime: r, Data: testImages(t, 100), Models: []*onnxio.Model{zoo[0], resnet, zoo[1]},
		Progress: func(done, total int) {
			if done <= last || total != 300 {
				t.Errorf("%d of %d after %d", done, total, last)
			}
			last = done
		}})
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Models) != 3 || result.Models[1].Top1 < 0.85 || result.Models[0].Top1 > 0.85 || result.Models[2].Top1 > 0.85 || last != 300 {
		t.Errorf("%+v, %d images", result.Models, last)
	}
}
