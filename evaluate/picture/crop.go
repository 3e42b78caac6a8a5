package picture

import (
	"math"

	"rpg/evaluate/picture/jpeg"
)

// A Cropper resizes and crops pictures. It keeps buffers and the weights for the
// last size of picture, so one goroutine may use it at a time. The zero value is
// ready.
type Cropper struct {
	made    key
	plan    plan
	between []byte // after the first pass
	row     []byte
}

// key is what a plan depends on.
type key struct {
	shorter       int
	squash        bool
	filter        Filter
	height, width int // of the crop
	fromW, fromH  int
}

// A plan is how pictures of one size become the crop.
type plan struct {
	columns, rows *weights // of the part of the crop that the picture covers
	left, top     int      // where that part lies in the crop
	rowsFirst     bool
}

// roundHalfEven is Python's round.
func roundHalfEven(x float64) int { return int(math.RoundToEven(x)) }

// resized gives the size to which p brings a picture before the crop, by
// torchvision's rule: the longer side is size*longer/shorter rounded down.
func (p *Preprocess) resized(width, height int) (int, int) {
	switch {
	case p.Squash:
		return p.Width, p.Height
	case !p.Resizes():
		return width, height
	}
	short := p.shorter()
	if width <= height {
		return short, int(float64(short) * float64(height) / float64(width))
	}
	return int(float64(short) * float64(width) / float64(height)), short
}

// side gives for one direction of torchvision's CenterCrop, from size to crop
// pixels: the first pixel that is kept and how many are, and the pixels of
// padding before them.
func side(size, crop int) (offset, count, padding int) {
	if crop > size {
		return 0, size, (crop - size) / 2
	}
	return roundHalfEven(float64(size-crop) / 2), crop, 0
}

// Crop writes im, resized and cropped as p says, to dst: p.Height x p.Width
// bytes for each of channels planes, 1 or 3. A grey picture gives equal planes,
// and a picture of which one plane is wanted becomes grey; where the crop is
// larger than the picture it is black.
func (c *Cropper) Crop(dst []byte, im *Image, p *Preprocess, channels int) {
	if channels == 1 {
		im.grey()
	}
	pl := c.planFor(p, im.Width, im.Height)
	width, height := len(pl.columns.first), len(pl.rows.first)
	if height < p.Height || width < p.Width {
		clear(dst[:channels*p.Height*p.Width])
	}
	put := func(y int, row []byte) {
		at := (pl.top+y)*p.Width + pl.left
		spread(dst, at, p.Height*p.Width, channels, row[:width*im.Channels], im.Channels)
	}
	if pl.rowsFirst {
		c.verticalFirst(im, pl, put)
		return
	}
	from, to := pl.rows.window()
	stride := (width*im.Channels + 7) &^ 7
	c.between, c.row = grown(c.between, (to-from)*stride+8), grown(c.row, stride)
	horizontal(c.between, stride, im, from, to, pl.columns)
	for y, first := range pl.rows.first {
		vertical(c.row, c.between[(first-from)*stride:], stride, width*im.Channels, pl.rows.of(y))
		put(y, c.row)
	}
}

// planFor gives the plan for pictures of a size.
func (c *Cropper) planFor(p *Preprocess, width, height int) *plan {
	k := key{p.shorter(), p.Squash, p.Filter, p.Height, p.Width, width, height}
	if c.made != k || c.plan.rows == nil {
		c.made, c.plan = k, newPlan(p, width, height)
	}
	return &c.plan
}

// Window gives the pixels that Crop looks at in a picture of that size.
func (c *Cropper) Window(p *Preprocess, width, height int) jpeg.Window {
	var w jpeg.Window
	pl := c.planFor(p, width, height)
	w.FromX, w.ToX = pl.columns.window()
	w.FromY, w.ToY = pl.rows.window()
	return w
}

// verticalFirst is the second half of Crop with the passes in the other order.
func (c *Cropper) verticalFirst(im *Image, pl *plan, put func(y int, row []byte)) {
	stride, height := im.Width*im.Channels, len(pl.rows.first)
	c.between, c.row = grown(c.between, height*stride+8), grown(c.row, 3*len(pl.columns.first))
	for y, first := range pl.rows.first {
		// A row is written up to 7 bytes too far, into the next, which comes later.
		vertical(c.between[y*stride:], im.row(first), stride, stride, pl.rows.of(y))
	}
	between := &Image{Width: im.Width, Height: height, Channels: im.Channels, Pix: c.between}
	for y := range height {
		horizontal(c.row, 0, between, y, y+1, pl.columns)
		put(y, c.row)
	}
}

// grown gives a slice of n elements or more, s where it has room.
func grown(s []byte, n int) []byte {
	if cap(s) < n {
		return make([]byte, n)
	}
	return s[:cap(s)]
}

// spread writes a row of interleaved pixels to the planes of dst, from place at
// of each on.
func spread(dst []byte, at, plane, channels int, row []byte, stored int) {
	if stored == 3 && channels == 3 {
		n := len(row) / 3
		r, g, b := dst[at:at+n], dst[plane+at:plane+at+n], dst[2*plane+at:2*plane+at+n]
		for x := range n {
			r[x], g[x], b[x] = row[3*x], row[3*x+1], row[3*x+2]
		}
		return
	}
	for ch := range channels {
		copy(dst[ch*plane+at:], row)
	}
}

func newPlan(p *Preprocess, width, height int) plan {
	w, h := p.resized(width, height)
	var pl plan
	x, columns, left := side(w, p.Width)
	y, rows, top := side(h, p.Height)
	pl.left, pl.top = left, top
	pl.columns = newWeights(p.Filter, width, w, x, columns)
	pl.rows = newWeights(p.Filter, height, h, y, rows)
	// Each pass rounds to bytes, so their order shows. Pillow goes along the rows
	// first, and since version 13 along the columns where the height shrinks by
	// more than twice what the width does (found by experiment).
	pl.rowsFirst = h < height && height-h > 2*(width-w)
	return pl
}
