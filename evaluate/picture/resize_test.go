package picture

import (
	"fmt"
	"strings"
	"testing"
)

// resizeWhole resizes im to width x height with nothing cropped.
func resizeWhole(im *Image, f Filter, width, height int) []byte {
	p := &Preprocess{Squash: true, Filter: f, Width: width, Height: height}
	planes := make([]byte, im.Channels*width*height)
	new(Cropper).Crop(planes, im, p, im.Channels)
	out := make([]byte, len(planes))
	for c := range im.Channels {
		for i := range width * height {
			out[i*im.Channels+c] = planes[c*width*height+i]
		}
	}
	return out
}

func TestResizeEqualsPillow(t *testing.T) {
	arrays := expected(t, "resized.npz")
	source := arrays["mosaic"]
	mosaic := NewImage(source.Shape[1], source.Shape[0], 3)
	copy(mosaic.Pix, source.Data)
	grey := NewImage(mosaic.Width, mosaic.Height, 3)
	copy(grey.Pix, source.Data)
	grey.grey()
	tried := 0
	for name, want := range arrays {
		if name == "mosaic" {
			continue
		}
		tried++
		t.Run(name, func(t *testing.T) {
			words := strings.Fields(name)
			f, err := FilterOf(words[0])
			if err != nil {
				t.Fatal(err)
			}
			im := mosaic
			if strings.HasSuffix(name, "grey") {
				im = grey
			}
			var width, height int
			if _, err := fmt.Sscanf(words[1], "%dx%d", &width, &height); err != nil {
				t.Fatal(err)
			}
			if n := differences(t, resizeWhole(im, f, width, height), want.Data); len(n) > 0 {
				t.Errorf("of %d values so many differ by 1, 2, ...: %v", len(want.Data), n)
			}
		})
	}
	if tried < 30 {
		t.Errorf("%d sizes and filters", tried)
	}
}
