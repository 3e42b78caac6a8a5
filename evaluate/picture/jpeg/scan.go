package jpeg

import (
	"fmt"
)

// A block is 8x8 coefficients in natural order, not yet multiplied by the
// quantization table.
type block [64]int16

// A scanPart is what one scan codes of each block: coefficients first..last of
// the file's order, and which of their bits.
type scanPart struct {
	first, last int
	high, low   int // successive approximation; 0, 0 in sequential files
}

func (d *Decoder) scanHeader(s []byte) error {
	if len(d.components) == 0 {
		return fmt.Errorf("jpeg: offset %d: expected a frame header before the first scan", d.at)
	}
	if len(s) < 1 || s[0] < 1 || int(s[0]) > len(d.components) || len(s) != 4+2*int(s[0]) {
		return fmt.Errorf("jpeg: offset %d: the scan header has a wrong length or number of channels", d.at)
	}
	n := int(s[0])
	d.scan = d.scan[:0]
	for i := range n {
		id, tables := s[1+2*i], s[2+2*i]
		var c *component
		for k := range d.components {
			if d.components[k].id == id {
				c = &d.components[k]
			}
		}
		if c == nil || tables>>4 > 3 || tables&15 > 3 {
			return fmt.Errorf("jpeg: offset %d: the scan names a channel or table that does not exist", d.at)
		}
		for _, other := range d.scan {
			if other == c {
				return fmt.Errorf("jpeg: offset %d: the scan names a channel twice", d.at)
			}
		}
		c.dcTable, c.acTable = d.dc[tables>>4], d.ac[tables&15]
		if c.quant == nil {
			if c.quant = d.quant[c.tq]; c.quant == nil {
				return fmt.Errorf("jpeg: offset %d: expected quantization table %d before the scan", d.at, c.tq)
			}
		}
		d.scan = append(d.scan, c)
	}
	part := scanPart{first: 0, last: 63}
	if d.progressive {
		part = scanPart{int(s[1+2*n]), int(s[2+2*n]), int(s[3+2*n] >> 4), int(s[3+2*n] & 15)}
		dc := part.first == 0
		if part.last > 63 || part.first > part.last || dc && part.last != 0 || !dc && n != 1 ||
			part.low > 13 || part.high != 0 && part.high != part.low+1 {
			return fmt.Errorf("jpeg: offset %d: the scan's part %d-%d, bits %d-%d is not possible", d.at, part.first, part.last, part.high, part.low)
		}
	}
	for _, c := range d.scan {
		needDC := part.first == 0 && part.high == 0
		if needDC && c.dcTable == nil || part.last > 0 && c.acTable == nil {
			return fmt.Errorf("jpeg: offset %d: expected the scan's Huffman tables before it", d.at)
		}
		if d.progressive && !c.scanned {
			c.coefficients = resized(c.coefficients, c.blocksX*c.blocksY)
			clear(c.coefficients)
		}
		c.scanned = true
	}
	return d.decodeScan(part)
}

// decodeScan goes through the MCUs of a scan: the blocks of all channels of one
// place, or, with one channel, single blocks as far as the picture reaches.
func (d *Decoder) decodeScan(part scanPart) error {
	d.bits = bits{data: d.data, at: d.at}
	d.eobRun = 0
	for _, c := range d.scan {
		c.dcPrediction = 0
	}
	mcusX, mcusY := d.mcusX, d.mcusY
	single := len(d.scan) == 1
	if single {
		c := d.scan[0]
		mcusX, mcusY = ceilDiv(c.width, 8), ceilDiv(c.height, 8)
	}
	left, nextRestart := d.restart, 0
	for my := range mcusY {
		for mx := range mcusX {
			if d.restart > 0 && left == 0 {
				if err := d.restartHere(nextRestart); err != nil {
					return err
				}
				left, nextRestart = d.restart, (nextRestart+1)&7
			}
			left--
			for _, c := range d.scan {
				if single {
					d.decodeBlock(c, mx, my, part)
					break
				}
				for v := range int(c.v) {
					for h := range int(c.h) {
						d.decodeBlock(c, mx*int(c.h)+h, my*int(c.v)+v, part)
					}
				}
			}
			if d.bits.ended {
				if d.bits.at+1 >= len(d.data) {
					return ErrTruncated
				}
				d.damaged("offset %d: the coded data of the picture ends early", d.bits.at)
			}
		}
	}
	if !d.bits.ended && d.bits.n >= 8 {
		d.damaged("offset %d: bytes after the picture's data", d.bits.at)
	}
	d.at = d.bits.at
	return nil
}

// decodeBlock reads what the scan has of one block. Once the data has ended
// nothing is read and the block stays as it is, zero at first.
func (d *Decoder) decodeBlock(c *component, bx, by int, part scanPart) {
	if !d.progressive {
		var b block
		last := 0
		if !d.bits.ended {
			last = d.sequential(c, &b)
		}
		if !c.needed(bx, by) {
			return
		}
		out := c.samples[(8*by*c.blocksX+bx)*8:]
		if last == 0 {
			flat(int32(b[0])*int32(c.quant[0]), out, c.stride())
		} else {
			inverse(&b, c.quant, out, c.stride())
		}
		return
	}
	if d.bits.ended {
		return
	}
	b := &c.coefficients[by*c.blocksX+bx]
	switch {
	case part.first == 0 && part.high == 0:
		c.dcPrediction += d.difference(c)
		b[0] = int16(c.dcPrediction << part.low)
	case part.first == 0:
		if d.bits.take(1) != 0 {
			b[0] |= 1 << part.low
		}
	case part.high == 0:
		d.firstAC(c, b, part)
	default:
		d.refineAC(c, b, part)
	}
}

// difference reads a DC difference.
func (d *Decoder) difference(c *component) int32 {
	s, ok := d.bits.symbol(c.dcTable)
	if !ok || s > 16 {
		d.damaged("offset %d: a code that does not exist", d.bits.at)
		return 0
	}
	return d.bits.value(int(s))
}

// sequential reads a whole block and gives the place, in the file's order, of
// its last coefficient. It works on a copy of the bits, which stays in registers.
func (d *Decoder) sequential(c *component, b *block) (last int) {
	c.dcPrediction += d.difference(c)
	b[0] = int16(c.dcPrediction)
	table := c.acTable
	buffer, n := d.bits.buffer, d.bits.n
	for k := 1; k < 64; {
		if n < 32 {
			d.bits.buffer, d.bits.n = buffer, n
			d.bits.fill()
			buffer, n = d.bits.buffer, d.bits.n
		}
		look := buffer >> (64 - lookBits)
		if e := table.value[look]; e != 0 && int(e&255) <= n {
			k += int(e >> 8 & 255)
			last = k
			b[zigzag[k]] = int16(e >> 16)
			buffer <<= uint(e & 63)
			n -= int(e & 255)
			k++
			continue
		}
		var s byte
		if e := table.look[look]; e != 0 && int(e&255) <= n {
			s = byte(e >> 8)
			buffer <<= uint(e & 63)
			n -= int(e & 255)
		} else {
			var ok bool
			d.bits.buffer, d.bits.n = buffer, n
			if s, ok = d.bits.symbol(table); !ok {
				d.damaged("offset %d: a code that does not exist", d.bits.at)
			}
			buffer, n = d.bits.buffer, d.bits.n
		}
		run, size := int(s>>4), uint(s&15)
		if size == 0 {
			if run != 15 {
				break
			}
			k += 16
			continue
		}
		if k += run; k > 63 {
			d.damaged("offset %d: a block has more than 64 coefficients", d.bits.at)
		}
		if n < int(size) {
			d.bits.buffer, d.bits.n = buffer, n
			d.bits.need(int(size))
			buffer, n = d.bits.buffer, d.bits.n
		}
		v := int32(buffer >> (64 - size))
		buffer <<= size
		n -= int(size)
		if v < 1<<(size-1) {
			v += -1<<size + 1
		}
		last = k
		b[zigzag[k]] = int16(v)
		k++
	}
	d.bits.buffer, d.bits.n = buffer, n
	return last
}

// restartHere looks for restart marker number n (0 to 7) and starts anew after
// it. Where another marker stands it does as libjpeg: a restart marker of the
// near past is skipped, one of the near future or another segment is left, and
// this interval's blocks stay empty.
func (d *Decoder) restartHere(n int) error {
	d.at = d.bits.at
	for {
		marker, err := d.nextMarker()
		if err != nil {
			return err
		}
		number := int(marker) - markerRST0
		switch ahead := (number - n) & 7; {
		case marker < markerSOF0 || number >= 0 && number < 8 && (ahead == 6 || ahead == 7):
			d.damaged("offset %d: expected restart marker %d, found marker %02X", d.at-2, n, marker)
			continue
		case number < 0 || number > 7 || ahead == 1 || ahead == 2:
			d.damaged("offset %d: expected restart marker %d, found marker %02X", d.at-2, n, marker)
			d.bits = bits{data: d.data, at: d.at - 2, ended: true}
		default:
			if ahead != 0 {
				d.damaged("offset %d: expected restart marker %d, found marker %02X", d.at-2, n, marker)
			}
			d.bits = bits{data: d.data, at: d.at}
		}
		d.eobRun = 0
		for _, c := range d.scan {
			c.dcPrediction = 0
		}
		return nil
	}
}
