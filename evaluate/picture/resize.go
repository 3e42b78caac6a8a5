package picture

import (
	"encoding/binary"
	"math"
)

// precision is how many bits after the point the weights of a resize have: 32
// minus 8 of a pixel minus 2 for filters that overshoot. As in Pillow.
const precision = 32 - 8 - 2

// weights says of which pixels each pixel of one direction of a resize is made:
// pixel i of n[i] pixels from first[i] on, with the weights at[i]...
type weights struct {
	first, n []int
	at       []int
	k        []int64 // times 2^precision
}

// window gives the pixels that any of the result's pixels needs.
func (w *weights) window() (from, to int) {
	from = w.first[0]
	for i, f := range w.first {
		from, to = min(from, f), max(to, f+w.n[i])
	}
	return from, to
}

// newWeights is Pillow's precompute_coeffs and normalize_coeffs_8bpc for pixels
// offset .. offset+count-1 of a line of in pixels made out pixels long.
func newWeights(f Filter, in, out, offset, count int) *weights {
	w := &weights{}
	if f == Nearest {
		// Pillow resizes by its affine transform then, which adds up its step.
		step := float64(in) / float64(out)
		x := step * 0.5
		for i := range offset + count {
			if i >= offset {
				w.add(int(x), []int64{1 << precision})
			}
			x += step
		}
		return w
	}
	filter := filters[f]
	scale := float64(in) / float64(out)
	wide := max(scale, 1)
	support := filter.radius * wide
	float, fixed := []float64{}, []int64{}
	for i := offset; i < offset+count; i++ {
		centre := (float64(i) + 0.5) * scale
		first := max(int(centre-support+0.5), 0)
		n := min(int(centre+support+0.5), in) - first
		float, fixed = float[:0], fixed[:0]
		sum := 0.0
		for x := range n {
			v := filter.weight((float64(x+first) - centre + 0.5) * (1 / wide))
			float = append(float, v)
			sum += v
		}
		for _, v := range float {
			if sum != 0 {
				v /= sum
			}
			fixed = append(fixed, int64(math.Trunc(v*(1<<precision)+math.Copysign(0.5, v))))
		}
		w.add(first, fixed)
	}
	return w
}

// of gives the weights of pixel i.
func (w *weights) of(i int) []int64 { return w.k[w.at[i] : w.at[i]+w.n[i]] }

func (w *weights) add(first int, k []int64) {
	w.first, w.n, w.at = append(w.first, first), append(w.n, len(k)), append(w.at, len(w.k))
	w.k = append(w.k, k...)
}

// Two sums of 32 bits are kept in one word, so that one multiplication serves
// two pixels. A sum may be negative and then borrows from the one above it,
// which high gives back.
const (
	lanes = 0x000000ff_000000ff
	half  = 1<<(precision-1) | 1<<(32+precision-1)
)

func low(sum int64) byte  { return clip(int32(sum)) }
func high(sum int64) byte { return clip(int32((sum - int64(int32(sum))) >> 32)) }

func clip(v int32) byte {
	v >>= precision
	if uint32(v) > 255 {
		return byte(^(v >> 31))
	}
	return byte(v)
}

// horizontal resizes rows from..to-1 of im in width, as w says, into dst: rows
// of len(w.first) pixels with the channels of im, stride bytes apart.
func horizontal(dst []byte, stride int, im *Image, from, to int, w *weights) {
	switch im.Channels {
	case 3:
		y := from
		for ; y+1 < to; y += 2 {
			rgbRows(dst[(y-from)*stride:], dst[(y-from+1)*stride:], im.row(y), im.row(y+1), w)
		}
		if y < to {
			out := dst[(y-from)*stride:]
			rgbRows(out, out, im.row(y), im.row(y), w)
		}
	default:
		for y := from; y < to; y++ {
			out, in := dst[(y-from)*stride:], im.row(y)
			for x, first := range w.first {
				sum := int64(1 << (precision - 1))
				k := w.of(x)
				for t, v := range in[first : first+len(k)] {
					sum += k[t] * int64(v)
				}
				out[x] = low(sum)
			}
		}
	}
}

// rgbRows resizes two rows of three bytes a pixel. Each in has a byte to spare.
func rgbRows(out0, out1, in0, in1 []byte, w *weights) {
	for x, first := range w.first {
		k := w.of(x)
		var r, g, b int64 = half, half, half
		p0, p1 := in0[3*first:3*(first+len(k))+1], in1[3*first:3*(first+len(k))+1]
		for _, c := range k {
			v := int64(binary.LittleEndian.Uint32(p0)) | int64(binary.LittleEndian.Uint32(p1))<<32
			p0, p1 = p0[3:], p1[3:]
			r += c * (v & lanes)
			g += c * (v >> 8 & lanes)
			b += c * (v >> 16 & lanes)
		}
		o0, o1 := out0[3*x:3*x+3:3*x+3], out1[3*x:3*x+3:3*x+3]
		o0[0], o0[1], o0[2] = low(r), low(g), low(b)
		o1[0], o1[1], o1[2] = high(r), high(g), high(b)
	}
}

// vertical makes one row of the result, n bytes, from the rows of src that start
// stride bytes apart, the first of k's at src[0]. src has 8 bytes to spare, out
// room for n rounded up to 8.
func vertical(out, src []byte, stride, n int, k []int64) {
	for x := 0; x < n; x += 8 {
		var a, b, c, d int64 = half, half, half, half
		at := x
		for _, w := range k {
			v := int64(binary.LittleEndian.Uint64(src[at:]))
			at += stride
			a += w * (v & lanes)
			b += w * (v >> 8 & lanes)
			c += w * (v >> 16 & lanes)
			d += w * (v >> 24 & lanes)
		}
		o := out[x : x+8 : x+8]
		o[0], o[1], o[2], o[3] = low(a), low(b), low(c), low(d)
		o[4], o[5], o[6], o[7] = high(a), high(b), high(c), high(d)
	}
}
