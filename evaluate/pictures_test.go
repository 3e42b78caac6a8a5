package evaluate

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rpg/evaluate/dataset"
	"rpg/evaluate/picture"
	"rpg/fixtures"
	"rpg/onnxio"
)

// pictureFolder writes the first n embedded images as PNG files into a folder
// for each class, in an order that label and number decide. It gives the numbers
// in that order.
func pictureFolder(t *testing.T, n int) (root string, order []int) {
	t.Helper()
	root = t.TempDir()
	for class := range 10 {
		if err := os.MkdirAll(filepath.Join(root, fmt.Sprint(class)), 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			row := fixtures.Images()[i*3073 : (i+1)*3073]
			if int(row[0]) != class {
				continue
			}
			m := image.NewRGBA(image.Rect(0, 0, 32, 32))
			for p := range 1024 {
				m.Pix[4*p], m.Pix[4*p+1], m.Pix[4*p+2], m.Pix[4*p+3] = row[1+p], row[1025+p], row[2049+p], 255
			}
			var b bytes.Buffer
			if err := png.Encode(&b, m); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, fmt.Sprint(class), fmt.Sprintf("%04d.png", i)), b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
			order = append(order, i)
		}
	}
	return root, order
}

func openPictures(t *testing.T, o dataset.Options) *Dataset {
	t.Helper()
	p := picture.CIFAR()
	o.Preprocess, o.Shape = &p, []int{3, 32, 32}
	d, err := dataset.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestScorePictures scores models on pictures, of which only some are in memory
// at a time, and expects what the same images from memory give.
func TestScorePictures(t *testing.T) {
	r := openTestRuntime(t)
	zoo := testZoo(t, 3)
	const n = 200
	want := score(t, r, testImages(t, n), ScorerOptions{}, zoo[0], zoo[0], zoo[1], zoo[2])
	root, order := pictureFolder(t, n)
	for _, c := range []struct {
		name   string
		window int // pictures
		batch  int
		models int
	}{
		{"all in memory", 1000, 0, 3},
		{"chunks", 48, 4, 3},
		{"chunks of one batch", 20, 5, 3},
		{"one model", 48, 4, 1},
	} {
		for _, sessions := range []Sessions{SessionsOwn, SessionsShared} {
			t.Run(fmt.Sprint(c.name, " ", sessions), func(t *testing.T) {
				d := openPictures(t, dataset.Options{Path: root})
				s, err := r.NewScorer(zoo[0], d, ScorerOptions{Batch: c.batch, Sessions: sessions, Threads: 2})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				s.windowBytes = c.window * d.Pixels()
				var models []onnxio.Values
				for _, m := range zoo[:c.models] {
					models = append(models, m)
				}
				done := 0
				scores, err := s.Score(t.Context(), models, func(d, total int) { done = d })
				if err != nil {
					t.Fatal(err)
				}
				if done != n*c.models {
					t.Errorf("progress ends at %d, expected %d", done, n*c.models)
				}
				for k, got := range scores {
					if got.N != n || got.Correct != want[k].Correct || got.Top5 != want[k].Top5 {
						t.Errorf("model %d: %d right and %d among five of %d, expected %d and %d", k, got.Correct, got.Top5, got.N, want[k].Correct, want[k].Top5)
					}
					for i, from := range order {
						if got.Predictions[i] != want[k].Predictions[from] {
							t.Fatalf("model %d, picture %d: class %d, expected %d", k, i, got.Predictions[i], want[k].Predictions[from])
						}
					}
				}
			})
		}
	}
}

// TestScoreSkipsBadPictures spoils one picture of many.
func TestScoreSkipsBadPictures(t *testing.T) {
	r := openTestRuntime(t)
	m := testZoo(t, 1)[0]
	const n = 100
	want := score(t, r, testImages(t, n), ScorerOptions{}, m, m)[0]
	root, order := pictureFolder(t, n)
	const spoilt = 17
	name := filepath.Join(root, fmt.Sprint(fixtures.Images()[order[spoilt]*3073]), fmt.Sprintf("%04d.png", order[spoilt]))
	if err := os.Truncate(name, 700); err != nil {
		t.Fatal(err)
	}
	o := Options{Runtime: r, Models: []*onnxio.Model{m}, Data: openPictures(t, dataset.Options{Path: root})}
	if _, err := Evaluate(t.Context(), o); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("error %v, expected one that names %s", err, name)
	}
	o.Data = openPictures(t, dataset.Options{Path: root, SkipBad: true})
	result, err := Evaluate(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	right := want.Correct
	if !want.Wrong.Has(order[spoilt]) {
		right--
	}
	if got := result.Models[0]; got.Correct != right || got.Top1 != float64(right)/(n-1) || result.Data.Images != n-1 {
		t.Errorf("%d right, %g of %d images, expected %d of %d", got.Correct, got.Top1, result.Data.Images, right, n-1)
	}
	if bad := result.Data.Skipped; len(bad) != 1 || bad[0].Name != name || bad[0].Index != spoilt {
		t.Errorf("skipped %v", bad)
	}
	t.Run("all of them", func(t *testing.T) {
		files, err := filepath.Glob(filepath.Join(root, "*", "*.png"))
		if err != nil || len(files) != n {
			t.Fatal(len(files), err)
		}
		for _, f := range files {
			if err := os.WriteFile(f, []byte("no picture"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		o.Data = openPictures(t, dataset.Options{Path: root, SkipBad: true})
		if _, err := Evaluate(t.Context(), o); err == nil || !strings.Contains(err.Error(), "found none among 100") {
			t.Errorf("error %v", err)
		}
	})
}
