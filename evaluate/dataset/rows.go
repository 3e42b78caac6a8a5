package dataset

import (
	"fmt"

	"rpg/evaluate/picture"
)

// rows are images in memory, planes of bytes.
type rows struct {
	source                  string
	images                  [][]byte
	index                   []int // their numbers in the file, nil for 0, 1, ...
	channels, height, width int
}

func (r *rows) pixels(i int, _ []byte) ([]byte, string, error) { return r.images[i], "", nil }
func (r *rows) resident() bool                                 { return true }

func (r *rows) name(i int) string { return fmt.Sprintf("%s: image %d", r.source, r.number(i)) }

func (r *rows) number(i int) int {
	if r.index != nil {
		return r.index[i]
	}
	return i
}

func (r *rows) pick(list []int) source {
	cut := *r
	cut.images, cut.index = nil, []int{}
	for _, i := range list {
		cut.images, cut.index = append(cut.images, r.images[i]), append(cut.index, r.number(i))
	}
	return &cut
}

// load gives image i as a picture.
func (r *rows) load(w *worker, i int) (*picture.Image, error) {
	if w.image == nil {
		w.image = picture.NewImage(r.width, r.height, r.channels)
	}
	plane := r.height * r.width
	for c := range r.channels {
		for p, v := range r.images[i][c*plane : (c+1)*plane] {
			w.image.Pix[p*r.channels+c] = v
		}
	}
	return w.image, nil
}

// useRows readies s to give the images of r with p done to them.
func (s *Set) useRows(p picture.Preprocess, r *rows) (err error) {
	s.Shape = []int{r.channels, r.height, r.width}
	s.images = r
	if p.Resizes() {
		return s.usePictures(p, r.channels, r.load, r.name, s.Count)
	}
	s.Preprocess, s.CropPct = fmt.Sprintf("%v, NCHW %dx%d", p, r.height, r.width), 1
	s.scaling, err = newScaling(p, s.Shape)
	return err
}

// floats are images in memory that are network input already.
type floats struct {
	source string
	values []float32
	index  []int // of each image
}

func (f *floats) pixels(int, []byte) ([]byte, string, error) { return nil, "", nil }
func (f *floats) resident() bool                             { return true }
func (f *floats) name(i int) string                          { return fmt.Sprintf("%s: image %d", f.source, f.index[i]) }

func (f *floats) pick(list []int) source {
	cut := *f
	cut.index = nil
	for _, i := range list {
		cut.index = append(cut.index, f.index[i])
	}
	return &cut
}
