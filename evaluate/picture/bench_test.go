package picture

import (
	"os"
	"path/filepath"
	"testing"

	"rpg/evaluate/picture/jpeg"
	"rpg/internal/shareddata"
)

// BenchmarkPictures takes 100 pictures of ImageNet through decoding and through
// the whole of torchvision's preprocessing.
func BenchmarkPictures(b *testing.B) {
	files, err := filepath.Glob(filepath.Join(shareddata.Path(b, "imagenet/samples"), "*"))
	if err != nil || len(files) < 100 {
		b.Fatalf("%d pictures: %v", len(files), err)
	}
	var data [][]byte
	for _, f := range files[:100] {
		d, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		data = append(data, d)
	}
	p := imageNet("torchvision")
	p.Resize, p.Height, p.Width = 256, 227, 227
	d, c := &Decoder{}, &Cropper{}
	out := make([]byte, 3*227*227)
	b.Run("decode", func(b *testing.B) {
		for i := range b.N {
			if _, err := d.Decode(data[i%100]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("all", func(b *testing.B) {
		for i := range b.N {
			im, err := d.DecodeWindow(data[i%100], func(w, h int) jpeg.Window { return c.Window(&p, w, h) })
			if err != nil {
				b.Fatal(err)
			}
			c.Crop(out, im, &p, 3)
		}
	})
}
