package picture

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// FuzzDecode wants an error or a picture whose pixels are all there, from
// anything.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.*"))
	if err != nil || len(files) < 60 {
		f.Fatalf("%d pictures: %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 1<<14 {
			f.Add(data)
			f.Add(data[:len(data)/2])
		}
	}
	d, c := &Decoder{}, &Cropper{}
	p := Preprocess{Resize: 9, Divide: 1, Mean: []float32{0}, Std: []float32{1}, Height: 8, Width: 8}
	out := make([]byte, 3*8*8)
	f.Fuzz(func(t *testing.T, data []byte) {
		if w, h, err := d.jpeg.Size(data); err == nil && w*h > 1<<22 {
			return // large pictures take their time
		}
		im, err := d.Decode(data)
		if err != nil {
			return
		}
		if len(im.Pix) != im.Width*im.Height*im.Channels || cap(im.Pix) < len(im.Pix)+8 && im.Channels != 1 || im.Width < 1 || im.Height < 1 {
			t.Fatalf("%dx%d with %d channels in %d bytes", im.Width, im.Height, im.Channels, len(im.Pix))
		}
		first := bytes.Clone(im.Pix)
		if im.Width < 1<<12 && im.Height < 1<<12 {
			c.Crop(out, im, &p, 3)
		}
		again, err := d.Decode(data)
		if err != nil || !bytes.Equal(first, again.Pix) {
			t.Fatalf("decoding it again gives another picture: %v", err)
		}
	})
}
