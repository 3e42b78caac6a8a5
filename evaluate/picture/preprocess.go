package picture

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A Preprocess is how a picture becomes network input: resized, cropped around
// its centre, and each value v of channel c turned into (v/Divide-Mean[c])/Std[c].
type Preprocess struct {
	Name          string  // for people
	Resize        int     // length of the shorter side, 0 to keep the size
	CropPct       float64 // if not 0, Resize is the crop's size over CropPct, rounded down
	Squash        bool    // resize to the crop's size itself, whatever the shape of the picture
	Filter        Filter
	Height, Width int // of the crop; 0 is what the model takes
	BGR           bool
	Divide        float32
	Mean, Std     []float32 // one for each channel, or one for all
}

// The normalization that torchvision's and most of timm's models are trained with.
func imageNet(name string) Preprocess {
	return Preprocess{Name: name, Filter: Bilinear, Divide: 255,
		Mean: []float32{0.485, 0.456, 0.406}, Std: []float32{0.229, 0.224, 0.225}}
}

// CIFAR is for images that have the model's size already: ImageNet's
// normalization and nothing else, as the zoos of CIFAR-10 networks take it.
func CIFAR() Preprocess { return imageNet("cifar") }

// None gives the values as they are stored.
func None() Preprocess {
	return Preprocess{Name: "none", Divide: 1, Mean: []float32{0}, Std: []float32{1}}
}

// Bytes gives bytes as 0 to 1.
func Bytes() Preprocess {
	return Preprocess{Name: "values:255,0,1", Divide: 255, Mean: []float32{0}, Std: []float32{1}}
}

// Names are the presets that Preset takes, as shown to people.
func Names() []string {
	return []string{"torchvision", "timm:CROP_PCT,FILTER", "caffe-bgr", "cifar", "imagenet-inception", "none", "values:DIVISOR,MEAN,STD"}
}

// Preset gives the preprocessing of that name:
//
//	torchvision           shorter side to 256, bilinear, centre crop, ImageNet's mean and deviation
//	timm:0.9,bicubic      shorter side to the crop over 0.9, the filter named, the same normalization
//	caffe-bgr             shorter side to 256, bilinear, centre crop, BGR minus (104,117,123)
//	imagenet-inception    timm's for Inception: over 0.875, bicubic, to -1..1
//	cifar                 no resize, ImageNet's mean and deviation
//	none                  no resize, values as stored
//	values:8,1,1          no resize, (v/8-1)/1
//
// A crop of 0x0 in the result is to be replaced by what the model takes.
func Preset(text string) (Preprocess, error) {
	kind, arguments, has := strings.Cut(text, ":")
	p := imageNet(text)
	switch {
	case text == "torchvision":
		p.Resize = 256
	case text == "caffe-bgr":
		p.Resize, p.BGR, p.Divide = 256, true, 1
		p.Mean, p.Std = []float32{104, 117, 123}, []float32{1, 1, 1}
	case text == "imagenet-inception":
		p.CropPct, p.Filter = 0.875, Bicubic
		p.Mean, p.Std = []float32{0.5, 0.5, 0.5}, []float32{0.5, 0.5, 0.5}
	case text == "cifar":
	case text == "none":
		p = None()
	case kind == "timm" && has:
		pct, filter, _ := strings.Cut(arguments, ",")
		x, err := strconv.ParseFloat(pct, 64)
		if err != nil || x == 0 {
			return p, fmt.Errorf("evaluate: preprocess %s: crop: expected a fraction like 0.9, found %q", text, pct)
		}
		if p.CropPct = x; filter == "" {
			filter = "bicubic"
		}
		if p.Filter, err = FilterOf(filter); err != nil {
			return p, fmt.Errorf("evaluate: preprocess %s: %w", text, err)
		}
	case kind == "values" && has:
		var x [3]float32
		parts := strings.Split(arguments, ",")
		for i := range x {
			v, err := strconv.ParseFloat(strings.TrimSpace(parts[min(i, len(parts)-1)]), 32)
			if err != nil || len(parts) != 3 {
				return p, fmt.Errorf("evaluate: preprocess %s: expected values:DIVISOR,MEAN,STD, three numbers", text)
			}
			x[i] = float32(v)
		}
		p = Preprocess{Name: text, Divide: x[0], Mean: x[1:2], Std: x[2:3]}
	default:
		return p, fmt.Errorf("evaluate: preprocess %q: expected one of %s, or a JSON or YAML file", text, strings.Join(Names(), " "))
	}
	return p, p.check()
}

func (p Preprocess) check() error {
	fail := func(what, expected string, found any) error {
		return fmt.Errorf("evaluate: preprocess %s: %s: expected %s, found %v", p.Name, what, expected, found)
	}
	switch {
	case p.CropPct != 0 && !(p.CropPct > 0.05 && p.CropPct <= 1):
		return fail("crop", "a fraction of 0.05 to 1", p.CropPct)
	case p.Resize < 0 || p.Resize > maxSide:
		return fail("resize", fmt.Sprintf("0 to %d", maxSide), p.Resize)
	case p.Height < 0 || p.Width < 0 || p.Height > maxSide || p.Width > maxSide || (p.Height == 0) != (p.Width == 0):
		return fail("crop size", fmt.Sprintf("up to %d", maxSide), fmt.Sprintf("%dx%d", p.Height, p.Width))
	case !(p.Divide > 0) || math.IsInf(float64(p.Divide), 0):
		return fail("divisor", "a number above 0", p.Divide)
	case len(p.Mean) != len(p.Std) || len(p.Mean) != 1 && len(p.Mean) != 3:
		return fail("mean and std", "one or three numbers each", fmt.Sprint(p.Mean, p.Std))
	case slices.ContainsFunc(p.Mean, func(x float32) bool { return !(math.Abs(float64(x)) < 1e9) }):
		return fail("mean", "numbers", p.Mean)
	case slices.ContainsFunc(p.Std, func(x float32) bool { return !(x > 0 && x < 1e9) }):
		return fail("std", "numbers above 0", p.Std)
	}
	return nil
}

const maxSide = 1 << 13

// ForModel fills in what the model decides: the size of the crop, where p leaves
// it open.
func (p Preprocess) ForModel(height, width int) Preprocess {
	if p.Height == 0 {
		p.Height, p.Width = height, width
	}
	return p
}

// Resizes tells whether pictures of any size become the crop's size.
func (p Preprocess) Resizes() bool { return p.Resize > 0 || p.CropPct > 0 || p.Squash }

// shorter is the length of the shorter side after the resize.
func (p Preprocess) shorter() int {
	if p.CropPct > 0 {
		return int(math.Floor(float64(min(p.Height, p.Width)) / p.CropPct))
	}
	return p.Resize
}

// String says everything that p does, in words.
func (p Preprocess) String() string {
	var parts []string
	switch {
	case p.Squash:
		parts = append(parts, fmt.Sprintf("resized to %dx%d %v", p.Height, p.Width, p.Filter))
	case p.Resizes():
		parts = append(parts, fmt.Sprintf("shorter side to %d %v, centre crop %dx%d", p.shorter(), p.Filter, p.Height, p.Width))
	}
	channels, values := "RGB", ""
	if p.BGR {
		channels = "BGR"
	}
	if len(p.Mean) == 1 {
		channels = "values"
	}
	if p.Divide != 1 {
		values = "/" + strconv.FormatFloat(float64(p.Divide), 'g', -1, 32)
	}
	parts = append(parts, channels+values)
	if slices.ContainsFunc(p.Mean, func(x float32) bool { return x != 0 }) {
		parts = append(parts, fmt.Sprintf("minus %v", p.Mean))
	}
	if slices.ContainsFunc(p.Std, func(x float32) bool { return x != 1 }) {
		parts = append(parts, fmt.Sprintf("over %v", p.Std))
	}
	return strings.Join(parts, ", ")
}
