package jpeg

// colorSpace is how the stored channels make pixels.
type colorSpace int

const (
	grey colorSpace = iota
	ycc
	rgb
	cmyk
	ycck
)

// colors guesses as libjpeg's default_decompress_parms does.
func (d *Decoder) colors() colorSpace {
	switch len(d.components) {
	case 1:
		return grey
	case 4:
		if d.adobe && d.transform != 0 {
			return ycck
		}
		return cmyk
	}
	ids := [3]byte{d.components[0].id, d.components[1].id, d.components[2].id}
	switch {
	case d.jfif:
		return ycc
	case d.adobe && d.transform == 0, !d.adobe && ids == [3]byte{'R', 'G', 'B'}:
		return rgb
	}
	return ycc
}

// What Cr and Cb add to the colours, with 16 bits after the point in green, of
// libjpeg's jdcolor.c.
var crRed, cbBlue, crGreen, cbGreen = func() (crRed, cbBlue, crGreen, cbGreen [256]int32) {
	const half = 1 << 15
	for i := range 256 {
		x := int32(i - 128)
		crRed[i] = (91881*x + half) >> 16
		cbBlue[i] = (116130*x + half) >> 16
		crGreen[i] = -46802 * x
		cbGreen[i] = -22554*x + half
	}
	return
}()

func clip(v int32) byte {
	if uint32(v) > 255 {
		return byte(^(v >> 31))
	}
	return byte(v)
}

// convert makes the picture from the samples.
func (d *Decoder) convert() error {
	n := len(d.components)
	var up [4]upsampler
	for i := range d.components {
		var err error
		if up[i], err = d.upsamplerOf(&d.components[i]); err != nil {
			return err
		}
		d.rows[i] = resized(d.rows[i], d.width+8)
	}
	p := &d.picture
	p.Width, p.Height, p.Channels = d.width, d.height, n
	p.Pix = resized(p.Pix, d.width*d.height*n+8)[:d.width*d.height*n]
	space := d.colors()
	var rows [4][]byte
	from, to := d.window.FromX, d.window.ToX
	for y := d.window.FromY; y < d.window.ToY; y++ {
		for i := range d.components {
			rows[i] = up[i](&d.components[i], y, d.rows[i])[from:to]
		}
		out := p.Pix[(y*d.width+from)*n : (y*d.width+to)*n]
		switch space {
		case grey:
			copy(out, rows[0])
		case ycc:
			yccRow(out, rows[0], rows[1], rows[2])
		case rgb:
			for x, r := range rows[0] {
				out[3*x], out[3*x+1], out[3*x+2] = r, rows[1][x], rows[2][x]
			}
		default:
			cmykRow(out, rows, space == ycck)
		}
	}
	return nil
}

func yccRow(out, luma, cb, cr []byte) {
	cb, cr = cb[:len(luma)], cr[:len(luma)]
	for x, l := range luma {
		v, b, r := int32(l), cb[x], cr[x]
		o := (*[3]byte)(out[3*x:])
		o[0] = clip(v + crRed[r])
		o[1] = clip(v + (cbGreen[b]+crGreen[r])>>16)
		o[2] = clip(v + cbBlue[b])
	}
}

func cmykRow(out []byte, rows [4][]byte, converted bool) {
	for x, k := range rows[3] {
		c, m, y := rows[0][x], rows[1][x], rows[2][x]
		if converted {
			v, b, r := int32(c), m, y
			c = clip(255 - (v + crRed[r]))
			m = clip(255 - (v + (cbGreen[b]+crGreen[r])>>16))
			y = clip(255 - (v + cbBlue[b]))
		}
		out[4*x], out[4*x+1], out[4*x+2], out[4*x+3] = c, m, y, k
	}
}
