package evaluate

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"rpg/evaluate/dataset"
	"rpg/evaluate/picture"
	"rpg/internal/shareddata"
)

// TestImageNetReference holds both ImageNet models, on 500 pictures, against
// what Pillow and ONNX Runtime in Python made of them.
func TestImageNetReference(t *testing.T) {
	folder := shareddata.Path(t, "imagenet")
	data, err := os.ReadFile(filepath.Join(folder, "reference.json"))
	if err != nil {
		t.Fatal(err)
	}
	var reference struct {
		Pictures []string
		Models   map[string]struct {
			Top1, Top5 float64
			Classes    [][]uint16 `json:"top5_classes"`
			Margin     []float64
		}
	}
	if err := json.Unmarshal(data, &reference); err != nil {
		t.Fatal(err)
	}
	r := openTestRuntime(t)
	for name, c := range map[string]struct {
		preprocess string
		side       int
	}{
		"mobilenet_v2_quant":     {"torchvision", 224},
		"squeezenet_v1.0_bgr227": {"caffe-bgr", 227},
	} {
		t.Run(name, func(t *testing.T) {
			want := reference.Models[name]
			if len(want.Classes) != 500 {
				t.Fatalf("%d reference predictions", len(want.Classes))
			}
			p, err := picture.Preset(c.preprocess)
			if err != nil {
				t.Fatal(err)
			}
			d, err := dataset.Open(t.Context(), dataset.Options{Path: filepath.Join(folder, "samples"), Preprocess: &p, Shape: []int{3, c.side, c.side}})
			if err != nil {
				t.Fatal(err)
			}
			m := open(t, shareddata.Path(t, "models/imagenet/"+name+".onnx"))
			s := score(t, r, d, ScorerOptions{}, m, m)[0]
			top1, top5 := 100*float64(s.Correct)/float64(s.N), 100*float64(s.Top5)/float64(s.N)
			if !(math.Abs(top1-want.Top1) <= 0.2 && math.Abs(top5-want.Top5) <= 0.2) || s.N != 500 {
				t.Errorf("top-1 %.2f, top-5 %.2f of %d, expected %.2f and %.2f", top1, top5, s.N, want.Top1, want.Top5)
			}
			clear, equal, allEqual := 0, 0, 0
			for i, classes := range want.Classes {
				k := slices.Index(reference.Pictures, filepath.Base(d.ImageName(i)))
				if k != i {
					t.Fatalf("picture %d is %s, which is %d of the reference", i, d.ImageName(i), k)
				}
				same := s.Predictions[i] == classes[0]
				if same {
					allEqual++
				}
				if want.Margin[i] > 0.05 {
					clear++
					if same {
						equal++
					} else {
						t.Logf("%s: class %d, expected %d with margin %g", d.ImageName(i), s.Predictions[i], classes[0], want.Margin[i])
					}
				}
			}
			t.Logf("top-1 %.2f (reference %.2f), top-5 %.2f (%.2f); equal classes: %d of %d with a margin, %d of 500", top1, want.Top1, top5, want.Top5, equal, clear, allEqual)
			if equal < clear-1 || clear < 350 {
				t.Errorf("%d of %d classes as the reference where its margin is above 0.05", equal, clear)
			}
		})
	}
}
