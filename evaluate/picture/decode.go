package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"rpg/evaluate/picture/jpeg"
)

// maxPixels is where Pillow refuses a picture as a "decompression bomb": twice
// a quarter of a gibibyte of three bytes a pixel.
const maxPixels = 2 * (1 << 30 / 4 / 3)

// A format is a kind of picture file.
type format struct {
	name   string
	starts []string // any of which the file starts with; ? is any byte
	size   func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

// formats are told apart by content; the name of a file is never looked at,
// since ImageNet itself has PNG files named .JPEG.
func formats() []format {
	return []format{
		{"PNG", []string{"\x89PNG\r\n\x1a\n"}, png.DecodeConfig, png.Decode},
		{"GIF", []string{"GIF87a", "GIF89a"}, gif.DecodeConfig, nil},
		{"BMP", []string{"BM"}, bmp.DecodeConfig, bmp.Decode},
		{"WebP", []string{"RIFF????WEBP"}, webp.DecodeConfig, webp.Decode},
		{"TIFF", []string{"II*\x00", "MM\x00*"}, tiff.DecodeConfig, tiff.Decode},
	}
}

func startsWith(data []byte, pattern string) bool {
	if len(data) < len(pattern) {
		return false
	}
	for i := range len(pattern) {
		if pattern[i] != '?' && pattern[i] != data[i] {
			return false
		}
	}
	return true
}

// A Decoder decodes one picture file after the other and keeps its buffers. The
// zero value is ready; one goroutine may use it at a time.
type Decoder struct {
	jpeg  jpeg.Decoder
	image Image
}

// Decode gives the picture in the file data as Pillow's convert("RGB") does, in
// grey where the file is grey: transparency is dropped, 16-bit colours are cut
// to their higher byte, 16-bit grey above 255 is white, CMYK is inverted as Adobe
// writes it. Of an animation it is the first picture. Orientation tags are not
// followed. The Image is overwritten by the next call.
func (d *Decoder) Decode(data []byte) (*Image, error) { return d.DecodeWindow(data, nil) }

// DecodeWindow is Decode for a caller that needs only the pixels which window
// tells for the size of the picture. The others are undefined.
func (d *Decoder) DecodeWindow(data []byte, window func(width, height int) jpeg.Window) (*Image, error) {
	if len(data) == 0 {
		return nil, errors.New("expected a picture, found an empty file")
	}
	if startsWith(data, "\xff\xd8\xff") {
		return d.decodeJPEG(data, window)
	}
	for _, f := range formats() {
		for _, start := range f.starts {
			if !startsWith(data, start) {
				continue
			}
			config, err := f.size(bytes.NewReader(data))
			if err == nil {
				err = checkSize(config.Width, config.Height)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
			var decoded image.Image
			if f.decode == nil {
				decoded, err = decodeGIF(data)
			} else {
				decoded, err = f.decode(bytes.NewReader(data))
			}
			if err == nil { // WebP has a second size, of the picture in its canvas
				err = checkSize(decoded.Bounds().Dx(), decoded.Bounds().Dy())
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f.name, err)
			}
			return d.from(decoded)
		}
	}
	return nil, fmt.Errorf("expected a JPEG, PNG, GIF, BMP, WebP or TIFF file, found one that starts with % x", data[:min(len(data), 8)])
}

func checkSize(width, height int) error {
	if width <= 0 || height <= 0 || width > maxPixels/height {
		return fmt.Errorf("size: expected at least 1x1 and at most %d million pixels, found %dx%d", maxPixels/1_000_000, width, height)
	}
	return nil
}

func (d *Decoder) decodeJPEG(data []byte, window func(width, height int) jpeg.Window) (*Image, error) {
	width, height, err := d.jpeg.Size(data)
	if err == nil {
		err = checkSize(width, height)
	}
	if err != nil {
		return nil, err
	}
	im, err := d.jpeg.Decode(data, window)
	if err != nil {
		return nil, err
	}
	d.image = Image{Width: im.Width, Height: im.Height, Channels: im.Channels, Pix: im.Pix, Damage: im.Damage}
	if im.Channels == 4 {
		d.image.Channels, d.image.Pix = 3, im.Pix[:3*im.Width*im.Height]
		fromCMYK(im.Pix)
	}
	return &d.image, nil
}

// fromCMYK turns inverted CMYK into RGB in place, as Pillow's cmyk2rgb.
func fromCMYK(pix []byte) {
	for i, o := 0, 0; i+4 <= len(pix); i, o = i+4, o+3 {
		k := int(pix[i+3])
		for c := range 3 {
			// k minus ink of 255-pix: MULDIV255 of Pillow's ImagingUtils.h.
			t := (255-int(pix[i+c]))*k + 128
			pix[o+c] = byte(max(k-(t>>8+t)>>8, 0))
		}
	}
}
