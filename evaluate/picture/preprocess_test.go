package picture

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestPreset(t *testing.T) {
	mean, std := []float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}
	for _, c := range []struct {
		text string
		want Preprocess
		say  string // for a model of 224x224
	}{
		{"torchvision", Preprocess{Resize: 256, Divide: 255, Mean: mean, Std: std}, "shorter side to 256 bilinear, centre crop 224x224, RGB/255, minus [0.485 0.456 0.406], over [0.229 0.224 0.225]"},
		{"timm:0.9,bicubic", Preprocess{CropPct: 0.9, Filter: Bicubic, Divide: 255, Mean: mean, Std: std}, "shorter side to 248 bicubic, centre crop 224x224"},
		{"timm:0.95", Preprocess{CropPct: 0.95, Filter: Bicubic, Divide: 255, Mean: mean, Std: std}, "shorter side to 235 bicubic"},
		{"timm:1,Lanczos", Preprocess{CropPct: 1, Filter: Lanczos, Divide: 255, Mean: mean, Std: std}, "shorter side to 224 lanczos"},
		{"caffe-bgr", Preprocess{Resize: 256, BGR: true, Divide: 1, Mean: []float32{104, 117, 123}, Std: []float32{1, 1, 1}}, "BGR, minus [104 117 123]"},
		{"imagenet-inception", Preprocess{CropPct: 0.875, Filter: Bicubic, Divide: 255, Mean: []float32{0.5, 0.5, 0.5}, Std: []float32{0.5, 0.5, 0.5}}, "shorter side to 256 bicubic"},
		{"cifar", Preprocess{Divide: 255, Mean: mean, Std: std}, "RGB/255, minus"},
		{"none", Preprocess{Divide: 1, Mean: []float32{0}, Std: []float32{1}}, "values"},
		{"values:8,1,1", Preprocess{Divide: 8, Mean: []float32{1}, Std: []float32{1}}, "values/8, minus [1]"},
	} {
		t.Run(c.text, func(t *testing.T) {
			got, err := Preset(c.text)
			c.want.Name = c.text
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("%+v, %v, expected %+v", got, err, c.want)
			}
			if say := got.ForModel(224, 224).String(); !strings.Contains(say, c.say) {
				t.Errorf("%q does not say %q", say, c.say)
			}
		})
	}
	for _, text := range []string{"", "torch", "timm", "timm:", "timm:x", "timm:0,bicubic", "timm:1.1,bicubic", "timm:NaN", "timm:0.9,hamming", "values:1", "values:1,2", "values:0,0,1", "values:1,0,0", "values:1,NaN,1", "none:1", "missing.json"} {
		if _, err := Named(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func TestNamedFile(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"timm.json", `{"architecture": "vit_tiny", "num_classes": 1000, "pretrained_cfg": {"input_size": [3, 384, 384], "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "classifier": "head"}}`,
			"shorter side to 384 bicubic, centre crop 384x384, RGB/255, minus [0.5 0.5 0.5], over [0.5 0.5 0.5]"},
		{"vit.json", `{"do_resize": true, "size": {"height": 224, "width": 224}, "resample": 2, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "rescale_factor": 0.00392156862745098}`,
			"resized to 224x224 bilinear, RGB/255, minus [0.5 0.5 0.5], over [0.5 0.5 0.5]"},
		{"convnext.json", `{"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224}, "do_center_crop": true, "resample": 3, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}`,
			"shorter side to 256 bicubic, centre crop 224x224, RGB/255, minus [0.485 0.456 0.406], over [0.229 0.224 0.225]"},
		{"old.json", `{"size": 224, "resample": 3, "image_mean": [0.5], "image_std": [0.25]}`, "resized to 224x224 bicubic, values/255, minus [0.5], over [0.25]"},
		{"ours.yaml", "preset: caffe-bgr\nresize: 240\ninterpolation: lanczos\n", "shorter side to 240 lanczos, centre crop 99x99, BGR, minus [104 117 123]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), c.name)
			if err := os.WriteFile(file, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			p, err := Named(file)
			if got := p.ForModel(99, 99).String(); err != nil || got != c.want {
				t.Errorf("%q, %v, expected %q", got, err, c.want)
			}
		})
	}
	for _, text := range []string{"", "{}", "[1]", "{", "preset: nothing", "mean: [1, 2]\nstd: [1, 2]", "mean: [1]\nstd: [0]", "preset: torchvision\ncrop_mode: border",
		"preset: torchvision\nresample: 7", "preset: torchvision\nresize: -1", "preset: torchvision\nsize: {}", "preset: torchvision\ninterpolation: box", "preset: none\nrescale_factor: 0"} {
		file := filepath.Join(t.TempDir(), "bad.yaml")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Named(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

func TestFromMetadata(t *testing.T) {
	for _, c := range []struct {
		name     string
		metadata map[string]string
		want     string // "" where it says nothing
	}{
		{"nothing", map[string]string{"author": "x"}, ""},
		{"a preset", map[string]string{"preprocess": "caffe-bgr"}, "shorter side to 256 bilinear, centre crop 224x224, BGR, minus [104 117 123]"},
		{"a text", map[string]string{"preprocess": `{"preset": "torchvision", "resize": 232}`}, "shorter side to 232 bilinear, centre crop 224x224, RGB/255, minus [0.485 0.456 0.406], over [0.229 0.224 0.225]"},
		{"timm's keys", map[string]string{"mean": "(0.5, 0.5, 0.5)", "std": "(0.5, 0.5, 0.5)", "interpolation": "bicubic", "crop_pct": "0.9", "input_size": "(3, 224, 224)"},
			"shorter side to 248 bicubic, centre crop 224x224, RGB/255, minus [0.5 0.5 0.5], over [0.5 0.5 0.5]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, ok, err := FromMetadata(c.metadata)
			if err != nil || ok != (c.want != "") {
				t.Fatalf("%v, %v", ok, err)
			}
			if ok && p.ForModel(224, 224).String() != c.want {
				t.Errorf("%q, expected %q", p.ForModel(224, 224), c.want)
			}
		})
	}
	if _, _, err := FromMetadata(map[string]string{"preprocess": "unheard-of"}); err == nil {
		t.Error("an unknown preset: no error")
	}
}

// TestCropRounding holds sizes and places against torchvision's: Resize makes
// the longer side int(size*long/short), CenterCrop starts at Python's
// round((size-crop)/2), half to even, and pads (crop-size)//2 before.
func TestCropRounding(t *testing.T) {
	for _, c := range []struct{ width, height, wantW, wantH int }{
		{500, 375, 341, 256}, {375, 500, 256, 341}, {320, 685, 256, 548}, {256, 256, 256, 256}, {1, 1000, 256, 256000}, {333, 500, 256, 384}, {500, 333, 384, 256},
	} {
		p := Preprocess{Resize: 256}
		if w, h := p.resized(c.width, c.height); w != c.wantW || h != c.wantH {
			t.Errorf("%dx%d becomes %dx%d, expected %dx%d", c.width, c.height, w, h, c.wantW, c.wantH)
		}
	}
	for _, c := range []struct{ size, crop, offset, count, padding int }{
		{256, 224, 16, 224, 0}, {341, 224, 58, 224, 0}, // 58.5 to even
		{343, 224, 60, 224, 0}, // 59.5 to even
		{225, 224, 0, 224, 0}, {227, 224, 2, 224, 0}, {224, 224, 0, 224, 0},
		{223, 224, 0, 223, 0}, {221, 224, 0, 221, 1}, {220, 224, 0, 220, 2},
	} {
		if o, n, p := side(c.size, c.crop); o != c.offset || n != c.count || p != c.padding {
			t.Errorf("%d of %d: %d pixels from %d after %d, expected %d from %d after %d", c.crop, c.size, n, o, p, c.count, c.offset, c.padding)
		}
	}
}

func TestCropPadsWithBlack(t *testing.T) {
	im := NewImage(2, 3, 3)
	for i := range im.Pix {
		im.Pix[i] = 200
	}
	p := None().ForModel(6, 5)
	out := make([]byte, 3*6*5)
	for i := range out {
		out[i] = 7 // of an earlier picture
	}
	new(Cropper).Crop(out, im, &p, 3)
	var lines []string
	for y := range 6 {
		lines = append(lines, fmt.Sprint(out[y*5:(y+1)*5]))
	}
	want := "[0 0 0 0 0] [0 200 200 0 0] [0 200 200 0 0] [0 200 200 0 0] [0 0 0 0 0] [0 0 0 0 0]"
	if got := strings.Join(lines, " "); got != want {
		t.Errorf("got %s, expected %s", got, want)
	}
}
