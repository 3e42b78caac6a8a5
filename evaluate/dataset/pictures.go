package dataset

import (
	"fmt"
	"sync"

	"rpg/evaluate/picture"
)

// pictures are images that are decoded or resized when they are needed.
type pictures struct {
	p        picture.Preprocess
	channels int
	load     func(w *worker, i int) (*picture.Image, error)
	label    func(i int) string
	index    []int      // which picture of load each image is
	workers  *sync.Pool // of *worker
}

// A worker is what one goroutine needs to decode pictures.
type worker struct {
	file    []byte
	decoder picture.Decoder
	cropper picture.Cropper
	image   *picture.Image
}

func (s *pictures) resident() bool    { return false }
func (s *pictures) name(i int) string { return s.label(s.index[i]) }

func (s *pictures) pixels(i int, buffer []byte) ([]byte, string, error) {
	w := s.workers.Get().(*worker)
	defer s.workers.Put(w)
	im, err := s.load(w, s.index[i])
	if err != nil {
		return nil, "", err
	}
	if !s.p.Resizes() && (im.Height != s.p.Height || im.Width != s.p.Width) {
		return nil, "", fmt.Errorf("size: expected %dx%d, since --preprocess %s does not resize, found %dx%d",
			s.p.Width, s.p.Height, s.p.Name, im.Width, im.Height)
	}
	w.cropper.Crop(buffer, im, &s.p, s.channels)
	return buffer, im.Damage, nil
}

func (s *pictures) pick(list []int) source {
	cut := *s
	cut.index = nil
	for _, i := range list {
		cut.index = append(cut.index, s.index[i])
	}
	return &cut
}

// usePictures readies s to give count pictures of load, named by label, with p
// done to them, as channels planes. Where p has no size, that of s.Shape, the
// model's input, is taken.
func (s *Set) usePictures(p picture.Preprocess, channels int, load func(*worker, int) (*picture.Image, error), label func(int) string, count int) (err error) {
	source := &pictures{p: p, channels: channels, load: load, label: label,
		workers: &sync.Pool{New: func() any { return &worker{} }}}
	for i := range count {
		source.index = append(source.index, i)
	}
	s.images = source
	s.Shape = []int{channels, p.Height, p.Width}
	s.Preprocess = fmt.Sprintf("%v, NCHW %dx%d", p, p.Height, p.Width)
	s.CropPct = 1
	if p.Resizes() {
		s.Interpolation = p.Filter.String()
	}
	switch {
	case p.CropPct > 0:
		s.CropPct = p.CropPct
	case p.Resize > 0 && !p.Squash:
		s.CropPct = float64(min(p.Height, p.Width)) / float64(p.Resize)
	}
	s.scaling, err = newScaling(p, s.Shape)
	return err
}
