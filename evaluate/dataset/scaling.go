package dataset

import (
	"fmt"

	"rpg/evaluate/picture"
)

// scaling turns byte values into network input: value v of output channel c
// becomes (v/Divide - Mean[c]) / Std[c], taken from plane order[c] of the image.
type scaling struct {
	p      picture.Preprocess
	plane  int            // values of one channel
	order  []int          // the image's plane for each channel of the input
	tables [][256]float32 // the input for each byte, by channel of the input
}

// newScaling is for images of the given shape: [channels ...] when there are
// as many mean values as channels, or one mean value for all.
func newScaling(p picture.Preprocess, shape []int) (scaling, error) {
	channels := 1
	if len(shape) == 3 {
		channels = shape[0]
	}
	size := 1
	for _, d := range shape {
		size *= d
	}
	if n := len(p.Mean); n != 1 && n != channels {
		return scaling{}, fmt.Errorf("evaluate: preprocess %s: mean: expected %d values, one for each channel of the images, found %d", p.Name, channels, n)
	}
	s := scaling{p: p, plane: size / channels}
	for c := range channels {
		k, from := c, c
		if len(p.Mean) == 1 {
			k = 0
		}
		if p.BGR {
			from = channels - 1 - c
		}
		s.order = append(s.order, from)
		var table [256]float32
		for v := range table {
			table[v] = (float32(v)/p.Divide - p.Mean[k]) / p.Std[k]
		}
		s.tables = append(s.tables, table)
	}
	return s, nil
}

// apply writes the image whose planes are pixels as network input.
func (s *scaling) apply(out []float32, pixels []byte) {
	for c, from := range s.order {
		table := &s.tables[c]
		values := out[c*s.plane : (c+1)*s.plane]
		for p, v := range pixels[from*s.plane : (from+1)*s.plane] {
			values[p] = table[v]
		}
	}
}

// floats writes an image of float values as network input.
func (s *scaling) floats(out, values []float32) {
	for c, from := range s.order {
		k := min(c, len(s.p.Mean)-1)
		for p, v := range values[from*s.plane : (from+1)*s.plane] {
			out[c*s.plane+p] = (v/s.p.Divide - s.p.Mean[k]) / s.p.Std[k]
		}
	}
}
