package jpeg

import "errors"

// upsampler writes row y of the picture of channel c to out, at the width of
// the picture; out may have room for a sample more. The last sample of a row and
// the last row of a channel are those that belong to the picture; the padding of
// blocks beyond them is never looked at.
type upsampler func(c *component, y int, out []byte) []byte

// upsamplerOf chooses as libjpeg's jdsample.c does.
func (d *Decoder) upsamplerOf(c *component) (upsampler, error) {
	h, v := d.maxH/int(c.h), d.maxV/int(c.v)
	switch {
	case d.maxH%int(c.h) != 0 || d.maxV%int(c.v) != 0:
		return nil, errors.New("jpeg: the channels' sizes are not whole multiples of each other")
	case h == 1 && v == 1:
		return func(c *component, y int, _ []byte) []byte { return c.row(y) }, nil
	case h == 2 && v == 1 && c.width > 2:
		return func(c *component, y int, out []byte) []byte { return fancyH2(c.row(y)[:c.width], out) }, nil
	case h == 2 && v == 2 && c.width > 2:
		return fancyH2V2, nil
	case h == 1 && v == 2:
		return fancyV2, nil
	}
	return func(c *component, y int, out []byte) []byte {
		row := c.row(y / v)
		out = out[:min(len(out), h*c.width)]
		for x := range out {
			out[x] = row[x/h]
		}
		return out
	}, nil
}

// row gives row y of the channel's samples.
func (c *component) row(y int) []byte {
	return c.samples[y*c.stride() : (y+1)*c.stride()]
}

// fancyH2 is libjpeg's h2v1_fancy_upsample: each sample is 3/4 of the nearer and
// 1/4 of the farther neighbour, rounded down and up in turn.
func fancyH2(in, out []byte) []byte {
	n := len(in)
	out = out[:2*n]
	out[0] = in[0]
	out[1] = byte((int(in[0])*3 + int(in[1]) + 2) >> 2)
	for x := 1; x < n-1; x++ {
		v := int(in[x]) * 3
		out[2*x] = byte((v + int(in[x-1]) + 1) >> 2)
		out[2*x+1] = byte((v + int(in[x+1]) + 2) >> 2)
	}
	out[2*n-2] = byte((int(in[n-1])*3 + int(in[n-2]) + 1) >> 2)
	out[2*n-1] = in[n-1]
	return out
}

// neighbours gives the row of c nearest to row y of the picture at twice its
// height, and the one next to it on the side of y.
func (c *component) neighbours(y int) (near, far []byte) {
	k := y >> 1
	other := k - 1
	if y&1 == 1 {
		other = k + 1
	}
	other = min(max(other, 0), c.height-1)
	return c.row(k)[:c.width], c.row(other)[:c.width]
}

// fancyH2V2 is libjpeg's h2v2_fancy_upsample.
func fancyH2V2(c *component, y int, out []byte) []byte {
	near, far := c.neighbours(y)
	n := len(near)
	far = far[:n]
	out = out[:2*n]
	this := int(near[0])*3 + int(far[0])
	next := int(near[1])*3 + int(far[1])
	out[0] = byte((this*4 + 8) >> 4)
	out[1] = byte((this*3 + next + 7) >> 4)
	for x := 1; x < n-1; x++ {
		last := this
		this = next
		next = int(near[x+1])*3 + int(far[x+1])
		out[2*x] = byte((this*3 + last + 8) >> 4)
		out[2*x+1] = byte((this*3 + next + 7) >> 4)
	}
	out[2*n-2] = byte((next*3 + this + 8) >> 4)
	out[2*n-1] = byte((next*4 + 7) >> 4)
	return out
}

// fancyV2 is libjpeg-turbo's h1v2_fancy_upsample.
func fancyV2(c *component, y int, out []byte) []byte {
	near, far := c.neighbours(y)
	out = out[:len(near)]
	bias := 1 + y&1
	for x, v := range near {
		out[x] = byte((int(v)*3 + int(far[x]) + bias) >> 2)
	}
	return out
}
