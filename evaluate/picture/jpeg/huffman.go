package jpeg

import (
	"encoding/binary"
	"errors"
)

// lookBits is how many bits are looked up at once; nearly all codes and many
// codes with their value are not longer.
const lookBits = 10

// A huffman is one table of codes.
type huffman struct {
	// look has, for the next lookBits bits, symbol<<8 | length of the code, or 0
	// where the code is longer.
	look [1 << lookBits]uint16
	// value has, for AC codes, the coefficient, the run before it and the bits of
	// both code and coefficient: value<<16 | run<<8 | bits; 0 where those bits are
	// too many or there is no coefficient.
	value   [1 << lookBits]int32
	limit   [18]int32 // by length: the first code that is longer, in 16 bits
	offset  [17]int32 // by length: place of the symbol minus the code
	symbols []byte
}

func (d *Decoder) huffmanTables(s []byte) error {
	for len(s) > 0 {
		if len(s) < 17 {
			return errors.New("jpeg: a Huffman table has a wrong length")
		}
		n := 0
		for _, count := range s[1:17] {
			n += int(count)
		}
		class, id := s[0]>>4, s[0]&15
		if class > 1 || id > 3 || n > 256 || len(s) < 17+n {
			return errors.New("jpeg: a Huffman table has a wrong head or length")
		}
		h, err := newHuffman(s[1:17], s[17:17+n], class == 1)
		if err != nil {
			return err
		}
		if class == 0 {
			d.dc[id] = h
		} else {
			d.ac[id] = h
		}
		s = s[17+n:]
	}
	return nil
}

// newHuffman makes the table of canonical codes with counts[l-1] codes of
// length l for symbols.
func newHuffman(counts, symbols []byte, ac bool) (*huffman, error) {
	h := &huffman{symbols: symbols}
	code, k := int32(0), 0
	for length := 1; length <= 16; length++ {
		h.offset[length] = int32(k) - code
		for range counts[length-1] {
			if length <= lookBits {
				first := int(code) << (lookBits - length)
				if first+1<<(lookBits-length) > len(h.look) {
					return nil, errors.New("jpeg: a Huffman table has more codes than there can be")
				}
				for i := range 1 << (lookBits - length) {
					h.look[first+i] = uint16(symbols[k])<<8 | uint16(length)
				}
			}
			code++
			k++
		}
		if code > 1<<length {
			return nil, errors.New("jpeg: a Huffman table has more codes than there can be")
		}
		h.limit[length] = code << (16 - length)
		code <<= 1
	}
	h.limit[17] = 1 << 30
	if !ac {
		return h, nil
	}
	for i, entry := range h.look {
		length, run, size := int(entry&255), int32(entry>>12), int(entry>>8&15)
		if length == 0 || size == 0 || length+size > lookBits {
			continue
		}
		v := int32(i >> (lookBits - length - size) & (1<<size - 1))
		if v < 1<<(size-1) {
			v += -1<<size + 1
		}
		h.value[i] = v<<16 | run<<8 | int32(length+size)
	}
	return h, nil
}

// bits is the entropy-coded data as a stream of bits.
type bits struct {
	data   []byte
	at     int
	buffer uint64 // the next bits, from the highest
	n      int    // how many of them are real
	// ended is set when the data hit a marker or the end of the file and zeros
	// were given in their stead, as libjpeg does.
	ended bool
}

// fill makes at least 48 bits available, zeros after the end.
func (b *bits) fill() {
	for b.n <= 56 {
		if b.at+8 <= len(b.data) {
			// Eight bytes at once when none of them is FF.
			word := binary.BigEndian.Uint64(b.data[b.at:])
			if inverse := ^word; (inverse-0x0101010101010101)&^inverse&0x8080808080808080 == 0 {
				take := (64 - b.n) >> 3
				b.buffer |= word >> (64 - 8*take) << (64 - 8*take) >> b.n
				b.n += 8 * take
				b.at += take
				return
			}
		}
		if b.at >= len(b.data) {
			return
		}
		v := b.data[b.at]
		if v == 0xff {
			next := b.at + 1
			for next < len(b.data) && b.data[next] == 0xff {
				next++ // fill bytes
			}
			if next >= len(b.data) || b.data[next] != 0 {
				return // a marker
			}
			b.at = next
		}
		b.at++
		b.buffer |= uint64(v) << (56 - b.n)
		b.n += 8
	}
}

// need makes sure of n bits, up to 16; zeros are made up at the end.
func (b *bits) need(n int) {
	if b.n < n {
		if b.fill(); b.n < n {
			b.ended = true
			b.n = 48 // zeros, enough for the rest of the block
		}
	}
}

func (b *bits) skip(n int) {
	b.buffer <<= n
	b.n -= n
}

// take reads n bits, 1 to 16.
func (b *bits) take(n int) int32 {
	b.need(n)
	v := int32(b.buffer >> (64 - n))
	b.skip(n)
	return v
}

// value reads a signed number of n bits, 0 to 16, of section F.2.2.1 of the
// standard.
func (b *bits) value(n int) int32 {
	if n == 0 {
		return 0
	}
	v := b.take(n)
	if v < 1<<(n-1) {
		v += -1<<n + 1
	}
	return v
}

// symbol reads one code. A code that does not exist gives 0, as in libjpeg, and
// ok false.
func (b *bits) symbol(h *huffman) (s byte, ok bool) {
	if b.n < 16 {
		b.fill()
	}
	if entry := h.look[b.buffer>>(64-lookBits)]; entry != 0 && int(entry&255) <= b.n {
		b.skip(int(entry & 255))
		return byte(entry >> 8), true
	}
	top := int32(b.buffer >> 48)
	length := 1
	for top >= h.limit[length] {
		length++
	}
	if length > 16 {
		b.need(16)
		b.skip(16)
		return 0, false
	}
	b.need(length)
	b.skip(length)
	return h.symbols[top>>(16-length)+h.offset[length]], true
}
