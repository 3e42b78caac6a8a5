package jpeg

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrTruncated is the error for a file that ends before its picture does, or
// without the marker of its end, which libjpeg wants to see.
var ErrTruncated = errors.New("jpeg: the file ends before the picture does")

// Image is a decoded picture, rows of interleaved bytes.
type Image struct {
	Width, Height int
	Channels      int    // 1 grey, 3 RGB, 4 CMYK as stored, which is usually inverted
	Pix           []byte // [Height][Width][Channels], with room for 8 bytes more
	Damage        string // what is wrong with the data though it could be decoded, or ""
}

const (
	markerSOF0  = 0xc0
	markerSOF2  = 0xc2
	markerDHT   = 0xc4
	markerRST0  = 0xd0
	markerSOI   = 0xd8
	markerEOI   = 0xd9
	markerSOS   = 0xda
	markerDQT   = 0xdb
	markerDRI   = 0xdd
	markerAPP0  = 0xe0
	markerAPP14 = 0xee
)

// A Decoder decodes one picture after the other and keeps its buffers between
// them. The zero value is ready.
type Decoder struct {
	data []byte // the file
	at   int    // the next byte of it

	width, height int
	progressive   bool
	components    []component
	maxH, maxV    int
	mcusX, mcusY  int // of an interleaved scan
	restart       int // MCUs between restart markers, 0 for none
	jfif, adobe   bool
	transform     byte // of the Adobe marker
	damage        string
	choose        func(width, height int) Window
	window        Window

	quant   [4]*[64]uint16 // in natural order
	dc, ac  [4]*huffman
	bits    bits
	eobRun  int
	scan    []*component // of the current scan
	picture Image
	rows    [4][]byte // one upsampled row of each component
}

// A component is one colour channel as stored.
type component struct {
	id, h, v, tq  byte
	blocksX       int // blocks in a row of samples, whole MCUs
	blocksY       int
	width, height int    // samples that belong to the picture
	samples       []byte // [8*blocksY][8*blocksX]
	coefficients  []block
	quant         *[64]uint16 // as it was at the first scan
	dcTable       *huffman
	acTable       *huffman
	dcPrediction  int32
	scanned       bool

	fromX, toX, fromY, toY int // the blocks whose samples are needed
}

func (c *component) stride() int { return 8 * c.blocksX }

func (c *component) needed(bx, by int) bool {
	return bx >= c.fromX && bx < c.toX && by >= c.fromY && by < c.toY
}

// A Window is the part of a picture that is wanted: columns FromX to ToX-1 of
// rows FromY to ToY-1.
type Window struct{ FromX, ToX, FromY, ToY int }

// Decode decodes the JPEG file data. If window is not nil it tells, for the size
// of the picture, which pixels are wanted, and the others are undefined. The
// Image and its Pix are overwritten by the next call.
func (d *Decoder) Decode(data []byte, window func(width, height int) Window) (*Image, error) {
	d.choose = window
	if err := d.markers(data, false); err != nil {
		return nil, err
	}
	for i := range d.components {
		c := &d.components[i]
		if !c.scanned {
			return nil, ErrTruncated
		}
		if d.progressive {
			d.transformAll(c)
		}
	}
	if err := d.convert(); err != nil {
		return nil, err
	}
	d.picture.Damage = d.damage
	return &d.picture, nil
}

// Size reads only what gives the size of the picture.
func (d *Decoder) Size(data []byte) (width, height int, err error) {
	if err := d.markers(data, true); err != nil {
		return 0, 0, err
	}
	return d.width, d.height, nil
}

// damaged notes what is wrong, if nothing was noted before.
func (d *Decoder) damaged(format string, args ...any) {
	if d.damage == "" {
		d.damage = fmt.Sprintf(format, args...)
	}
}

// markers goes through the file up to EOI, or up to the frame header.
func (d *Decoder) markers(data []byte, headerOnly bool) error {
	if len(data) < 2 || data[0] != 0xff || data[1] != markerSOI {
		return errors.New("jpeg: expected the bytes FF D8 at the start")
	}
	old := d.components
	*d = Decoder{data: data, at: 2, picture: d.picture, rows: d.rows, choose: d.choose}
	d.components = old[:0]
	for {
		marker, err := d.nextMarker()
		if err != nil {
			return err
		}
		switch {
		case marker == markerEOI:
			if len(d.components) == 0 {
				return errors.New("jpeg: the file holds no picture")
			}
			return nil
		case marker == markerSOI || marker >= markerRST0 && marker < markerRST0+8 || marker == 0x01:
			continue // no segment follows
		}
		segment, err := d.segment()
		if err != nil {
			return err
		}
		switch {
		case marker == markerDQT:
			err = d.quantization(segment)
		case marker == markerDHT:
			err = d.huffmanTables(segment)
		case marker == markerDRI:
			if len(segment) != 2 {
				return fmt.Errorf("jpeg: restart interval: expected 2 bytes, found %d", len(segment))
			}
			d.restart = int(binary.BigEndian.Uint16(segment))
		case marker == markerAPP0:
			d.jfif = d.jfif || len(segment) >= 5 && string(segment[:5]) == "JFIF\x00"
		case marker == markerAPP14:
			if len(segment) >= 12 && string(segment[:5]) == "Adobe" {
				d.adobe, d.transform = true, segment[11]
			}
		case marker >= markerSOF0 && marker <= markerSOF2:
			if err = d.frame(marker, segment, !headerOnly); err == nil && headerOnly {
				return nil
			}
		case marker > markerSOF2 && marker <= 0xcf && marker != 0xcc:
			return fmt.Errorf("jpeg: expected a baseline or progressive Huffman file, found frame type SOF%d", marker-markerSOF0)
		case marker == markerSOS:
			err = d.scanHeader(segment)
		}
		if err != nil {
			return err
		}
	}
}

// nextMarker finds the next marker and steps over it.
func (d *Decoder) nextMarker() (byte, error) {
	for skipped := 0; d.at+1 < len(d.data); {
		if d.data[d.at] != 0xff || d.data[d.at+1] == 0 {
			d.at++
			if skipped++; skipped == 1 {
				d.damaged("offset %d: bytes between segments", d.at-1)
			}
			continue
		}
		if d.data[d.at+1] == 0xff { // fill byte
			d.at++
			continue
		}
		d.at += 2
		return d.data[d.at-1], nil
	}
	return 0, ErrTruncated
}

// segment gives the bytes after a marker and steps over them.
func (d *Decoder) segment() ([]byte, error) {
	if d.at+2 > len(d.data) {
		return nil, ErrTruncated
	}
	n := int(binary.BigEndian.Uint16(d.data[d.at:]))
	if n < 2 {
		return nil, fmt.Errorf("jpeg: offset %d: length of a segment: expected 2 or more, found %d", d.at, n)
	}
	if d.at+n > len(d.data) {
		return nil, ErrTruncated
	}
	s := d.data[d.at+2 : d.at+n]
	d.at += n
	return s, nil
}

// zigzag is the natural place of each coefficient in the order of the file. The
// 16 entries after it catch runs that go too far in damaged data.
var zigzag = [64 + 16]byte{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
	63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
}

func (d *Decoder) quantization(s []byte) error {
	for len(s) > 0 {
		wide, id := s[0]>>4, s[0]&15
		n := 64 * (1 + int(wide))
		if wide > 1 || id > 3 || len(s) < 1+n {
			return errors.New("jpeg: a quantization table has a wrong head or length")
		}
		t := new([64]uint16)
		for k := range 64 {
			if wide == 0 {
				t[zigzag[k]] = uint16(s[1+k])
			} else {
				t[zigzag[k]] = binary.BigEndian.Uint16(s[1+2*k:])
			}
		}
		d.quant[id] = t
		s = s[1+n:]
	}
	return nil
}

func (d *Decoder) frame(marker byte, s []byte, allocate bool) error {
	if len(d.components) > 0 {
		return errors.New("jpeg: the file has two frames")
	}
	if len(s) < 6 || len(s) != 6+3*int(s[5]) {
		return errors.New("jpeg: the frame header has a wrong length")
	}
	d.progressive = marker == markerSOF2
	d.height, d.width = int(binary.BigEndian.Uint16(s[1:])), int(binary.BigEndian.Uint16(s[3:]))
	n := int(s[5])
	switch {
	case s[0] != 8:
		return fmt.Errorf("jpeg: expected 8 bits a sample, found %d", s[0])
	case d.width == 0 || d.height == 0:
		return fmt.Errorf("jpeg: size: expected at least 1x1, found %dx%d", d.width, d.height)
	case n != 1 && n != 3 && n != 4:
		return fmt.Errorf("jpeg: channels: expected 1, 3 or 4, found %d", n)
	}
	if cap(d.components) < 4 {
		d.components = make([]component, 4)
	}
	d.components = d.components[:n]
	d.maxH, d.maxV = 1, 1
	for i := range d.components {
		old := d.components[i]
		c := component{id: s[6+3*i], h: s[7+3*i] >> 4, v: s[7+3*i] & 15, tq: s[8+3*i],
			samples: old.samples[:0], coefficients: old.coefficients[:0]}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.tq > 3 {
			return fmt.Errorf("jpeg: channel %d: sampling %dx%d with table %d is not possible", i, c.h, c.v, c.tq)
		}
		if n == 1 {
			c.h, c.v = 1, 1 // one channel is never interleaved, whatever it says
		}
		d.components[i] = c
		d.maxH, d.maxV = max(d.maxH, int(c.h)), max(d.maxV, int(c.v))
	}
	d.mcusX, d.mcusY = ceilDiv(d.width, 8*d.maxH), ceilDiv(d.height, 8*d.maxV)
	d.window = Window{0, d.width, 0, d.height}
	if d.choose != nil && allocate {
		w := d.choose(d.width, d.height)
		d.window = Window{max(w.FromX, 0), min(w.ToX, d.width), max(w.FromY, 0), min(w.ToY, d.height)}
	}
	for i := range d.components {
		c := &d.components[i]
		c.blocksX, c.blocksY = d.mcusX*int(c.h), d.mcusY*int(c.v)
		c.width, c.height = ceilDiv(d.width*int(c.h), d.maxH), ceilDiv(d.height*int(c.v), d.maxV)
		// A sample more on every side, for the upsampling.
		c.fromX, c.toX = max(d.window.FromX*int(c.h)/d.maxH-1, 0)/8, ceilDiv(d.window.ToX*int(c.h)/d.maxH+2, 8)
		c.fromY, c.toY = max(d.window.FromY*int(c.v)/d.maxV-1, 0)/8, ceilDiv(d.window.ToY*int(c.v)/d.maxV+2, 8)
		if allocate {
			c.samples = resized(c.samples, 64*c.blocksX*c.blocksY)
		}
	}
	return nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// resized gives a slice of n elements, s where it has room. Its content is
// undefined.
func resized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
