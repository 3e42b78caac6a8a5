package picture

import (
	"fmt"
	"image"
	"image/color"
)

// An Image is a decoded picture, rows of interleaved bytes.
type Image struct {
	Width, Height int
	Channels      int    // 1 grey, 3 RGB
	Pix           []byte // [Height][Width][Channels], with room for 8 bytes more
	Damage        string // what is wrong with the file though it could be decoded, or ""
}

// row gives row y and all that follows it in memory.
func (im *Image) row(y int) []byte { return im.Pix[y*im.Width*im.Channels : cap(im.Pix)] }

// NewImage makes a black picture.
func NewImage(width, height, channels int) *Image {
	im := &Image{}
	im.reset(width, height, channels)
	return im
}

func (im *Image) reset(width, height, channels int) {
	n := width * height * channels
	if cap(im.Pix) < n+8 {
		im.Pix = make([]byte, n, n+8)
	}
	im.Width, im.Height, im.Channels, im.Pix, im.Damage = width, height, channels, im.Pix[:n], ""
}

// grey turns RGB into one channel as Pillow's convert("L") does.
func (im *Image) grey() {
	if im.Channels == 1 {
		return
	}
	n := im.Width * im.Height
	for i := range n {
		r, g, b := int(im.Pix[3*i]), int(im.Pix[3*i+1]), int(im.Pix[3*i+2])
		im.Pix[i] = byte((r*19595 + g*38470 + b*7471 + 1<<15) >> 16)
	}
	im.Channels, im.Pix = 1, im.Pix[:n]
}

// from copies what the standard library decoded, without its colour models,
// which would multiply by the transparency.
func (d *Decoder) from(m image.Image) (*Image, error) {
	im, r := &d.image, m.Bounds()
	channels := 3
	switch m.(type) {
	case *image.Gray, *image.Gray16:
		channels = 1
	}
	// The JPEG decoder's buffer is its own.
	im.Pix = nil
	im.reset(r.Dx(), r.Dy(), channels)
	for y := range im.Height {
		out := im.Pix[y*im.Width*channels : (y+1)*im.Width*channels]
		switch m := m.(type) {
		case *image.Gray:
			copy(out, m.Pix[y*m.Stride:])
		case *image.Gray16:
			for x := range out {
				if out[x] = 255; m.Pix[y*m.Stride+2*x] == 0 {
					out[x] = m.Pix[y*m.Stride+2*x+1]
				}
			}
			im.Damage = "16-bit grey, of which Pillow keeps only 0 to 255"
		case *image.RGBA:
			interleave(out, m.Pix[y*m.Stride:], 4, 1)
		case *image.NRGBA:
			interleave(out, m.Pix[y*m.Stride:], 4, 1)
		case *image.RGBA64:
			interleave(out, m.Pix[y*m.Stride:], 8, 2)
		case *image.NRGBA64:
			interleave(out, m.Pix[y*m.Stride:], 8, 2)
		case *image.Paletted:
			for x := range im.Width {
				c := plain(m.Palette[m.Pix[y*m.Stride+x]])
				out[3*x], out[3*x+1], out[3*x+2] = c.R, c.G, c.B
			}
		case *image.YCbCr:
			webpRow(out, m, y)
		case *image.NYCbCrA:
			webpRow(out, &m.YCbCr, y)
		default:
			return nil, fmt.Errorf("pixels of type %T are not supported", m)
		}
	}
	return im, nil
}

// interleave copies the first of every size bytes of three colours, from pixels
// of step bytes.
func interleave(out, in []byte, step, size int) {
	for x := range len(out) / 3 {
		p := in[x*step:]
		out[3*x], out[3*x+1], out[3*x+2] = p[0], p[size], p[2*size]
	}
}

// plain is a palette's colour without transparency.
func plain(c color.Color) color.NRGBA {
	switch c := c.(type) {
	case color.NRGBA:
		return c
	case color.RGBA:
		return color.NRGBA{c.R, c.G, c.B, 255}
	}
	return color.NRGBAModel.Convert(c).(color.NRGBA)
}
