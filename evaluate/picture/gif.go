package picture

import (
	"bytes"
	"image"
	"image/gif"
	"slices"
)

// decodeGIF gives the first picture, on the whole of its screen.
func decodeGIF(data []byte) (image.Image, error) {
	data = opaque(data)
	first, err := gif.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	config, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	screen := image.Rect(0, 0, config.Width, config.Height)
	p, ok := first.(*image.Paletted)
	if !ok || p.Rect == screen {
		return first, nil
	}
	whole := image.NewPaletted(screen, p.Palette)
	for y := p.Rect.Min.Y; y < p.Rect.Max.Y; y++ {
		for x := p.Rect.Min.X; x < p.Rect.Max.X; x++ {
			whole.SetColorIndex(x, y, p.ColorIndexAt(x, y))
		}
	}
	return whole, nil
}

// opaque gives a GIF file whose first picture has no transparent colour, for
// which the standard library would forget what colour it is.
func opaque(data []byte) []byte {
	const header = 13
	if len(data) < header {
		return data
	}
	at := header
	if flags := data[10]; flags&0x80 != 0 {
		at += 3 << (flags&7 + 1) // the global colour table
	}
	for at+2 < len(data) && data[at] == 0x21 { // an extension
		if data[at+1] == 0xf9 && at+3 < len(data) && data[at+3]&1 != 0 {
			data = slices.Clone(data)
			data[at+3] &^= 1
			return data
		}
		for at += 2; at < len(data) && data[at] != 0; {
			at += 1 + int(data[at]) // a block of it
		}
		at++
	}
	return data
}
